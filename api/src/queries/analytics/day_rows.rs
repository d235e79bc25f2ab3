//! The rows of one day, a stretch at a time: of symbol after symbol, or of account after account.

use std::sync::Arc;

use orderledger_domain::ids::{CANARY_SYMBOL, Symbol, UserId};
use orderledger_domain::position::Topic;
use orderledger_domain::timestamp::Day;
use orderledger_projections::analytics::queries::accounts;
use orderledger_projections::market::queries::{Page as TapePage, Within, symbols, trades};
use orderledger_projections::settlement::queries::{OrdersFilter, Page, PostingsFilter, orders, postings_where};
use orderledger_store::Error;
use orderledger_store::views::{Direction, ViewReader};

use crate::http::as_of::AsOf;
use crate::http::sheet::Sheet;
use crate::ledger::Ledger;
use crate::queries::ANALYTICS;
use crate::rows::{OrderRow, PostingRow, TradeRow};

/// Rows of one stretch.
const STRETCH_ROWS: usize = 500;
/// So many symbols or accounts without a row are passed over in one stretch.
const PASSED_OVER_MAX: usize = 500;

/// The trades of a day: by symbol, then in their order.
pub(super) struct Trades {
    within: Within,
    end: AsOf,
    /// The last symbol that is done with, and the one whose trades are being given: behind which of them.
    done: Option<Symbol>,
    current: Option<(Symbol, u64)>,
}

impl Trades {
    pub(super) fn of(day: Day, end: AsOf) -> Trades {
        let within = Within { from: Some(day.begin()), to: Some(day.end()) };
        Trades { within, end, done: None, current: None }
    }

    /// Adds some; whether there are more.
    pub(super) fn next(&mut self, view: &ViewReader, sheet: &mut Sheet) -> Result<bool, Error> {
        for _ in 0..PASSED_OVER_MAX {
            let (symbol, after) = match self.current {
                Some((symbol, after)) => (symbol, Some(after)),
                None => {
                    let page = TapePage { direction: Direction::Ascending, after: self.done, limit: 1 };
                    let Some((symbol, _)) = symbols(view, page)?.rows.first().copied() else { return Ok(false) };
                    (symbol, None)
                }
            };
            let page = TapePage { direction: Direction::Ascending, after, limit: STRETCH_ROWS };
            let listed = trades(view, symbol, self.within, page)?;
            let is_below = |partition: u32, offset: u64| offset < self.end.end_of(Topic::Trades.at(partition));
            let mut given = 0_usize;
            for (book_seq, trade) in listed.rows {
                let at = trade.position;
                if symbol.as_str() != CANARY_SYMBOL && is_below(at.partition, at.offset) {
                    sheet.add(&TradeRow::new(symbol, book_seq, trade));
                    given = given.saturating_add(1);
                }
            }
            self.current = listed.next.map(|after| (symbol, after));
            if self.current.is_none() {
                self.done = Some(symbol);
            }
            if given > 0 {
                break;
            }
        }
        Ok(true)
    }
}

/// An account, and between which offsets of its partition the day is.
type Account = (UserId, (u64, u64));

/// Accounts to which something happened on a day, one after the other, each with the stretch of its partition in which it did.
struct Accounts {
    ledger: Arc<Ledger>,
    day: Day,
    known: std::vec::IntoIter<Account>,
    last: Option<UserId>,
}

impl Accounts {
    fn of(ledger: Arc<Ledger>, day: Day) -> Accounts {
        Accounts { ledger, day, known: Vec::new().into_iter(), last: None }
    }

    fn next(&mut self) -> Result<Option<Account>, Error> {
        if let Some(known) = self.known.next() {
            return Ok(Some(known));
        }
        let moment = ANALYTICS(&self.ledger).moment()?;
        let mut found = Vec::new();
        for row in accounts(&moment.reader, self.day, self.last.as_ref()).take(STRETCH_ROWS) {
            let (user, row) = row?;
            self.last = Some(user.clone());
            found.extend(row.places.map(|places| (user, places)));
        }
        self.known = found.into_iter();
        Ok(self.known.next())
    }
}

/// The orders that were placed on a day: by account, then in their order.
pub(super) struct Orders {
    accounts: Accounts,
    end: AsOf,
    /// Whose are being given, and behind which.
    current: Option<(UserId, u64, Option<u64>)>,
}

impl Orders {
    pub(super) fn of(day: Day, end: AsOf, ledger: Arc<Ledger>) -> Orders {
        Orders { accounts: Accounts::of(ledger, day), end, current: None }
    }

    /// Adds some; whether there are more.
    pub(super) fn next(&mut self, view: &ViewReader, sheet: &mut Sheet) -> Result<bool, Error> {
        for _ in 0..PASSED_OVER_MAX {
            let (user, last, after) = match self.current.take() {
                Some(current) => current,
                None => match self.accounts.next()? {
                    Some((user, (first, last))) => (user, last, first.checked_sub(1)),
                    None => return Ok(false),
                },
            };
            let below = self.end.end_of(self.accounts.ledger.orders_of(user.as_str()));
            let page = Page { after, limit: STRETCH_ROWS, direction: Direction::Ascending };
            let listing = orders(view, &user, &OrdersFilter::default(), &page)?;
            let (mut given, mut is_over) = (0_usize, listing.next.is_none());
            for row in &listing.rows {
                let created = row.order.created_offset;
                is_over |= created > last;
                if created <= last && created < below && row.created_at.day() == self.accounts.day {
                    sheet.add(&OrderRow::from(row));
                    given = given.saturating_add(1);
                }
            }
            if !is_over {
                self.current = Some((user, last, listing.next));
            }
            if given > 0 {
                break;
            }
        }
        Ok(true)
    }
}

/// A line of a journal: its event's offset and its number within the event.
type Line = (u64, u32);

/// The postings of a day: by account, then in their order.
pub(super) struct Postings {
    accounts: Accounts,
    end: AsOf,
    current: Option<(UserId, u64, Option<Line>)>,
}

impl Postings {
    pub(super) fn of(day: Day, end: AsOf, ledger: Arc<Ledger>) -> Postings {
        Postings { accounts: Accounts::of(ledger, day), end, current: None }
    }

    /// Adds some; whether there are more.
    pub(super) fn next(&mut self, view: &ViewReader, sheet: &mut Sheet) -> Result<bool, Error> {
        for _ in 0..PASSED_OVER_MAX {
            let (user, last, after) = match self.current.take() {
                Some(current) => current,
                None => match self.accounts.next()? {
                    Some((user, (first, last))) => (user, last, first.checked_sub(1).map(|offset| (offset, u32::MAX))),
                    None => return Ok(false),
                },
            };
            let below = self.end.end_of(self.accounts.ledger.orders_of(user.as_str()));
            let page = Page { after, limit: STRETCH_ROWS, direction: Direction::Ascending };
            let listing = postings_where(view, &user, &PostingsFilter::default(), &page)?;
            let (mut given, mut is_over) = (0_usize, listing.next.is_none());
            for row in listing.rows {
                let offset = row.position.offset;
                is_over |= offset > last;
                if offset <= last && offset < below && row.time.day() == self.accounts.day {
                    sheet.add(&PostingRow::new(&user, row));
                    given = given.saturating_add(1);
                }
            }
            if !is_over {
                self.current = Some((user, last, listing.next));
            }
            if given > 0 {
                break;
            }
        }
        Ok(true)
    }
}
