//! What an account has, ordered, traded and was booked.

pub(crate) mod adjustments;
pub(crate) mod balances;
pub(crate) mod explain;
pub(crate) mod fills;
pub(crate) mod notifications;
pub(crate) mod orders;
pub(crate) mod postings;
pub(crate) mod statement;
pub(crate) mod transactions;
pub(crate) mod withdrawals;

mod days;

use std::sync::Arc;

use orderledger_domain::entity::Entity;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::Topic;
use orderledger_projections::parking::queries::parked;
use orderledger_projections::settlement::queries::{self, Past};
use orderledger_store::Error;
use orderledger_store::views::ViewReader;

use super::then::Then;
use super::{Reading, SETTLEMENT, read_so, unknown_account, wait_for_cursor};
use crate::http::as_of::AsOf;
use crate::http::params::MinPosition;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

/// The topics that settlement reads.
const TOPICS: &[Topic] = &[Topic::Orders];

/// Which rows of an account are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Now,
    Past(Past),
    /// Before anything was.
    Before,
}

/// What settlement is asked for a moment.
const fn past_of(then: Then) -> Moment {
    match then {
        Then::Now => Moment::Now,
        Then::After(offset) => Moment::Past(Past::After(offset)),
        Then::Happened(time) => Moment::Past(Past::Happened(time)),
        Then::Before => Moment::Before,
    }
}

impl Moment {
    /// The moment, if it is a past one with rows.
    const fn past(self) -> Option<Past> {
        if let Moment::Past(past) = self { Some(past) } else { None }
    }
}

/// Waits until settlement has the record that a cursor of this account's lists was given at.
async fn wait_for_place(ledger: &Ledger, user: &UserId, after: Option<u64>, min: &MinPosition) -> Result<(), Problem> {
    let Some(after) = after else { return Ok(()) };
    wait_for_cursor(SETTLEMENT(ledger), ledger.orders_of(user.as_str()).offset(after), min.within).await
}

/// Reads settlement about one account, and whether it is parked; 404 if no event names it.
async fn of_account<T: Send + 'static>(
    ledger: &Arc<Ledger>,
    user: UserId,
    min: MinPosition,
    rows: impl FnOnce(&ViewReader, &UserId) -> Result<T, Error> + Send + 'static,
) -> Result<(T, AsOf), Problem> {
    of_account_so(Reading::Scan, ledger, user, min, rows).await
}

/// The same, of a few rows or of many.
async fn of_account_so<T: Send + 'static>(
    reading: Reading,
    ledger: &Arc<Ledger>,
    user: UserId,
    min: MinPosition,
    rows: impl FnOnce(&ViewReader, &UserId) -> Result<T, Error> + Send + 'static,
) -> Result<(T, AsOf), Problem> {
    let rests_on = vec![ledger.orders_of(user.as_str())];
    let (read, as_of) = read_so(reading, ledger, SETTLEMENT, min, rests_on, move |view| {
        let parked = parked(view, &Entity::User(user.clone()))?;
        if parked.is_none() && !queries::exists(view, &user)? {
            return Ok(None);
        }
        Ok(Some((rows(view, &user)?, parked)))
    })
    .await?;
    let (rows, parked) = read.ok_or_else(unknown_account)?;
    Ok((rows, as_of.of_entity(parked.as_ref())))
}
