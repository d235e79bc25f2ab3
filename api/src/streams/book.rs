//! `book:{symbol}`: the whole book, then what changes of it.

use std::sync::Arc;

use orderledger_domain::ids::Symbol;
use orderledger_projections::worker::board::BookView;
use orderledger_store::Error;

use super::channel::Channel;
use super::hub::Present;
use super::look::Look;
use super::message::Message;
use crate::rows::BookChangeRow;

/// The book of one symbol as its readers know it.
pub(super) struct Book {
    symbol: Symbol,
    sequence: u64,
    told: Option<Arc<BookView>>,
}

impl Book {
    pub(super) const fn new(symbol: Symbol) -> Book {
        Book { symbol, sequence: 0, told: None }
    }

    fn message(&self, row: &BookChangeRow, book: &BookView) -> Option<Message> {
        let place = book.next_offset.checked_sub(1).map(|offset| book.partition.offset(offset));
        Message::new(&Channel::Book(self.symbol), row, place)
    }
}

impl Present for Book {
    fn advance(&mut self, look: &Look<'_>) -> Result<Vec<Message>, Error> {
        let Some(book) = look.ledger.board.get(self.symbol) else { return Ok(Vec::new()) };
        let told = self.told.replace(Arc::clone(&book));
        if told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &book) || told == &book) {
            return Ok(Vec::new());
        }
        self.sequence = self.sequence.saturating_add(1);
        let row = match told {
            Some(told) => BookChangeRow::update(&told, &book, self.sequence),
            None => BookChangeRow::snapshot(&book, self.sequence),
        };
        Ok(self.message(&row, &book).into_iter().collect())
    }

    fn snapshot(&self) -> Vec<Message> {
        let Some(book) = &self.told else { return Vec::new() };
        self.message(&BookChangeRow::snapshot(book, self.sequence), book).into_iter().collect()
    }
}
