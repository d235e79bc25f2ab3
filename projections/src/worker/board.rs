//! The published order books: immutable snapshots of matching's own state, each with its position.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use arc_swap::ArcSwap;
use orderledger_domain::ids::Symbol;
use orderledger_domain::money::Price;
use orderledger_domain::position::TopicPartition;
use orderledger_domain::timestamp::Timestamp;
use tokio::sync::watch;

/// How many levels of a side are published.
pub const DEPTH_MAX: usize = 1000;

/// One price of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelView {
    /// The price.
    pub price: Price,
    /// The shares resting there.
    pub quantity: u64,
    /// The orders resting there.
    pub orders: u32,
}

/// One symbol's book as it was after a record of `books`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookView {
    /// The symbol.
    pub symbol: Symbol,
    /// The bids, best first, at most [`DEPTH_MAX`] levels.
    pub bids: Vec<LevelView>,
    /// The asks, best first, at most [`DEPTH_MAX`] levels.
    pub asks: Vec<LevelView>,
    /// The partition of `books` that holds the symbol.
    pub partition: TopicPartition,
    /// The book stands after every record of the partition below this offset.
    pub next_offset: u64,
    /// The append time of the last record read.
    pub recorded_at: Timestamp,
    /// The number of the book's last trade, 0 before the first.
    pub last_book_seq: u64,
    /// How many orders rest, at whatever depth.
    pub resting: usize,
}

/// All published books. A market exists here from its first accepted order.
#[derive(Debug)]
pub struct Board {
    books: RwLock<BTreeMap<Symbol, Arc<ArcSwap<BookView>>>>,
    positions: watch::Sender<BTreeMap<TopicPartition, u64>>,
}

impl Default for Board {
    fn default() -> Board {
        Board { books: RwLock::default(), positions: watch::Sender::new(BTreeMap::new()) }
    }
}

impl Board {
    /// Publishes the books that changed, then the position up to which the partition's books stand now.
    pub fn publish(&self, partition: TopicPartition, next_offset: u64, changed: Vec<BookView>) {
        for book in changed {
            self.publish_book(book);
        }
        self.positions.send_if_modified(|positions| positions.insert(partition, next_offset) != Some(next_offset));
    }

    fn publish_book(&self, book: BookView) {
        let symbol = book.symbol;
        let book = Arc::new(book);
        let known = self.read().get(&symbol).cloned();
        match known {
            Some(slot) => slot.store(book),
            None => {
                let mut books = self.books.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                books.insert(symbol, Arc::new(ArcSwap::new(book)));
            }
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Symbol, Arc<ArcSwap<BookView>>>> {
        self.books.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The book of a symbol, if it ever had an accepted order.
    pub fn get(&self, symbol: Symbol) -> Option<Arc<BookView>> {
        self.read().get(&symbol).map(|slot| slot.load_full())
    }

    /// The book of a symbol as [`Board::get`] gives it, and the offset below which everything of its partition is in it.
    pub fn get_at(&self, symbol: Symbol) -> Option<(Arc<BookView>, u64)> {
        let slot = self.read().get(&symbol).cloned()?;
        let partition = slot.load().partition;
        // The position before the book: books are published the other way round, and so the book has at least that.
        let published = self.positions.borrow().get(&partition).copied().unwrap_or_default();
        let book = slot.load_full();
        let next_offset = published.max(book.next_offset);
        Some((book, next_offset))
    }

    /// Every symbol with a market, in order.
    pub fn symbols(&self) -> Vec<Symbol> {
        self.read().keys().copied().collect()
    }

    /// How many orders rest in all books.
    pub fn resting(&self) -> usize {
        self.read().values().map(|slot| slot.load().resting).sum()
    }

    /// For each partition of `books` the offset below which everything is in the published books; watch it to wait.
    pub fn positions(&self) -> watch::Receiver<BTreeMap<TopicPartition, u64>> {
        self.positions.subscribe()
    }
}
