//! Random trading days through the real stages, stepped by hand: the same seed gives the same log.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use orderledger_domain::event::{
    Deposit, Event, FeeSchedule, OrderAmendRequested, OrderCancelRequested, OrderCreated, RulesVersion, SessionClose,
    WithdrawalRequested,
};
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, BasisPoints, Price, Quantity};
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_domain::terms::{OrderType, Side, TimeInForce};
use orderledger_domain::timestamp::Timestamp;
use orderledger_domain::{envelope, partition};
use orderledger_projections::intake::{Identities, Intake};
use orderledger_projections::matching::Matching;
use orderledger_projections::stage::fold::StageFold;
use orderledger_projections::worker::board::Board;
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::Record;
use orderledger_store::id_index::IdIndex;
use uuid::Uuid;

pub(crate) const PARTITIONS: u32 = 3;

/// A small linear generator: the seed is the whole randomness.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The log, the stages that read it, and users who don't care.
pub(crate) struct Market {
    dice: Dice,
    pub(crate) log: BTreeMap<TopicPartition, Vec<Read>>,
    intake: Vec<(Intake, usize)>,
    matching: Vec<(Matching, usize)>,
    identities: Identities,
    board: Arc<Board>,
    asked: u64,
    appended: i64,
    _dir: tempfile::TempDir,
}

impl Market {
    pub(crate) fn new(seed: u64) -> Market {
        let dir = tempfile::tempdir().unwrap();
        let key = StreamKey::default();
        Market {
            dice: Dice(seed),
            log: BTreeMap::new(),
            intake: (0..PARTITIONS).map(|p| (Intake::new(p, PARTITIONS, key), 0)).collect(),
            matching: (0..PARTITIONS).map(|p| (Matching::new(p, PARTITIONS, key), 0)).collect(),
            identities: Identities::new(IdIndex::open(&dir.path().join("ids.redb")).unwrap()),
            board: Arc::default(),
            asked: 0,
            appended: 0,
            _dir: dir,
        }
    }

    pub(crate) fn append(&mut self, to: TopicPartition, key: Bytes, value: Bytes) {
        let records = self.log.entry(to).or_default();
        let offset = u64::try_from(records.len()).unwrap();
        // Some records a millisecond, so that minutes and partitions mingle.
        self.appended += 1;
        let recorded_at_ms = 1_736_937_000_000 + self.appended / 3;
        let record = Record { offset, recorded_at_ms, key: Some(key), value: Some(value), headers: Vec::new() };
        records.push(Read::new(to, record, &StreamKey::default()));
    }

    fn ask(&mut self, event: &Event) {
        self.asked += 1;
        let user = event.user_id().map_or("_control", UserId::as_str).to_owned();
        let to = if user == "_control" { 0 } else { partition::of_key(user.as_bytes(), PARTITIONS) };
        let time = Timestamp::from_millis(1_736_936_000_000);
        // Now and then an id is used twice.
        let id = if self.dice.below(30) == 0 { self.asked / 2 } else { self.asked };
        let value = envelope::write_outside(Uuid::from_u128(u128::from(id)), time, event, "test");
        self.append(Topic::Orders.at(to), Bytes::from(user), value.into());
    }

    /// One partition of one stage goes on by some records.
    fn work(&mut self, is_intake: bool, p: usize, many: u64) -> bool {
        let (topic, stages) =
            if is_intake { (Topic::Orders, self.intake.len()) } else { (Topic::Books, self.matching.len()) };
        let from = topic.at(u32::try_from(p % stages).unwrap());
        let mut outputs = Vec::new();
        for _ in 0..many {
            let at = if is_intake { &mut self.intake[p].1 } else { &mut self.matching[p].1 };
            let Some(read) = self.log.get(&from).and_then(|records| records.get(*at)) else { break };
            *at += 1;
            if is_intake {
                self.intake[p].0.step(read, &mut self.identities, &mut outputs).unwrap();
            } else {
                self.matching[p].0.step(read, &mut self.board, &mut outputs).unwrap();
            }
        }
        let worked = !outputs.is_empty();
        // Answers stand in `orders` before anything stands in `books`.
        outputs.sort_by_key(|output| output.to.topic == Topic::Books);
        for output in outputs {
            self.append(output.to, output.key, output.value);
        }
        worked
    }

