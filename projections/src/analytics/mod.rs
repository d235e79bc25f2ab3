//! analytics: what was traded and asked for, by day, symbol and account.
//!
//! In: derived events of `orders`, and the tape in `trades`. Out: counts and exact sums, a row for each day, for each symbol of a
//! day, for each account of a day and each symbol of it. Invariant: a row is the sum of its events, so partitions may be read in any
//! order; what depends on an order (the first and last price) is of one symbol, whose trades stand in one partition. Never: a
//! quotient, which is made when it is asked for, or anything of the canary.
//!
//! A day is one of UTC, by the event's own time, as a candle's is.
//!
//! - [`rows`]: what is stored, and under which keys
//! - [`figures`]: what follows from a row: means, ratios, changes
//! - [`queries`]: what HTTP reads

use std::collections::BTreeMap;

use orderledger_domain::event::{Event, TradeExecuted};
use orderledger_domain::ids::{CANARY_SYMBOL, Symbol, UserId, is_canary};
use orderledger_domain::position::Topic;
use orderledger_domain::timestamp::Day;
use orderledger_store::Error;
use orderledger_store::views::{Changes, View, ViewReader};

use crate::worker::fold::{Failure, Fold, Outcome};
use crate::worker::partition::Arrived;
use crate::worker::read::Read;

pub mod figures;
pub mod queries;
pub mod rows;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests;

use rows::{AccountDay, Asked, MarketDay};

/// So many rows may have changed until a commit is due.
const CHANGED_MAX: usize = 50_000;

/// The fold. In memory: the rows that changed since the last batch.
#[derive(Debug, Default)]
pub struct Analytics {
    days: BTreeMap<Day, MarketDay>,
    symbols: BTreeMap<(Day, Symbol), MarketDay>,
    accounts: BTreeMap<(Day, UserId, Option<Symbol>), AccountDay>,
}

impl Fold for Analytics {
    const NAME: &'static str = "analytics";
    const TOPICS: &'static [Topic] = &[Topic::Orders, Topic::Trades];
    const SCHEMA: u8 = 1;
    /// It may lag: fewer, larger batches leave more to the others.
    const PACE: std::time::Duration = std::time::Duration::from_millis(500);
    const YIELDS: bool = true;

    fn load(_: &View, _: u32) -> Result<Analytics, Error> {
        Ok(Analytics::default())
    }

    /// Total: what it doesn't understand is in no figure, and holds up no other.
    fn apply(&mut self, view: &View, read: &Read, arrived: Arrived) -> Result<Outcome, Failure> {
        let Some((envelope, stamp)) = read.envelope.as_ref().ok().zip(read.stamp) else { return Ok(Outcome::Ignored) };
        let (Arrived::Derived, Ok(event)) = (arrived, &envelope.event) else { return Ok(Outcome::Ignored) };
        let day = envelope.timestamp.day();
        let applied = match (read.position.topic, event) {
            (Topic::Trades, Event::TradeExecuted(trade)) => self.trade(&view.reader()?, day, trade)?,
            (Topic::Orders, event) => {
                // An order has the place of its OrderCreated.
                let is_judged = matches!(event, Event::OrderAccepted(_) | Event::OrderRejected(_));
                let first = if is_judged { stamp.cause.position } else { read.position };
                let is_home = first.topic_partition() == read.position.topic_partition();
                let first = if is_home { first.offset } else { read.position.offset };
                self.account(&view.reader()?, day, (first, read.position.offset), event)?
            }
            _ => false,
        };
        Ok(if applied { Outcome::Applied } else { Outcome::Ignored })
    }

    fn is_full(&self) -> bool {
        self.accounts.len() > CHANGED_MAX
    }

    fn write_rows(&mut self, _: &View, changes: &mut Changes) -> Result<(), Error> {
        for (day, row) in std::mem::take(&mut self.days) {
            changes.put_row(rows::day_key(day), &row)?;
        }
        for ((day, symbol), row) in std::mem::take(&mut self.symbols) {
            changes.put_row(rows::symbol_key(day, symbol), &row)?;
        }
        for ((day, user, symbol), row) in std::mem::take(&mut self.accounts) {
            changes.put_row(rows::account_key(day, &user, symbol), &row)?;
        }
        Ok(())
    }
}

