//! given: events of several days, symbols and accounts; when: they are folded, in any batches and any order of partitions; then: the
//! rows are those of a naive count.

mod golden;
mod naive;
mod yielding;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use orderledger_domain::envelope::{self, Cause, Stamp};
use orderledger_domain::event::{
    AccountCredited, CancelAccepted, Event, OrderAccepted, OrderFilled, OrderRejected, Terms, TradeExecuted,
};
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, BasisPoints, Price, Quantity};
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::reason::Rejection;
use orderledger_domain::stream::StreamKey;
use orderledger_domain::terms::{Liquidity, OrderType, Side, TimeInForce};
use orderledger_domain::timestamp::{Day, Timestamp};
use orderledger_store::event_log::Record;
use orderledger_store::views::{Direction, Schema, View};
use proptest::prelude::*;
use uuid::Uuid;

use naive::{naive_account, naive_market};

use super::queries::{self, Days, Rank};
use super::rows::{AccountDay, MarketDay, Prices};
use super::{Analytics, rows};
use crate::worker::fold::{Fold, Outcome};
use crate::worker::partition::Arrived;
use crate::worker::read::Read;

const SCHEMA: Schema = Schema { name: Analytics::NAME, version: Analytics::SCHEMA };
const USERS: [&str; 3] = ["ann", "bob", "ledger.canary-1"];
const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "LEDGER.CANARY"];
const DAY: i64 = 86_400_000_000;

/// What happened, in few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Deposit,
    Order,
    Rejected,
    Cancel,
    /// A buyer's or a seller's leg, as maker or taker.
    Fill(Side, Liquidity),
    Trade(Side),
}

#[derive(Clone, Copy, Debug)]
struct Given {
    what: What,
    user: usize,
    symbol: usize,
    price: i64,
    shares: u64,
    micros: i64,
}

impl Given {
    fn symbol(&self) -> Symbol {
        Symbol::new(SYMBOLS[self.symbol]).unwrap()
    }

    fn user(&self) -> UserId {
        UserId::new(USERS[self.user]).unwrap()
    }

    fn day(&self) -> Day {
        Timestamp::from_micros(self.micros).day()
    }

    fn is_canarys(&self) -> bool {
        let is_of_account = !matches!(self.what, What::Trade(_));
        (is_of_account && self.user == 2) || (self.what != What::Deposit && self.symbol == 2)
    }

    fn event(&self) -> Event {
        let (user_id, symbol, order_id) = (self.user(), self.symbol(), OrderId::new("o").unwrap());
        let (price, quantity) =
            (Price::from_units(i128::from(self.price)).unwrap(), Quantity::new(self.shares).unwrap());
        let fee = Amount::from_units(i128::from(self.shares));
        let terms = Terms {
            order_id: order_id.clone(),
            user_id: user_id.clone(),
            symbol,
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            quantity,
            price: Some(price),
            max_cost: None,
            client_order_id: None,
        };
        let bps = BasisPoints::new(0).unwrap();
        match self.what {
            What::Deposit => {
                let (asset, amount) = (Asset::USD, Amount::from_units(1));
                Event::AccountCredited(AccountCredited { user_id, asset, amount, request_id: Uuid::nil() })
            }
            What::Order => {
                Event::OrderAccepted(OrderAccepted { terms, reserved: Amount::ZERO, maker_bps: bps, taker_bps: bps })
            }
            What::Rejected => Event::OrderRejected(OrderRejected { terms, reason: Rejection::InsufficientFunds }),
            What::Cancel => Event::CancelAccepted(CancelAccepted { order_id, user_id, symbol, created: orders(0) }),
            What::Fill(side, liquidity) => Event::OrderFilled(OrderFilled {
                order_id,
                user_id,
                symbol,
                side,
                trade_id: "t".to_owned(),
                price,
                quantity,
                fee,
                liquidity,
                cum_quantity: quantity,
                leaves_quantity: Quantity::ZERO,
            }),
            What::Trade(taker_side) => Event::TradeExecuted(TradeExecuted {
                trade_id: "t".to_owned(),
                symbol,
                book_seq: 1,
                price,
                quantity,
                taker_side,
                buy_user_id: user_id.clone(),
                buy_order_id: order_id.clone(),
                sell_user_id: user_id,
                sell_order_id: order_id,
            }),
        }
    }