    fn ask_something(&mut self) {
        let user = UserId::new(&format!("u{}", self.dice.below(8))).unwrap();
        let symbol = Symbol::new(["AAPL", "MSFT"][usize::try_from(self.dice.below(2)).unwrap()]).unwrap();
        let order_id = OrderId::new(&format!("o{}", self.dice.below(1 + self.asked / 4))).unwrap();
        let quantity = Quantity::new(1 + self.dice.below(40)).unwrap();
        let price = Price::from_units(i128::from(1 + self.dice.below(40)) * 7_777).unwrap();
        let event = match self.dice.below(20) {
            0..4 => {
                let asset = if self.dice.below(2) == 0 { Asset::USD } else { symbol.asset() };
                let amount = Amount::from_units(i128::from(1 + self.dice.below(90)) * 10_000);
                Event::DepositMade(Deposit { user_id: user, asset, amount })
            }
            4 => {
                let amount = Amount::from_units(i128::from(1 + self.dice.below(90)) * 10_000);
                let (asset, withdrawal_id) = (Asset::USD, None);
                Event::WithdrawalRequested(WithdrawalRequested { user_id: user, asset, amount, withdrawal_id })
            }
            5 if self.dice.below(3) == 0 => {
                let rules_version = 1 + u32::try_from(self.dice.below(3)).unwrap();
                Event::RulesVersionRequested(RulesVersion { rules_version })
            }
            5 => {
                let rate = |rate: u64| BasisPoints::new(u32::try_from(rate).unwrap()).unwrap();
                let (maker_bps, taker_bps) = (rate(self.dice.below(1001)), rate(self.dice.below(30)));
                Event::FeeScheduleRequested(FeeSchedule { maker_bps, taker_bps })
            }
            6 if self.dice.below(8) == 0 => {
                let symbols = (self.dice.below(2) == 0).then(|| vec![symbol]);
                Event::SessionCloseRequested(SessionClose { symbols })
            }
            6..9 => Event::OrderCancelRequested(OrderCancelRequested { order_id, user_id: user }),
            9..12 => {
                let quantity = (self.dice.below(3) > 0).then_some(quantity);
                let price = (quantity.is_none() || self.dice.below(2) == 0).then_some(price);
                Event::OrderAmendRequested(OrderAmendRequested { order_id, user_id: user, quantity, price })
            }
            _ => self.order(user, symbol, quantity, price),
        };
        self.ask(&event);
    }

    fn order(&mut self, user_id: UserId, symbol: Symbol, quantity: Quantity, price: Price) -> Event {
        let side = if self.dice.below(2) == 0 { Side::Buy } else { Side::Sell };
        let kind = self.dice.below(8);
        let market = kind == 0;
        let budget = market && side == Side::Buy && self.dice.below(2) == 0;
        Event::OrderCreated(OrderCreated {
            order_id: OrderId::new(&format!("o{}", self.asked / 4)).unwrap(),
            user_id,
            symbol,
            side,
            order_type: if market { OrderType::Market } else { OrderType::Limit },
            time_in_force: match kind {
                0 => None,
                1 => Some(TimeInForce::Ioc),
                2 => Some(TimeInForce::Fok),
                4 => Some(TimeInForce::Day),
                _ => Some(TimeInForce::Gtc),
            },
            post_only: kind == 3,
            quantity,
            price: (!market).then_some(price),
            max_cost: budget.then_some(Amount::from_units(1_000_000)),
            client_order_id: None,
        })
    }

    /// Some hundred requests, and the stages in any order until nothing is left to do.
    pub(crate) fn day(&mut self) {
        self.busy_hours();
        self.evening();
    }

    /// Requests, and the stages somewhere behind them.
    pub(crate) fn busy_hours(&mut self) {
        for _ in 0..600 {
            self.ask_something();
            for _ in 0..self.dice.below(4) {
                let (is_intake, p) = (self.dice.below(2) == 0, self.dice.below(u64::from(PARTITIONS)));
                let many = 1 + self.dice.below(9);
                self.work(is_intake, usize::try_from(p).unwrap(), many);
            }
        }
    }

    /// The stages until nothing is left to do.
    pub(crate) fn evening(&mut self) {
        let is_done = |market: &Market| {
            let read = |topic: Topic, p: usize, at: usize| {
                market.log.get(&topic.at(u32::try_from(p).unwrap())).is_none_or(|records| records.len() == at)
            };
            market.intake.iter().enumerate().all(|(p, stage)| read(Topic::Orders, p, stage.1))
                && market.matching.iter().enumerate().all(|(p, stage)| read(Topic::Books, p, stage.1))
        };
        while !is_done(self) {
            for p in 0..usize::try_from(PARTITIONS).unwrap() {
                self.work(true, p, u64::MAX);
                self.work(false, p, u64::MAX);
            }
        }
    }
}
