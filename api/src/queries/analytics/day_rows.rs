//! The rows of one day, a stretch at a time: of symbol after symbol, or of account after account.

use std::sync::Arc;

use orderledger_domain::ids::{CANARY_SYMBOL, Symbol, UserId};
use orderledger_domain::position::Topic;
use orderledger_domain::timestamp::Day;
use orderledger_projections::analytics::queries::accounts;
use orderledger_projections::market::queries::{Page as TapePage, Within, symbols, trades};
use orderledger_projections::settlement;
use orderledger_projections::settlement::queries::{
    Listing, OrdersFilter, Page, PostingsFilter, orders, postings_where,
};
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

/// A kind of an account's rows, listed in the order of its partition of `orders`.
pub(super) trait Listed {
    type Row;
    /// A place in the listing.
    type Place;

    /// The place behind everything of that offset.
    fn behind(offset: u64) -> Self::Place;

    fn list(
        view: &ViewReader,
        user: &UserId,
        page: &Page<Self::Place>,
    ) -> Result<Listing<Self::Row, Self::Place>, Error>;

    /// Where a row's event stands, and its day.
    fn at(row: &Self::Row) -> (u64, Day);

    fn add(sheet: &mut Sheet, user: &UserId, row: Self::Row);
}

/// Orders, by where they were placed.
pub(super) struct OfOrders;

impl Listed for OfOrders {
    type Row = settlement::rows::OrderRow;
    type Place = u64;

    fn behind(offset: u64) -> u64 {
        offset
    }

    fn list(view: &ViewReader, user: &UserId, page: &Page<u64>) -> Result<Listing<Self::Row, u64>, Error> {
        orders(view, user, &OrdersFilter::default(), page)
    }

    fn at(row: &Self::Row) -> (u64, Day) {
        (row.order.created_offset, row.created_at.day())
    }

    fn add(sheet: &mut Sheet, _: &UserId, row: Self::Row) {
        sheet.add(&OrderRow::from(&row));
    }
}

/// Postings, by their event's offset and their number within it.
pub(super) struct OfPostings;

impl Listed for OfPostings {
    type Row = settlement::queries::PostingRow;
    type Place = (u64, u32);

    fn behind(offset: u64) -> (u64, u32) {
        (offset, u32::MAX)
    }

    fn list(
        view: &ViewReader,
        user: &UserId,
        page: &Page<(u64, u32)>,
    ) -> Result<Listing<Self::Row, (u64, u32)>, Error> {
        postings_where(view, user, &PostingsFilter::default(), page)
    }

    fn at(row: &Self::Row) -> (u64, Day) {
        (row.position.offset, row.time.day())
    }

    fn add(sheet: &mut Sheet, user: &UserId, row: Self::Row) {
        sheet.add(&PostingRow::new(user, row));
    }
}

/// The orders that were placed on a day.
pub(super) type Orders = OfAccounts<OfOrders>;
/// The postings of a day.
pub(super) type Postings = OfAccounts<OfPostings>;

/// The rows of a day of one kind: by account, then in their order.
pub(super) struct OfAccounts<K: Listed> {
    accounts: Accounts,
    end: AsOf,
    /// Whose are being given, up to which offset, and behind which place.
    current: Option<(UserId, u64, Option<K::Place>)>,
}

impl<K: Listed> OfAccounts<K> {
    pub(super) fn of(day: Day, end: AsOf, ledger: Arc<Ledger>) -> OfAccounts<K> {
        OfAccounts { accounts: Accounts::of(ledger, day), end, current: None }
    }

    /// Adds some; whether there are more.
    pub(super) fn next(&mut self, view: &ViewReader, sheet: &mut Sheet) -> Result<bool, Error> {
        for _ in 0..PASSED_OVER_MAX {
            let (user, last, after) = match self.current.take() {
                Some(current) => current,
                None => match self.accounts.next()? {
                    Some((user, (first, last))) => (user, last, first.checked_sub(1).map(K::behind)),
                    None => return Ok(false),
                },
            };
            let below = self.end.end_of(self.accounts.ledger.orders_of(user.as_str()));
            let page = Page { after, limit: STRETCH_ROWS, direction: Direction::Ascending };
            let listing = K::list(view, &user, &page)?;
            let (mut given, mut is_over) = (0_usize, listing.next.is_none());
            for row in listing.rows {
                let (offset, day) = K::at(&row);
                is_over |= offset > last;
                if offset <= last && offset < below && day == self.accounts.day {
                    K::add(sheet, &user, row);
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
