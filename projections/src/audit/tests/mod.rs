//! The audit trail from outside: records in, answers out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use bytes::Bytes;
use orderledger_domain::envelope::{Cause, write_derived, write_outside};
use orderledger_domain::event::{Deposit, Event, FeeSchedule, OrderCancelRequested, OrderCanceled, TradeExecuted};
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::partition;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::{StreamId, StreamKey, StreamMark};
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::{Header, Record};
use orderledger_store::views::{RowsDigest, Schema, View, ViewReader};
use uuid::Uuid;

use super::Audit;
use super::queries::Types;
use crate::worker::fold::Fold;
use crate::worker::partition::{Arrived, PartitionState};
use crate::worker::read::Read;

mod answers;
mod batches;
mod bytes_kept;
mod golden;
mod merkle;
mod readable;
mod said;

const PARTITIONS: u32 = 2;

fn named(types: &[&str]) -> Types {
    types.iter().map(|name| Types::from_name(name).unwrap()).collect()
}

/// A log written by hand.
#[derive(Default)]
struct Script {
    /// All records in the order in which they were written.
    records: Vec<(TopicPartition, Record)>,
    ends: BTreeMap<TopicPartition, u64>,
    marks: BTreeMap<(TopicPartition, StreamId), StreamMark>,
    now_ms: i64,
}

impl Script {
    fn append(&mut self, to: TopicPartition, key: Option<&[u8]>, value: Option<&[u8]>, headers: Vec<Header>) {
        let end = self.ends.entry(to).or_default();
        let own = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        let (key, value) = (key.map(own), value.map(own));
        self.records.push((to, Record { offset: *end, recorded_at_ms: self.now_ms, key, value, headers }));
        *end += 1;
    }

    /// Leaves offsets out, as transactions do in Kafka.
    fn skip(&mut self, of: TopicPartition, offsets: u64) {
        *self.ends.entry(of).or_default() += offsets;
    }

    fn outside(&mut self, to: TopicPartition, key: &str, event: &Event) {
        let value = write_outside(Uuid::from_u128(7), Timestamp::from_millis(1), event, "test");
        self.append(to, Some(key.as_bytes()), Some(&value), Vec::new());
    }

    /// A record of intake's stream into its own partition, or of a stage's stream elsewhere.
    fn derived(&mut self, from: TopicPartition, to: TopicPartition, key: &str, event: &Event) {
        let payload = orderledger_domain::envelope::payload_bytes(event);
        let mark = self.marks.entry((to, StreamId(from))).or_default();
        let stamp = mark.next_stamp(Cause { position: from.offset(mark.sequence), index: 0 });
        let value = write_derived(event.event_type(), &payload, Timestamp::from_millis(1), &stamp, "test");
        let digest = StreamKey::default().digest(Some(key.as_bytes()), Some(&value));
        *mark = StreamMark { sequence: stamp.sequence, digest };
        self.append(to, Some(key.as_bytes()), Some(&value), Vec::new());
    }

    /// The newest record of that partition once more.
    fn repeat(&mut self, of: TopicPartition) {
        let last = self.records.iter().rev().find(|(in_partition, _)| *in_partition == of).cloned();
        if let Some((_, last)) = last {
            self.append(of, last.key.as_deref(), last.value.as_deref(), last.headers);
        }
    }

    fn reads(&self) -> Vec<Read> {
        self.records.iter().map(|(of, record)| Read::new(*of, record.clone(), &StreamKey::default())).collect()
    }
}

/// The fold with its view, as a worker drives it.
struct Trail {
    view: View,
    audit: Audit,
    states: BTreeMap<TopicPartition, PartitionState>,
    arrivals: Vec<Arrived>,
}

impl Trail {
    fn new() -> Trail {
        let view = View::in_memory(Schema { name: Audit::NAME, version: Audit::SCHEMA });
        let audit = Audit::load(&view, PARTITIONS).unwrap();
        Trail { audit, view, states: BTreeMap::new(), arrivals: Vec::new() }
    }

    /// As a worker that was stopped and started: all that is not in the view is gone.
    fn reload(&mut self) {
        self.audit = Audit::load(&self.view, PARTITIONS).unwrap();
    }

    fn feed(&mut self, batch: &[Read]) {
        for read in batch {
            // Hand-written streams answer nothing in particular: what matters here is how records arrive.
            let arrived = self.states.entry(read.position.topic_partition()).or_default().take(read);
            let arrived = arrived.unwrap_or(Arrived::Derived);
            self.arrivals.push(arrived);
            self.audit.apply(&self.view, read, arrived).unwrap();
        }
        let mut changes = self.view.changes();
        self.audit.write_rows(&self.view, &mut changes).unwrap();
        self.view.commit(changes, Bytes::new()).unwrap();
    }

    fn of(reads: &[Read]) -> Trail {
        let mut trail = Trail::new();
        reads.chunks(100).for_each(|batch| trail.feed(batch));
        trail
    }

    fn reader(&self) -> ViewReader {
        self.view.reader().unwrap()
    }

    fn digest(&self) -> RowsDigest {
        self.view.compute_digest().unwrap().digest
    }
}

fn user(number: u8) -> UserId {
    UserId::new(&format!("u{number}")).unwrap()
}

fn order(number: u8) -> OrderId {
    OrderId::new(&format!("o{number}")).unwrap()
}

fn symbol(number: u8) -> Symbol {
    Symbol::new(&format!("S{number}")).unwrap()
}

/// The partition of `orders` where the user lives.
fn home(user: &UserId) -> TopicPartition {
    Topic::Orders.at(partition::of_key(user.as_str().as_bytes(), PARTITIONS))
}

fn deposit(user: &UserId) -> Event {
    Event::DepositMade(Deposit { user_id: user.clone(), asset: Asset::USD, amount: Amount::from_units(5) })
}

fn cancel_request(user: &UserId, order_id: OrderId) -> Event {
    Event::OrderCancelRequested(OrderCancelRequested { order_id, user_id: user.clone() })
}

fn canceled(user: &UserId, order_id: OrderId, symbol: Symbol) -> Event {
    let canceled_quantity = Quantity::new(1).unwrap();
    Event::OrderCanceled(OrderCanceled { order_id, user_id: user.clone(), symbol, canceled_quantity })
}

fn trade(symbol: Symbol, book_seq: u64) -> Event {
    Event::TradeExecuted(TradeExecuted {
        trade_id: format!("{symbol}-{book_seq}"),
        symbol,
        book_seq,
        price: Price::from_units(1).unwrap(),
        quantity: Quantity::new(1).unwrap(),
        taker_side: Side::Buy,
        buy_user_id: user(1),
        buy_order_id: order(1),
        sell_user_id: user(2),
        sell_order_id: order(2),
    })
}

fn fees_requested() -> Event {
    Event::FeeScheduleRequested(FeeSchedule::default())
}
