//! Given trades on the log, when the market fold reads them, then its rows and answers are what a naive reading gives.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use bytes::Bytes;
use orderledger_domain::entity::EntityKind;
use orderledger_domain::envelope::{self, Cause};
use orderledger_domain::event::{Event, TradeExecuted};
use orderledger_domain::ids::{OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::position::Topic;
use orderledger_domain::stream::{StreamKey, StreamMark};
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::Record;
use orderledger_store::views::{Direction, Schema, View};
use proptest::prelude::*;

use super::Market;
use super::interval::Interval;
use super::queries::{self, Listed, Page, TapeTrade, Within};
use super::rows::Candle;
use crate::worker::fold::{Failure, Fold, Outcome};
use crate::worker::partition::{Arrived, PartitionState};
use crate::worker::read::Read;

mod filled;
mod holes;
mod past;

const PARTITION: u32 = 2;
const SCHEMA: Schema = Schema { name: Market::NAME, version: Market::SCHEMA };

/// One trade as the tests name it: symbol, price in units, shares, microseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Given(&'static str, i128, u64, i64);

impl Given {
    fn event(self, book_seq: u64) -> TradeExecuted {
        let Given(symbol, price, quantity, _) = self;
        TradeExecuted {
            trade_id: format!("{symbol}-{book_seq}"),
            symbol: Symbol::new(symbol).unwrap(),
            book_seq,
            price: Price::from_units(price).unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
            taker_side: if quantity % 2 == 0 { Side::Buy } else { Side::Sell },
            buy_user_id: UserId::new("u1").unwrap(),
            buy_order_id: OrderId::new("o1").unwrap(),
            sell_user_id: UserId::new("u2").unwrap(),
            sell_order_id: OrderId::new("o2").unwrap(),
        }
    }
}

/// The matching stage's stream into a partition of `trades`.
#[derive(Default)]
struct Log {
    mark: StreamMark,
    reads: Vec<Read>,
    /// Which of them an operator discarded.
    discarded: BTreeSet<usize>,
}

impl Log {
    fn of(trades: &[Given]) -> Log {
        let mut log = Log::default();
        let mut book_seqs = std::collections::BTreeMap::<&str, u64>::new();
        for trade in trades {
            let book_seq = book_seqs.entry(trade.0).or_default();
            *book_seq += 1;
            log.push(trade.event(*book_seq), Timestamp::from_micros(trade.3));
        }
        log
    }

    fn push(&mut self, trade: TradeExecuted, time: Timestamp) {
        let key = Bytes::copy_from_slice(trade.symbol.as_str().as_bytes());
        self.push_keyed(key, trade, time);
    }

    fn push_keyed(&mut self, key: Bytes, trade: TradeExecuted, time: Timestamp) {
        // Offsets have holes, as they may.
        let offset = u64::try_from(self.reads.len()).unwrap() * 2;
        let stamp = self.mark.next_stamp(Cause { position: Topic::Books.at(PARTITION).offset(offset), index: 0 });
        let event = Event::TradeExecuted(trade);
        let value =
            envelope::write_derived(event.event_type(), &envelope::payload_bytes(&event), time, &stamp, "matching");
        let record =
            Record { offset, recorded_at_ms: 0, key: Some(key), value: Some(Bytes::from(value)), headers: Vec::new() };
        let read = Read::new(Topic::Trades.at(PARTITION), record, &StreamKey::default());
        self.mark = StreamMark { sequence: stamp.sequence, digest: read.digest };
        self.reads.push(read);
    }

    /// Folds in batches of that size; with `reload` the fold is read back from its rows after each.
    fn fold(&self, batch: usize, reload: bool) -> View {
        let view = View::in_memory(SCHEMA);
        let mut market = Market::load(&view, 1).unwrap();
        let mut state = PartitionState::default();
        let numbered: Vec<_> = self.reads.iter().enumerate().collect();
        for reads in numbered.chunks(batch) {
            for (number, read) in reads {
                let arrived = state.take(read).unwrap();
                if self.discarded.contains(number) {
                    let symbol = std::str::from_utf8(read.key.as_deref().unwrap()).unwrap();
                    market.pass_over(&EntityKind::Symbol.named(symbol).unwrap(), read.position, arrived, Some(read));
                    continue;
                }
                assert_eq!(market.apply(&view, read, arrived).unwrap(), Outcome::Applied);
            }
            let mut changes = view.changes();
            market.write_rows(&view, &mut changes).unwrap();
            view.commit(changes, Vec::new()).unwrap();
            if reload {
                market = Market::load(&view, 1).unwrap();
            }
        }
        view
    }

    /// What the fold says of the last record after all before it were applied.
    fn last_outcome(&self) -> Result<Outcome, Failure> {
        let view = View::in_memory(SCHEMA);
        let mut market = Market::load(&view, 1).unwrap();
        let mut state = PartitionState::default();
        let mut outcome = Ok(Outcome::Ignored);
        for read in &self.reads {
            let arrived = state.take(read).unwrap();
            outcome = market.apply(&view, read, arrived);
        }
        outcome
    }
}

fn symbol() -> Symbol {
    Symbol::new("AAPL").unwrap()
}

fn page<K>(direction: Direction, after: Option<K>, limit: usize) -> Page<K> {
    Page { direction, after, limit }
}

fn refusal(outcome: Result<Outcome, Failure>) -> String {
    match outcome {
        Err(Failure::Record(unappliable)) => unappliable.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_symbol_that_never_traded_has_no_answers() {
    let reader = Log::of(&[Given("MSFT", 1, 1, 0)]).fold(1, false).reader().unwrap();
    assert_eq!(queries::market(&reader, symbol()).unwrap(), None);
    assert_eq!(queries::day(&reader, symbol()).unwrap(), None);
    assert_eq!(queries::last_trade(&reader, symbol()).unwrap(), None);
    let none = queries::trades(&reader, symbol(), Within::default(), page(Direction::Ascending, None, 9)).unwrap();
    assert_eq!(none.rows, []);
}

#[test]
fn the_day_ends_at_the_last_trade_and_begins_just_after_the_same_time_a_day_before() {
    const DAY: i64 = 86_400_000_000;
    let last = 20_000 * DAY + 37_000_123;
    let trades = [
        Given("AAPL", 90_000, 7, last - DAY),
        Given("AAPL", 120_000, 1, last - DAY + 1),
        Given("AAPL", 150_000, 2, last - DAY + 60_000_000),
        Given("AAPL", 100_000, 3, last - 3_600_000_000),
        Given("AAPL", 110_000, 1, last),
    ];
    let reader = Log::of(&trades).fold(2, false).reader().unwrap();
    let day = queries::day(&reader, symbol()).unwrap().unwrap();
    let expected = "open 12 high 15 low 10 close 11 volume 7 trades 4";
    let Candle { open, high, low, close, volume, trade_count, .. } = day.figures;
    let found = format!("open {open} high {high} low {low} close {close} volume {volume} trades {trade_count}");
    assert_eq!(found, expected);
    // 83 / 7 = 11.857142…
    assert_eq!((day.figures.vwap().to_string(), day.change().to_string()), ("11.8571".to_owned(), "-1".to_owned()));
    assert_eq!(queries::market(&reader, symbol()).unwrap().unwrap().trade_count, 5);
}

#[test]
fn a_trade_that_is_not_the_next_of_its_symbol_is_refused_and_changes_nothing() {
    let good = Given("AAPL", 10, 1, 1_000);
    for (book_seq, trade, expected) in [
        (3, good.event(3), "trade AAPL-3 of AAPL: bookSeq 3 where 2 is the next"),
        (1, good.event(1), "trade AAPL-1 of AAPL: bookSeq 1 where 2 is the next"),
        (
            2,
            TradeExecuted { trade_id: "AAPL-7".to_owned(), ..good.event(2) },
            "trade AAPL-7 of AAPL: the id is not symbol and bookSeq",
        ),
        (2, TradeExecuted { quantity: Quantity::ZERO, ..good.event(2) }, "trade AAPL-2 of AAPL: no shares"),
    ] {
        let mut log = Log::of(&[good]);
        log.push(trade, Timestamp::from_micros(1_000));
        assert_eq!(refusal(log.last_outcome()), expected, "{book_seq}");
    }
    let mut log = Log::of(&[good]);
    log.push(good.event(2), Timestamp::from_micros(999));
    let expected =
        "trade AAPL-2 of AAPL: 1970-01-01T00:00:00.000999Z is before the previous trade's 1970-01-01T00:00:00.001Z";
    assert_eq!(refusal(log.last_outcome()), expected);
    let mut log = Log::of(&[good]);
    log.push_keyed(Bytes::from_static(b"MSFT"), good.event(2), Timestamp::from_micros(1_000));
    assert_eq!(refusal(log.last_outcome()), "trade AAPL-2 of AAPL: the record's key is not the symbol");
}

#[test]
fn a_derived_trade_that_can_t_be_read_is_refused() {
    let mut log = Log::of(&[Given("AAPL", 10, 1, 0)]);
    let mut read = log.reads.pop().unwrap();
    let text =
        String::from_utf8(read.value.take().unwrap().to_vec()).unwrap().replace("\"price\":0.001", "\"price\":-1");
    let record =
        Record { offset: 0, recorded_at_ms: 0, value: Some(Bytes::from(text)), key: read.key, headers: Vec::new() };
    log.reads.push(Read::new(Topic::Trades.at(PARTITION), record, &StreamKey::default()));
    assert!(refusal(log.last_outcome()).starts_with("out_of_range"), "{}", refusal(log.last_outcome()));
}

#[test]
fn repeats_and_outside_records_are_ignored() {
    let log = Log::of(&[Given("AAPL", 10, 1, 0)]);
    let view = View::in_memory(SCHEMA);
    let mut market = Market::load(&view, 1).unwrap();
    for arrived in [Arrived::Outside, Arrived::Repeat { diverges: false }] {
        assert_eq!(market.apply(&view, &log.reads[0], arrived).unwrap(), Outcome::Ignored);
    }
    let mut changes = view.changes();
    market.write_rows(&view, &mut changes).unwrap();
    assert!(changes.is_empty());
}

#[test]
fn symbols_are_listed_by_name_page_by_page() {
    let names = ["A", "A.B", "AA", "B"];
    let trades: Vec<Given> = names.iter().rev().map(|name| Given(name, 10, 1, 0)).collect();
    let reader = Log::of(&trades).fold(9, false).reader().unwrap();
    for direction in [Direction::Ascending, Direction::Descending] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let listed = queries::symbols(&reader, page(direction, after, 3)).unwrap();
            found.extend(listed.rows.iter().map(|(symbol, _)| symbol.as_str().to_owned()));
            after = listed.next;
            if after.is_none() {
                break;
            }
        }
        if direction == Direction::Descending {
            found.reverse();
        }
        assert_eq!(found, names);
    }
}

/// Trades of two symbols, at times that cluster around the edges of windows and candles.
fn flow(max: usize) -> impl Strategy<Value = Vec<Given>> {
    const SECOND: i64 = 1_000_000;
    let step = prop_oneof![
        6 => Just(0_i64), 6 => 1..70 * SECOND, 2 => Just(60 * SECOND), 2 => 0..7_200 * SECOND, 1 => 0..100_000 * SECOND,
    ];
    let trade = (any::<bool>(), 1..500_i128, 1..1_000_u64, step);
    (0..200_000 * SECOND, prop::collection::vec(trade, 1..max)).prop_map(|(mut time, trades)| {
        let given = |(other, price, quantity, step): (bool, i128, u64, i64)| {
            time += step;
            Given(if other { "AAPL" } else { "MSFT" }, price, quantity, time)
        };
        trades.into_iter().map(given).collect()
    })
}

/// What some trades come to, the obvious way.
fn naive(trades: &[Given]) -> Option<Candle> {
    let price = |trade: &Given| Price::from_units(trade.1).unwrap();
    Some(Candle {
        open: price(trades.first()?),
        high: trades.iter().map(price).max()?,
        low: trades.iter().map(price).min()?,
        close: price(trades.last()?),
        volume: trades.iter().map(|trade| u128::from(trade.2)).sum(),
        trade_count: u64::try_from(trades.len()).unwrap(),
        notional: Amount::from_units(trades.iter().map(|trade| trade.1 * i128::from(trade.2)).sum()),
    })
}

fn all_pages<K: Copy, R>(direction: Direction, read: impl Fn(Page<K>) -> Listed<K, R>) -> Vec<(K, R)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let listed = read(page(direction, after, 7));
        found.extend(listed.rows);
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    if direction == Direction::Descending {
        found.reverse();
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn batches_and_reloads_leave_the_same_rows(trades in flow(700)) {
        let log = Log::of(&trades);
        let digest = |view: View| view.compute_digest().unwrap().digest;
        let whole = digest(log.fold(1_000, false));
        prop_assert_eq!(whole, digest(log.fold(1, false)));
        prop_assert_eq!(whole, digest(log.fold(1, true)));
        prop_assert_eq!(whole, digest(log.fold(131, true)));
    }

    #[test]
    fn the_day_and_every_candle_are_those_of_a_naive_reading(trades in flow(400)) {
        let reader = Log::of(&trades).fold(50, false).reader().unwrap();
        let own: Vec<Given> = trades.into_iter().filter(|trade| trade.0 == "AAPL").collect();
        let last = own.last().map_or(0, |trade| trade.3);
        let window: Vec<Given> = own.iter().copied().filter(|trade| trade.3 > last - 86_400_000_000).collect();
        let day = queries::day(&reader, symbol()).unwrap();
        prop_assert_eq!(day.map(|day| day.figures), naive(&window));
        for interval in Interval::ALL {
            let slot = |trade: &Given| trade.3 / interval.micros();
            let expected: Vec<_> = own
                .chunk_by(|a, b| slot(a) == slot(b))
                .map(|trades| (Timestamp::from_micros(slot(&trades[0]) * interval.micros()), naive(trades).unwrap()))
                .collect();
            for direction in [Direction::Ascending, Direction::Descending] {
                let read = |page| queries::candles(&reader, symbol(), interval, Within::default(), page).unwrap();
                prop_assert_eq!(&all_pages(direction, read), &expected);
            }
        }
    }

    #[test]
    fn a_discarded_trade_uses_up_its_number_and_is_no_part_of_anything(trades in flow(700), every in 1..9_usize, first in 0..9_usize) {
        let mut log = Log::of(&trades);
        log.discarded = (first..trades.len()).step_by(every).collect();
        let digest = |view: View| view.compute_digest().unwrap().digest;
        let whole = digest(log.fold(1_000, false));
        prop_assert_eq!(whole, digest(log.fold(1, true)));
        prop_assert_eq!(whole, digest(log.fold(127, true)));
        let reader = log.fold(50, true).reader().unwrap();
        let own = trades.iter().enumerate().filter(|(_, trade)| trade.0 == "AAPL");
        let numbered = (1_u64..).zip(own).filter(|(_, (number, _))| !log.discarded.contains(number));
        let kept: Vec<(u64, Given)> = numbered.map(|(book_seq, (_, trade))| (book_seq, *trade)).collect();
        for direction in [Direction::Ascending, Direction::Descending] {
            let read = |page| queries::trades(&reader, symbol(), Within::default(), page).unwrap();
            let found: Vec<_> = all_pages(direction, read).into_iter().map(|(seq, it)| (seq, it.trade.time.micros())).collect();
            prop_assert_eq!(&found, &kept.iter().map(|(seq, trade)| (*seq, trade.3)).collect::<Vec<_>>());
        }
        let last = kept.last().map_or(0, |(_, trade)| trade.3);
        let window: Vec<Given> = kept.iter().map(|(_, trade)| *trade).filter(|trade| trade.3 > last - 86_400_000_000).collect();
        prop_assert_eq!(queries::day(&reader, symbol()).unwrap().map(|day| day.figures), naive(&window));
        let counted = queries::market(&reader, symbol()).unwrap().map_or(0, |market| market.trade_count);
        prop_assert_eq!(counted, u64::try_from(kept.len()).unwrap());
    }

    #[test]
    fn the_tape_gives_every_trade_within_once_in_order(trades in flow(700), from in 0..400_000_i64, length in 0..200_000_i64) {
        let reader = Log::of(&trades).fold(50, false).reader().unwrap();
        let within = Within {
            from: Some(Timestamp::from_micros(from * 1_000_000)),
            to: Some(Timestamp::from_micros((from + length) * 1_000_000)),
        };
        for (within, inside) in [(within, true), (Within::default(), false)] {
            let mut expected = Vec::new();
            for (index, trade) in trades.iter().enumerate().filter(|(_, trade)| trade.0 == "AAPL") {
                let book_seq = u64::try_from(expected.len()).unwrap() + 1;
                expected.push((book_seq, trade.1, trade.2, trade.3, u64::try_from(index).unwrap() * 2));
            }
            let low = from * 1_000_000;
            expected.retain(|trade| !inside || (low..low + length * 1_000_000).contains(&trade.3));
            for direction in [Direction::Ascending, Direction::Descending] {
                let read = |page| queries::trades(&reader, symbol(), within, page).unwrap();
                let named = |(book_seq, TapeTrade { trade, position }): (u64, TapeTrade)| {
                    let units = i128::from(trade.price.units());
                    (book_seq, units, trade.quantity.shares(), trade.time.micros(), position.offset)
                };
                let found: Vec<_> = all_pages(direction, read).into_iter().map(named).collect();
                prop_assert_eq!(&found, &expected);
            }
        }
    }
}