    /// Its record: an account's events stand in one partition, as a symbol's trades do.
    fn read(&self, offset: u64) -> Read {
        let (event, is_trade) = (self.event(), matches!(self.what, What::Trade(_)));
        let to = if is_trade {
            Topic::Trades.at(u32::try_from(self.symbol).unwrap())
        } else {
            Topic::Orders.at(u32::try_from(self.user).unwrap())
        };
        let cause = to.offset(offset.saturating_sub(1));
        let stamp = Stamp { cause: Cause { position: cause, index: 0 }, sequence: 1, prev: 0, key: None, takes: None };
        let (payload, time) = (envelope::payload_bytes(&event), Timestamp::from_micros(self.micros));
        let value = envelope::write_derived(event.event_type(), &payload, time, &stamp, "test");
        let key = if is_trade { SYMBOLS[self.symbol] } else { USERS[self.user] };
        let (key, value) = (Some(Bytes::from_static(key.as_bytes())), Some(Bytes::from(value)));
        Read::new(to, Record { offset, recorded_at_ms: 0, key, value, headers: Vec::new() }, &StreamKey::default())
    }
}

fn orders(offset: u64) -> Position {
    Topic::Orders.at(0).offset(offset)
}

/// Folds them in batches of that size; `last_first` reads the partitions one after the other, the highest first.
fn fold(given: &[Given], batch: usize, last_first: bool) -> View {
    let view = View::in_memory(SCHEMA);
    let mut fold = Analytics::load(&view, 3).unwrap();
    let mut reads: Vec<Read> = (1..).zip(given).map(|(offset, given)| given.read(offset)).collect();
    if last_first {
        reads.sort_by_key(|read| std::cmp::Reverse(read.position.topic_partition()));
    }
    for reads in reads.chunks(batch) {
        for read in reads {
            fold.apply(&view, read, Arrived::Derived).unwrap();
        }
        let mut changes = view.changes();
        fold.write_rows(&view, &mut changes).unwrap();
        view.commit(changes, Bytes::new()).unwrap();
    }
    view
}

fn flow() -> impl Strategy<Value = Vec<Given>> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let what = prop_oneof![
        1 => Just(What::Deposit),
        3 => Just(What::Order),
        1 => Just(What::Rejected),
        1 => Just(What::Cancel),
        3 => (side.clone(), any::<bool>()).prop_map(|(side, maker)| {
            What::Fill(side, if maker { Liquidity::Maker } else { Liquidity::Taker })
        }),
        5 => side.prop_map(What::Trade),
    ];
    let one = (what, 0..3_usize, 0..3_usize, 1..500_i64, 1..1000_u64, 0..DAY / 20);
    prop::collection::vec(one, 0..120).prop_map(|all| {
        let mut micros = 20_000 * DAY;
        all.into_iter()
            .map(|(what, user, symbol, price, shares, step)| {
                micros += step;
                Given { what, user, symbol, price, shares, micros }
            })
            .collect()
    })
}

