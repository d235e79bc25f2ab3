//! What an account has, ordered, traded and was booked.

pub(crate) mod balances;
pub(crate) mod fills;
pub(crate) mod orders;
pub(crate) mod postings;
pub(crate) mod transactions;
pub(crate) mod withdrawals;

use std::sync::Arc;

use orderledger_domain::entity::Entity;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::Topic;
use orderledger_projections::parking::queries::parked;
use orderledger_projections::settlement::queries;
use orderledger_store::Error;
use orderledger_store::views::ViewReader;

use super::{SETTLEMENT, read, unknown_account};
use crate::http::as_of::AsOf;
use crate::http::params::MinPosition;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

/// The topics that settlement reads.
const TOPICS: &[Topic] = &[Topic::Orders];

/// Reads settlement about one account, and whether it is parked; 404 if no event names it.
async fn of_account<T: Send + 'static>(
    ledger: &Arc<Ledger>,
    user: UserId,
    min: MinPosition,
    rows: impl FnOnce(&ViewReader, &UserId) -> Result<T, Error> + Send + 'static,
) -> Result<(T, AsOf), Problem> {
    let rests_on = vec![ledger.orders_of(user.as_str())];
    let (read, as_of) = read(ledger, SETTLEMENT, min, rests_on, move |view| {
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
