//! A book as others see it.

use orderledger_domain::book::Level;
use orderledger_domain::ids::Symbol;
use orderledger_domain::money::Price;
use orderledger_domain::position::TopicPartition;
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Timestamp;

use super::books::Market;
use crate::worker::board::{BookView, DEPTH_MAX, LevelView};

/// The book of a symbol after every record of the partition below `next_offset`.
pub(crate) fn view(
    symbol: Symbol,
    market: &Market,
    partition: TopicPartition,
    next_offset: u64,
    recorded_at: Timestamp,
) -> BookView {
    let side = |side| market.book.depth(side).take(DEPTH_MAX).filter_map(level).collect();
    BookView {
        symbol,
        bids: side(Side::Buy),
        asks: side(Side::Sell),
        partition,
        next_offset,
        recorded_at,
        last_book_seq: market.book.last_book_seq(),
        resting: market.book.len(),
    }
}

fn level(level: Level) -> Option<LevelView> {
    let price = Price::from_units(i128::from(level.price)).ok()?;
    Some(LevelView { price, quantity: level.quantity, orders: level.orders })
}
