//! given: records of `orders-0`; when: they are folded; then: rows. The log is written here as the stages would.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use orderledger_domain::envelope::{self, Cause};
use orderledger_domain::event::{
    AccountCredited, AmendAccepted, AmendRejected, CancelAccepted, CancelRejected, Deposit, Event, OrderAccepted,
    OrderAmendRequested, OrderAmended, OrderCancelRequested, OrderCanceled, OrderCreated, OrderExpired, OrderFilled,
    OrderRejected,
};
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, BasisPoints, Price, Quantity};
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::reason::{ExpireReason, Rejection};
use orderledger_domain::stream::{StreamId, StreamKey, StreamMark};
use orderledger_domain::terms::{Liquidity, OrderType, Side, TimeInForce};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::Record;
use orderledger_store::views::{Schema, View, ViewReader};
use uuid::Uuid;

use super::{SCHEMA, Settlement};
use crate::worker::fold::{Failure, Fold, Outcome};
use crate::worker::partition::PartitionState;
use crate::worker::read::Read;

mod batches;
mod golden;
mod history;
mod money;
mod names;
mod orders;
mod past;
mod periods;
mod placeholders;
mod refusals;

pub(super) const HOME: TopicPartition = Topic::Orders.at(0);
pub(super) const AAPL: &str = "AAPL";

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(super) fn id(name: &str) -> OrderId {
    OrderId::new(name).unwrap()
}

pub(super) fn symbol() -> Symbol {
    Symbol::new(AAPL).unwrap()
}

/// "150.25" in 1/10000.
pub(super) fn units(text: &str) -> i128 {
    orderledger_domain::decimal::parse_units(text).unwrap()
}

pub(super) fn amount(text: &str) -> Amount {
    Amount::from_units(units(text))
}

pub(super) fn price(text: &str) -> Price {
    Price::from_units(units(text)).unwrap()
}

pub(super) fn shares(number: u64) -> Quantity {
    Quantity::new(number).unwrap()
}

pub(super) fn bps(rate: u32) -> BasisPoints {
    BasisPoints::new(rate).unwrap()
}

pub(super) fn deposit(to: &str, asset: &str, how_much: &str) -> Event {
    let asset = Asset::new(asset).unwrap();
    Event::DepositMade(Deposit { user_id: user(to), asset, amount: amount(how_much) })
}

pub(super) fn limit(of: &str, order: &str, side: Side, quantity: u64, at: &str) -> OrderCreated {
    OrderCreated {
        order_id: id(order),
        user_id: user(of),
        symbol: symbol(),
        side,
        order_type: OrderType::Limit,
        time_in_force: Some(TimeInForce::Gtc),
        post_only: false,
        quantity: shares(quantity),
        price: Some(price(at)),
        max_cost: None,
        client_order_id: None,
    }
}

/// `orders-0` as it grows.
#[derive(Default)]
pub(super) struct Log {
    pub(super) records: Vec<Read>,
    marks: BTreeMap<StreamId, StreamMark>,
    unanswered: VecDeque<u64>,
    books_offset: u64,
    offset: u64,
}

impl Log {
    fn push(&mut self, key: &str, value: Vec<u8>) -> u64 {
        // Offsets have holes.
        let offset = self.offset;
        self.offset += 1 + u64::from(offset % 5 == 3);
        let recorded_at_ms = 1_736_937_000_000 + i64::try_from(offset).unwrap() * 1000;
        let key = Some(Bytes::copy_from_slice(key.as_bytes()));
        let record = Record { offset, recorded_at_ms, key, value: Some(value.into()), headers: Vec::new() };
        self.records.push(Read::new(HOME, record, &StreamKey::default()));
        offset
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis(1_736_937_000_000).plus_seconds(i64::try_from(self.offset).unwrap())
    }

    /// An outside record; its offset.
    pub(super) fn ask(&mut self, event: Event) -> u64 {
        let key = event.user_id().unwrap().to_string();
        let event_id = Uuid::from_u128(u128::from(self.offset) + 1);
        self.ask_raw(&key, envelope::write_outside(event_id, self.time(), &event, "test"))
    }

    pub(super) fn ask_raw(&mut self, key: &str, value: Vec<u8>) -> u64 {
        let offset = self.push(key, value);
        self.unanswered.push_back(offset);
        offset
    }