/// All rows of a list, a few at a time.
fn all_pages<K: Copy, R>(read: impl Fn(Option<K>) -> queries::Page<K, R>) -> Vec<(K, R)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (rows, next) = read(after);
        all.extend(rows);
        after = next;
        if after.is_none() {
            return all;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_row_is_that_of_a_naive_count(given in flow(), batch in 1..40_usize) {
        let view = fold(&given, batch, false);
        let reader = view.reader().unwrap();
        let all: BTreeSet<Day> = given.iter().map(Given::day).collect();
        let days = |direction| Days {
            from: all.first().copied().unwrap_or(Day::from_number(0).unwrap()),
            to: all.last().copied().unwrap_or(Day::from_number(0).unwrap()),
            direction,
        };
        let symbols = [0, 1].map(|symbol: usize| Symbol::new(SYMBOLS[symbol]).unwrap());
        for direction in [Direction::Ascending, Direction::Descending] {
            let listed = all_pages(|after| queries::days(&reader, days(direction), after, 2).unwrap());
            let mut expected: Vec<_> = all.iter().map(|day| (*day, naive_market(&given, *day, None))).collect();
            expected.retain(|(_, row)| *row != MarketDay::default());
            let mut by_symbol: Vec<_> = all
                .iter()
                .flat_map(|day| symbols.map(|symbol| ((*day, symbol), naive_market(&given, *day, Some(symbol)))))
                .filter(|(_, row)| *row != MarketDay::default())
                .collect();
            if direction == Direction::Descending {
                expected.reverse();
                by_symbol.reverse();
            }
            prop_assert_eq!(listed, expected);
            let listed = all_pages(|after| queries::symbols(&reader, days(direction), None, after, 3).unwrap());
            prop_assert_eq!(&listed, &by_symbol);
            for symbol in symbols {
                let of = Some(symbol);
                let listed = all_pages(|after| queries::symbols(&reader, days(direction), of, after, 2).unwrap());
                by_symbol.sort_by_key(|((day, _), _)| *day);
                if direction == Direction::Descending {
                    by_symbol.reverse();
                }
                let own: Vec<_> = by_symbol.iter().filter(|((_, name), _)| *name == symbol).copied().collect();
                prop_assert_eq!(listed, own);
            }
        }
        for user in USERS.map(|name| UserId::new(name).unwrap()) {
            let read = |after| queries::account(&reader, days(Direction::Ascending), &user, None, after, 3).unwrap();
            let mut expected = Vec::new();
            for day in &all {
                for symbol in [None, Some(symbols[0]), Some(symbols[1])] {
                    expected.push(((*day, symbol), naive_account(&given, *day, &user, symbol)));
                }
            }
            expected.retain(|(_, row)| *row != AccountDay::default());
            prop_assert_eq!(all_pages(read), expected);
        }
    }

    #[test]
    fn neither_batches_nor_the_order_of_partitions_make_a_difference(given in flow(), batch in 1..40_usize) {
        let digest = |view: View| view.compute_digest().unwrap().digest;
        let whole = digest(fold(&given, 1000, false));
        prop_assert_eq!(whole, digest(fold(&given, batch, false)));
        prop_assert_eq!(whole, digest(fold(&given, batch, true)));
    }
}

fn trade(symbol: usize, side: Side, price: i64, shares: u64) -> Given {
    Given { what: What::Trade(side), user: 0, symbol, price, shares, micros: 20_000 * DAY }
}

#[test]
fn a_spread_is_measured_where_the_side_that_comes_changes() {
    let (buy, sell) = (Side::Buy, Side::Sell);
    // Ask 1.01, then 1.02 after a sweep; bid 1.00: 0.02. A second sale at 0.99 is no sample; then the ask is 1.01: 0.02.
    let trades = [(buy, 10_100), (buy, 10_200), (sell, 10_000), (sell, 9_900), (buy, 10_101)];
    let given = trades.map(|(side, price)| trade(0, side, price, 5));
    let reader = fold(&given, 9, false).reader().unwrap();
    let day = given[0].day();
    let row: MarketDay = reader.get_row(&rows::symbol_key(day, given[0].symbol())).unwrap().unwrap();
    let prices = row.prices.unwrap();
    assert_eq!((prices.spreads.units(), prices.spread_samples), (200 + 201, 2));
    assert_eq!(prices.spread().unwrap().to_string(), "0.02", "0.02005, a half to the even neighbour");
    assert_eq!(row.vwap().unwrap().to_string(), "1.006", "50301 / 5 = 10060.2");
    assert_eq!((prices.change().to_string(), prices.change_percent().to_string()), ("0.0001".into(), "0.0099".into()));
}

#[test]
fn ratios_are_exact_and_of_nothing_there_are_none() {
    let mut row = MarketDay::default();
    assert_eq!((row.vwap(), row.order_to_trade_ratio(), row.fill_ratio()), (None, None, None));
    (row.asked.accepted, row.asked.amends, row.asked.cancels, row.trades) = (5, 1, 1, 3);
    (row.executed, row.asked.quantity) = (2, 3);
    let text = |of: Option<Amount>| of.map(|of| of.to_string()).unwrap_or_default();
    assert_eq!((text(row.order_to_trade_ratio()), text(row.fill_ratio())), ("2.3333".into(), "0.6667".into()));
    let account = AccountDay { bought: 3, bought_for: Amount::from_units(7), fills: 2, ..AccountDay::default() };
    assert_eq!((text(account.vwap()), text(account.order_to_trade_ratio())), ("0.0002".into(), "0".into()));
}