impl Analytics {
    fn trade(&mut self, reader: &ViewReader, day: Day, trade: &TradeExecuted) -> Result<bool, Error> {
        if trade.symbol.as_str() == CANARY_SYMBOL {
            return Ok(false);
        }
        for row in [day_of(&mut self.days, reader, day)?, symbol_of(&mut self.symbols, reader, day, trade.symbol)?] {
            row.trades = row.trades.saturating_add(1);
            row.volume = row.volume.saturating_add(u128::from(trade.quantity.shares()));
            row.turnover = row.turnover.plus(trade.price.times(trade.quantity));
        }
        // Of one symbol alone: prices of several say nothing together.
        let row = symbol_of(&mut self.symbols, reader, day, trade.symbol)?;
        match &mut row.prices {
            Some(prices) => prices.take(trade.price, trade.taker_side),
            none => *none = Some(rows::Prices::first(trade.price, trade.taker_side)),
        }
        Ok(true)
    }

    fn account(
        &mut self,
        reader: &ViewReader,
        day: Day,
        (first, last): (u64, u64),
        event: &Event,
    ) -> Result<bool, Error> {
        let symbol = event.symbol();
        let Some(user) = event.user_id().filter(|user| !is_canary(user)) else { return Ok(false) };
        if symbol.is_some_and(|symbol| symbol.as_str() == CANARY_SYMBOL) {
            return Ok(false);
        }
        let whole = account_of(&mut self.accounts, reader, (day, user, None))?;
        whole.places = Some(whole.places.map_or((first, last), |(from, to)| (from.min(first), to.max(last))));
        let was_active = whole.is_active();
        whole.take(event);
        let begins = !was_active && whole.is_active();
        let Some(symbol) = symbol else { return Ok(true) };
        let of_symbol = account_of(&mut self.accounts, reader, (day, user, Some(symbol)))?;
        let was_active_here = of_symbol.is_active();
        of_symbol.take(event);
        let begins_here = !was_active_here && of_symbol.is_active();
        let of_day = day_of(&mut self.days, reader, day)?;
        of_day.take(event);
        of_day.accounts = of_day.accounts.saturating_add(u64::from(begins));
        let of_symbol = symbol_of(&mut self.symbols, reader, day, symbol)?;
        of_symbol.take(event);
        of_symbol.accounts = of_symbol.accounts.saturating_add(u64::from(begins_here));
        Ok(true)
    }
}

fn day_of<'a>(
    changed: &'a mut BTreeMap<Day, MarketDay>,
    reader: &ViewReader,
    day: Day,
) -> Result<&'a mut MarketDay, Error> {
    use std::collections::btree_map::Entry;
    Ok(match changed.entry(day) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => unknown.insert(reader.get_row(&rows::day_key(day))?.unwrap_or_default()),
    })
}

fn symbol_of<'a>(
    changed: &'a mut BTreeMap<(Day, Symbol), MarketDay>,
    reader: &ViewReader,
    day: Day,
    symbol: Symbol,
) -> Result<&'a mut MarketDay, Error> {
    use std::collections::btree_map::Entry;
    Ok(match changed.entry((day, symbol)) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => unknown.insert(reader.get_row(&rows::symbol_key(day, symbol))?.unwrap_or_default()),
    })
}

fn account_of<'a>(
    changed: &'a mut BTreeMap<(Day, UserId, Option<Symbol>), AccountDay>,
    reader: &ViewReader,
    (day, user, symbol): (Day, &UserId, Option<Symbol>),
) -> Result<&'a mut AccountDay, Error> {
    use std::collections::btree_map::Entry;
    Ok(match changed.entry((day, user.clone(), symbol)) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => {
            unknown.insert(reader.get_row(&rows::account_key(day, user, symbol))?.unwrap_or_default())
        }
    })
}

impl MarketDay {
    fn take(&mut self, event: &Event) {
        self.asked.take(event);
        if let Event::OrderFilled(fill) = event {
            self.executed = self.executed.saturating_add(u128::from(fill.quantity.shares()));
            self.fees = self.fees.plus(fill.fee);
        }
    }
}

impl Asked {
    fn take(&mut self, event: &Event) {
        match event {
            Event::OrderAccepted(accepted) => {
                self.accepted = self.accepted.saturating_add(1);
                self.quantity = self.quantity.saturating_add(u128::from(accepted.terms.quantity.shares()));
            }
            Event::OrderRejected(_) => self.rejected = self.rejected.saturating_add(1),
            Event::AmendAccepted(_) => self.amends = self.amends.saturating_add(1),
            Event::CancelAccepted(_) => self.cancels = self.cancels.saturating_add(1),
            _ => {}
        }
    }
}