    /// Intake's answer to the oldest record that has none.
    pub(super) fn answer(&mut self, event: Event) -> u64 {
        let cause = self.unanswered.pop_front().unwrap();
        self.derive(HOME.offset(cause), event)
    }

    /// What matching says next.
    pub(super) fn book(&mut self, event: Event) -> u64 {
        self.books_offset += 1;
        self.derive(Topic::Books.at(0).offset(self.books_offset), event)
    }

    fn derive(&mut self, cause: Position, event: Event) -> u64 {
        let stream = StreamId(cause.topic_partition());
        let mark = self.marks.get(&stream).copied().unwrap_or_default();
        let stamp = mark.next_stamp(Cause { position: cause, index: 0 });
        let key = event.user_id().map_or_else(|| "_refused".to_owned(), ToString::to_string);
        let payload = envelope::payload_bytes(&event);
        let value = envelope::write_derived(event.event_type(), &payload, self.time(), &stamp, "test");
        let digest = StreamKey::default().digest(Some(key.as_bytes()), Some(&value));
        self.marks.insert(stream, StreamMark { sequence: stamp.sequence, digest });
        self.push(&key, value)
    }

    pub(super) fn fund(&mut self, to: &str, asset: &str, how_much: &str) -> u64 {
        let request_id = Uuid::from_u128(u128::from(self.offset) + 1);
        self.ask(deposit(to, asset, how_much));
        let asset = Asset::new(asset).unwrap();
        let amount = amount(how_much);
        self.answer(Event::AccountCredited(AccountCredited { user_id: user(to), asset, amount, request_id }))
    }

    pub(super) fn accept(&mut self, created: &OrderCreated, reserved: &str, fees: (u32, u32)) -> u64 {
        let terms = created.terms();
        let (maker_bps, taker_bps) = (bps(fees.0), bps(fees.1));
        self.answer(Event::OrderAccepted(OrderAccepted { terms, reserved: amount(reserved), maker_bps, taker_bps }))
    }

    /// A limit order that is accepted at once.
    pub(super) fn place(&mut self, created: &OrderCreated, reserved: &str, fees: (u32, u32)) -> u64 {
        self.ask(Event::OrderCreated(created.clone()));
        self.accept(created, reserved, fees)
    }

    pub(super) fn reject(&mut self, created: &OrderCreated, reason: Rejection) -> Event {
        Event::OrderRejected(OrderRejected { terms: created.terms(), reason })
    }

    pub(super) fn fill(
        &mut self,
        of: &OrderCreated,
        trade: &str,
        leg: (u64, &str),
        fee: &str,
        liquidity: Liquidity,
        cum_and_leaves: (u64, u64),
    ) -> u64 {
        self.book(Event::OrderFilled(OrderFilled {
            order_id: of.order_id.clone(),
            user_id: of.user_id.clone(),
            symbol: of.symbol,
            side: of.side,
            trade_id: trade.to_owned(),
            price: price(leg.1),
            quantity: shares(leg.0),
            fee: amount(fee),
            liquidity,
            cum_quantity: shares(cum_and_leaves.0),
            leaves_quantity: shares(cum_and_leaves.1),
        }))
    }

    pub(super) fn ask_cancel(&mut self, of: &OrderCreated) -> u64 {
        let (order_id, user_id) = (of.order_id.clone(), of.user_id.clone());
        self.ask(Event::OrderCancelRequested(OrderCancelRequested { order_id, user_id }))
    }

    pub(super) fn grant_cancel(&mut self, of: &OrderCreated, created: u64) -> u64 {
        let (order_id, user_id, symbol) = (of.order_id.clone(), of.user_id.clone(), of.symbol);
        self.answer(Event::CancelAccepted(CancelAccepted { order_id, user_id, symbol, created: HOME.offset(created) }))
    }

    pub(super) fn ask_amend(&mut self, of: &OrderCreated, quantity: u64, at: &str) -> u64 {
        let (order_id, user_id) = (of.order_id.clone(), of.user_id.clone());
        let (quantity, price) = (Some(shares(quantity)), Some(price(at)));
        self.ask(Event::OrderAmendRequested(OrderAmendRequested { order_id, user_id, quantity, price }))
    }

