//! market: from the public tape to prices.
//!
//! In: TradeExecuted of `trades`. Out: the tape in blocks, candles of five intervals, one row of figures a symbol.
//! Invariant: a symbol's trades stand in the tape without gap or repeat, a hole where an operator discarded one, and every candle is the sum of its trades.
//! Never: a bid, an ask or depth, for those are the matching stage's own published book.
//!
//! - [`interval`]: the five intervals and where their candles open
//! - [`rows`]: what is stored, and under which keys
//! - `tape`: one symbol's fold
//! - [`queries`]: what HTTP reads
//! - [`filled`]: candles of intervals without a trade, too

use std::collections::{BTreeMap, BTreeSet};

use orderledger_domain::entity::{Entity, EntityKind};
use orderledger_domain::envelope::{Envelope, Refusal};
use orderledger_domain::event::{Event, TradeExecuted};
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::keys;
use orderledger_store::views::{Changes, Direction, View};

use crate::worker::fold::{Failure, Fold, Outcome, Unappliable};
use crate::worker::partition::Arrived;
use crate::worker::read::Read;

pub mod filled;
pub mod interval;
pub mod queries;
pub mod rows;
mod tape;
#[cfg(test)]
mod tests;

use rows::{DiscardedRow, MarketRow, Trade};
use tape::Tape;

/// A discarded trade uses up so many numbers at most: its own, and those before it that never came.
const HOLES_MAX: u64 = 4096;

/// The fold of every symbol's trades. In memory: each symbol's open block of the tape and its five open candles.
#[derive(Debug, Default)]
pub struct Market {
    tapes: BTreeMap<Symbol, Tape>,
    /// The symbols that traded since the rows were last written.
    changed: BTreeSet<Symbol>,
}

impl Fold for Market {
    const NAME: &'static str = "market";
    const TOPICS: &'static [Topic] = &[Topic::Trades];
    const SCHEMA: u8 = 1;
    const PARKS: Option<EntityKind> = Some(EntityKind::Symbol);
    const IS_WAITED_FOR: bool = true;

    fn load_entity(view: &View, _: u32, entity: &Entity) -> Result<Market, Error> {
        let mut market = Market::default();
        if let Entity::Symbol(symbol) = entity {
            market.tapes.insert(*symbol, Tape::load(&view.reader()?, *symbol)?);
        }
        Ok(market)
    }

    fn load(view: &View, _: u32) -> Result<Market, Error> {
        let reader = view.reader()?;
        let mut symbols = BTreeSet::new();
        for row in reader.scan_prefix_rows::<MarketRow>(&[keys::MARKET], Direction::Ascending) {
            symbols.insert(rows::symbol_of_market_key(&row?.0)?);
        }
        for row in reader.scan_prefix_rows::<DiscardedRow>(&[keys::DISCARDED_TRADES], Direction::Ascending) {
            symbols.insert(rows::symbol_of_discarded_key(&row?.0)?);
        }
        let tapes = symbols.into_iter().map(|symbol| Ok((symbol, Tape::load(&reader, symbol)?)));
        let tapes = tapes.collect::<Result<_, Error>>()?;
        Ok(Market { tapes, changed: BTreeSet::new() })
    }

    fn apply(&mut self, _: &View, read: &Read, arrived: Arrived) -> Result<Outcome, Failure> {
        if arrived != Arrived::Derived || read.position.topic != Topic::Trades {
            return Ok(Outcome::Ignored);
        }
        let unreadable = |refusal: &Refusal| Unappliable(refusal.to_string());
        let Envelope { event, timestamp, .. } = read.envelope.as_ref().map_err(unreadable)?;
        let event = event.as_ref().map_err(unreadable)?;
        let Event::TradeExecuted(executed) = event else { return Ok(Outcome::Ignored) };
        let trade = self.check(read, executed, *timestamp)?;
        self.tapes.entry(executed.symbol).or_default().append(executed.symbol, read.position.partition, trade);
        self.changed.insert(executed.symbol);
        Ok(Outcome::Applied)
    }

    fn pass_over(&mut self, entity: &Entity, at: Position, arrived: Arrived, read: Option<&Read>) {
        // One from outside would have changed nothing.
        let (Entity::Symbol(symbol), Arrived::Derived) = (entity, arrived) else { return };
        let tape = self.tapes.entry(*symbol).or_default();
        let event = read.and_then(|read| read.envelope.as_ref().ok()?.event.as_ref().ok());
        let used_up = match event {
            // Whatever it was, it was to be the next.
            None => 1,
            Some(Event::TradeExecuted(trade)) if trade.symbol == *symbol => {
                trade.book_seq.saturating_sub(tape.last_book_seq())
            }
            Some(_) => 0,
        };
        // A number that far away is not one that matching counted to.
        if used_up <= HOLES_MAX {
            (0..used_up).for_each(|_| tape.pass_over(*symbol, at.offset));
            self.changed.insert(*symbol);
        }
    }

    fn write_rows(&mut self, _: &View, changes: &mut Changes) -> Result<(), Error> {
        for symbol in std::mem::take(&mut self.changed) {
            if let Some(tape) = self.tapes.get_mut(&symbol) {
                tape.write_rows(symbol, changes)?;
            }
        }
        Ok(())
    }
}

impl Market {
    /// The trade as the tape keeps it, if it is the symbol's next.
    fn check(&self, read: &Read, executed: &TradeExecuted, time: Timestamp) -> Result<Trade, Unappliable> {
        let TradeExecuted { symbol, book_seq, .. } = executed;
        let refuse = |what: String| Err(Unappliable(format!("trade {} of {symbol}: {what}", executed.trade_id)));
        if read.key.as_deref() != Some(symbol.as_str().as_bytes()) {
            return refuse("the record's key is not the symbol".to_owned());
        }
        let tape = self.tapes.get(symbol);
        let last = tape.and_then(Tape::last);
        let expected = tape.map_or(0, Tape::last_book_seq).saturating_add(1);
        if *book_seq != expected {
            return refuse(format!("bookSeq {book_seq} where {expected} is the next"));
        }
        if executed.trade_id != rows::trade_id(*symbol, *book_seq) {
            return refuse("the id is not symbol and bookSeq".to_owned());
        }
        if executed.quantity.is_zero() {
            return refuse("no shares".to_owned());
        }
        if let Some(last) = last.filter(|last| time < last.last_time) {
            return refuse(format!("{time} is before the previous trade's {}", last.last_time));
        }
        Ok(Trade {
            price: executed.price,
            quantity: executed.quantity,
            taker_side: executed.taker_side,
            time,
            offset: read.position.offset,
        })
    }
}