#[test]
fn movers_are_ranked_exactly() {
    let prices = [("A", 10_000, 11_000), ("B", 30_000, 33_001), ("C", 20_000, 15_000), ("D", 5, 5), ("E", 10, 11)];
    let view = View::in_memory(SCHEMA);
    let mut changes = view.changes();
    let day = Day::parse("2025-01-15").unwrap();
    for (name, open, close) in prices {
        let price = |units: i128| Price::from_units(units).unwrap();
        let prices = Prices { close: price(close), ..Prices::first(price(open), Side::Buy) };
        let turnover = Amount::from_units(open);
        let row = MarketDay { prices: Some(prices), turnover, trades: 1, ..MarketDay::default() };
        changes.put_row(rows::symbol_key(day, Symbol::new(name).unwrap()), &row).unwrap();
    }
    // Asked for, never traded.
    changes.put_row(rows::symbol_key(day, Symbol::new("F").unwrap()), &MarketDay::default()).unwrap();
    view.commit(changes, Bytes::new()).unwrap();
    let reader = view.reader().unwrap();
    let names = |by, limit| {
        let all = queries::movers(&reader, day, by, limit).unwrap();
        all.iter().map(|(symbol, _)| symbol.as_str().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(Rank::Change, 9), "C B A E D");
    assert_eq!(names(Rank::Gainers, 9), "B A E");
    assert_eq!(names(Rank::Losers, 9), "C");
    assert_eq!(names(Rank::Turnover, 2), "B C");
    assert_eq!(names(Rank::Trades, 9), "A B C D E", "of equals by name");
}

#[test]
fn the_accounts_of_a_day_are_listed_once_each() {
    let own = |what, user, micros| Given { what, user, symbol: 0, price: 1, shares: 1, micros };
    let today = 20_000 * DAY;
    let given = [
        own(What::Deposit, 1, today),
        own(What::Order, 0, today),
        own(What::Order, 1, today),
        own(What::Order, 0, today + DAY),
        own(What::Order, 2, today),
    ];
    let reader = fold(&given, 9, false).reader().unwrap();
    let day = given[0].day();
    let names = |after: Option<&UserId>| {
        let all = queries::accounts(&reader, day, after).map(|row| row.unwrap());
        all.map(|(user, row)| (user.as_str().to_owned(), row.movements)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(names(None), [("ann".to_owned(), 0), ("bob".to_owned(), 1)].into());
    assert_eq!(names(Some(&UserId::new("ann").unwrap())), [("bob".to_owned(), 1)].into());
}

/// Also a day on which money came and nothing else, which no list of days has.
#[test]
fn the_next_day_is_the_next_on_which_anything_happened() {
    let of =
        |what, user, symbol, day: i64| Given { what, user, symbol, price: 1, shares: 1, micros: (20_000 + day) * DAY };
    let (deposit, trade) = (What::Deposit, What::Trade(Side::Buy));
    let given =
        [of(deposit, 0, 0, 0), of(deposit, 2, 0, 3), of(trade, 0, 2, 4), of(trade, 0, 0, 5), of(deposit, 1, 0, 8)];
    let reader = fold(&given, 9, false).reader().unwrap();
    let next = |day: i64| {
        let day = Day::from_number(20_000 + day).unwrap();
        queries::next_day(&reader, day).unwrap().map(|next| next.number() - 20_000)
    };
    assert_eq!([-9, -1, 0, 5, 8].map(next), [Some(0), Some(0), Some(5), Some(8), None], "nothing of the canary");
}

#[test]
fn what_does_not_count_changes_nothing() {
    let view = View::in_memory(SCHEMA);
    let mut fold = Analytics::load(&view, 3).unwrap();
    let read = trade(0, Side::Buy, 1, 1).read(1);
    for arrived in [Arrived::Outside, Arrived::Repeat { diverges: false }] {
        assert_eq!(fold.apply(&view, &read, arrived).unwrap(), Outcome::Ignored);
    }
    assert_eq!(fold.apply(&view, &trade(2, Side::Buy, 1, 1).read(1), Arrived::Derived).unwrap(), Outcome::Ignored);
    let mut changes = view.changes();
    fold.write_rows(&view, &mut changes).unwrap();
    assert!(changes.is_empty());
}