    pub(super) fn grant_amend(&mut self, of: &OrderCreated, quantity: u64, at: &str, extra: &str) -> u64 {
        self.answer(Event::AmendAccepted(AmendAccepted {
            order_id: of.order_id.clone(),
            user_id: of.user_id.clone(),
            symbol: of.symbol,
            quantity: shares(quantity),
            price: price(at),
            extra_reserved: amount(extra),
            created: HOME.offset(0),
        }))
    }
}

pub(super) fn canceled(of: &OrderCreated, quantity: u64) -> Event {
    let (order_id, user_id, symbol) = (of.order_id.clone(), of.user_id.clone(), of.symbol);
    Event::OrderCanceled(OrderCanceled { order_id, user_id, symbol, canceled_quantity: shares(quantity) })
}

pub(super) fn cancel_rejected(of: &OrderCreated, reason: Rejection) -> Event {
    Event::CancelRejected(CancelRejected { order_id: of.order_id.clone(), user_id: of.user_id.clone(), reason })
}

pub(super) fn expired(of: &OrderCreated, reason: ExpireReason, quantity: u64) -> Event {
    let (order_id, user_id, symbol) = (of.order_id.clone(), of.user_id.clone(), of.symbol);
    Event::OrderExpired(OrderExpired { order_id, user_id, symbol, reason, expired_quantity: shares(quantity) })
}

pub(super) fn amended(of: &OrderCreated, quantity: u64, at: &str, extra: &str, leaves: u64) -> Event {
    Event::OrderAmended(OrderAmended {
        order_id: of.order_id.clone(),
        user_id: of.user_id.clone(),
        symbol: of.symbol,
        quantity: shares(quantity),
        price: price(at),
        extra_reserved: amount(extra),
        leaves_quantity: shares(leaves),
    })
}

pub(super) fn amend_rejected(of: &OrderCreated, reason: Rejection, extra: &str) -> Event {
    let (order_id, user_id) = (of.order_id.clone(), of.user_id.clone());
    Event::AmendRejected(AmendRejected { order_id, user_id, reason, extra_reserved: amount(extra) })
}

pub(super) fn empty_view() -> View {
    View::in_memory(Schema { name: Settlement::NAME, version: SCHEMA })
}

/// Folds as the worker does, in batches of that size; with `reload` the fold is read back from its view in between.
pub(super) fn fold(records: &[Read], batch: usize, reload: bool) -> Result<(View, Vec<Outcome>), Failure> {
    let view = empty_view();
    let mut outcomes = Vec::new();
    let mut state = PartitionState::default();
    let mut settlement = Settlement::load(&view, 2)?;
    for records in records.chunks(batch) {
        for read in records {
            let arrived = state.take(read).unwrap();
            outcomes.push(settlement.apply(&view, read, arrived)?);
        }
        let mut changes = view.changes();
        settlement.write_rows(&view, &mut changes)?;
        view.commit(changes, state.next_offset.to_be_bytes().to_vec())?;
        if reload {
            settlement = Settlement::load(&view, 2)?;
        }
    }
    Ok((view, outcomes))
}

impl Log {
    /// Everything so far, folded.
    pub(super) fn look(&self) -> ViewReader {
        fold(&self.records, 3, false).unwrap().0.reader().unwrap()
    }

    /// Why the fold refuses a record of this log.
    pub(super) fn refusal(&self) -> String {
        match fold(&self.records, 1, false) {
            Err(Failure::Record(unappliable)) => unappliable.0,
            other => panic!("not refused: {:?}", other.map(|(_, outcomes)| outcomes)),
        }
    }
}

/// `USD 10985=4975+6010, AAPL …`: total, available and reserved of every asset.
pub(super) fn balances(reader: &ViewReader, of: &str) -> String {
    let account = super::queries::balances(reader, &user(of)).unwrap().unwrap().account;
    text(&account)
}

pub(super) fn text(account: &orderledger_domain::account::Account) -> String {
    let row = |(asset, balance): (Asset, orderledger_domain::account::Balance)| {
        format!("{asset} {}={}+{}", balance.total(), balance.available, balance.reserved)
    };
    account.iter().map(row).collect::<Vec<_>>().join(", ")
}

/// No sum over all accounts differs from zero.
pub(super) fn assert_zero_sum(reader: &ViewReader) {
    let sums = super::queries::sums_by_partition(reader).unwrap();
    assert!(sums.values().all(|sum| sum.is_zero()), "{sums:?}");
}
