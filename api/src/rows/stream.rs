//! Rows that only streams show.

use std::collections::BTreeMap;

use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Position;
use orderledger_projections::worker::board::{BookView, LevelView};
use serde::Serialize;

use super::lag::LagColumns;
use super::markets::LevelRow;

/// A symbol's whole book, or what changed since the message before.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BookChangeRow {
    /// `snapshot` or `update`.
    r#type: &'static str,
    symbol: Symbol,
    /// One more than that of the message before; a snapshot begins anew from its own.
    sequence: u64,
    /// Whole levels, best first; in an update quantity 0 takes a level away.
    bids: Vec<LevelRow>,
    asks: Vec<LevelRow>,
    /// The last record of `books` that is in it.
    position: Option<Position>,
}

impl BookChangeRow {
    /// The whole book.
    pub(crate) fn snapshot(book: &BookView, sequence: u64) -> BookChangeRow {
        let side = |levels: &[_]| levels.iter().map(LevelRow::new).collect();
        BookChangeRow { r#type: "snapshot", bids: side(&book.bids), asks: side(&book.asks), ..of(book, sequence) }
    }

    /// What changed between two moments of the book.
    pub(crate) fn update(before: &BookView, book: &BookView, sequence: u64) -> BookChangeRow {
        let bids = changed(&before.bids, &book.bids);
        BookChangeRow { bids, asks: changed(&before.asks, &book.asks), ..of(book, sequence) }
    }
}

fn of(book: &BookView, sequence: u64) -> BookChangeRow {
    let position = book.next_offset.checked_sub(1).map(|offset| book.partition.offset(offset));
    BookChangeRow { r#type: "update", symbol: book.symbol, sequence, bids: Vec::new(), asks: Vec::new(), position }
}

/// The levels that are others now, in the order of the side; then those that are gone.
fn changed(before: &[LevelView], now: &[LevelView]) -> Vec<LevelRow> {
    let mut gone: BTreeMap<_, _> = before.iter().map(|level| (level.price, level)).collect();
    let mut rows = Vec::new();
    for level in now {
        if gone.remove(&level.price) != Some(level) {
            rows.push(LevelRow::new(level));
        }
    }
    rows.extend(gone.into_keys().map(LevelRow::gone));
    rows
}

/// How far one group of workers is behind the log.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LagRow {
    pub(crate) name: &'static str,
    pub(crate) state: &'static str,
    /// The last offset read, per partition that has one.
    pub(crate) positions: BTreeMap<String, u64>,
    #[serde(flatten)]
    pub(crate) lag: LagColumns,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::money::Price;
    use orderledger_domain::position::Topic;
    use orderledger_domain::timestamp::Timestamp;

    use super::*;

    fn book(bids: &[(i128, u64)], next_offset: u64) -> BookView {
        let level = |(units, quantity): &(i128, u64)| LevelView {
            price: Price::from_units(*units).unwrap(),
            quantity: *quantity,
            orders: 1,
        };
        BookView {
            symbol: Symbol::new("AAPL").unwrap(),
            bids: bids.iter().map(level).collect(),
            asks: Vec::new(),
            partition: Topic::Books.at(3),
            next_offset,
            recorded_at: Timestamp::default(),
            last_book_seq: 0,
            resting: bids.len(),
        }
    }

    #[test]
    fn an_update_holds_what_changed_and_takes_away_what_is_gone() {
        let before = book(&[(30_000, 5), (20_000, 5), (10_000, 5)], 7);
        let after = book(&[(40_000, 1), (20_000, 5), (10_000, 6)], 9);
        let json = |row: &BookChangeRow| serde_json::to_string(row).unwrap();
        insta::assert_snapshot!(json(&BookChangeRow::update(&before, &after, 2)), @r#"{"type":"update","symbol":"AAPL","sequence":2,"bids":[{"price":"4","quantity":1,"orders":1},{"price":"1","quantity":6,"orders":1},{"price":"3","quantity":0,"orders":0}],"asks":[],"position":"books-3@8"}"#);
        insta::assert_snapshot!(json(&BookChangeRow::snapshot(&book(&[(10_000, 5)], 0), 1)), @r#"{"type":"snapshot","symbol":"AAPL","sequence":1,"bids":[{"price":"1","quantity":5,"orders":1}],"asks":[],"position":null}"#);
    }
}
