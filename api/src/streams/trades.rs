//! `trades:{symbol}`: every trade once, in the order of the tape. Its index is the bookSeq.

use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Position;
use orderledger_projections::market::queries::{Page, Within, book_seq_behind, next_book_seq, trades};
use orderledger_store::Error;
use orderledger_store::views::Direction;

use super::channel::Channel;
use super::hub::{Past, Stretch};
use super::look::Look;
use super::message::Message;
use crate::rows::TradeRow;

/// The tape of one symbol.
pub(super) struct Trades(pub(super) Symbol);

impl Past for Trades {
    fn end(&mut self, look: &Look<'_>) -> Result<u64, Error> {
        next_book_seq(&look.market()?.reader, self.0)
    }

    fn behind(&mut self, look: &Look<'_>, place: Position) -> Result<u64, Error> {
        book_seq_behind(&look.market()?.reader, self.0, place.offset)
    }

    fn place_before(&mut self, look: &Look<'_>, index: u64) -> Result<Option<Position>, Error> {
        let page = Page { direction: Direction::Descending, after: Some(index), limit: 1 };
        let last = trades(&look.market()?.reader, self.0, Within::default(), page)?.rows;
        Ok(last.first().map(|(_, trade)| trade.position))
    }

    fn count(&mut self, look: &Look<'_>, from: u64, _max: usize) -> Result<usize, Error> {
        Ok(usize::try_from(self.end(look)?.saturating_sub(from)).unwrap_or(usize::MAX))
    }

    fn read(&mut self, look: &Look<'_>, from: u64, to: u64, limit: usize) -> Result<Stretch, Error> {
        let page = Page { direction: Direction::Ascending, after: from.checked_sub(1), limit };
        let listed = trades(&look.market()?.reader, self.0, Within::default(), page)?;
        let next = listed.next.map_or(to, |last| last.saturating_add(1).min(to));
        let channel = Channel::Trades(self.0);
        let message = |(book_seq, trade)| {
            let row = TradeRow::new(self.0, book_seq, trade);
            Message::new(&channel, &row, Some(trade.position))
        };
        let within = listed.rows.into_iter().filter(|(book_seq, _)| *book_seq < to);
        Ok(Stretch { messages: within.filter_map(message).collect(), next })
    }
}
