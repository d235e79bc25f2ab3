//! `GET /v1/accounts/{userId}/balances`: what the account has, now or at a past position or moment.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::account::Account;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::audit::queries::first_offset_since;
use orderledger_projections::settlement::queries;

use super::{TOPICS, of_account};
use crate::http::answer;
use crate::http::params::{MinPosition, Params, read_positions};
use crate::http::problem::{FieldError, Problem};
use crate::ledger::{Ledger, blocking};
use crate::queries::not_reached;
use crate::rows::BalanceRow;

/// Which moment of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Now,
    /// After the record at this offset of the account's partition.
    After(u64),
    /// Before the partition's first record.
    Before,
}

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let mut min = params.min_position(TOPICS)?;
    let positions = params.query("asOfPosition", read_positions);
    let time = params.moment("asOfTime");
    if positions.is_some() && time.is_some() {
        params.refuse("asOfTime", "excludes asOfPosition");
    }
    let user = params.finish(user)?;
    let home = ledger.orders_of(user.as_str());
    let then = match (positions, time) {
        (Some(positions), _) => after_position(home, &positions)?,
        (None, Some(time)) => at_time(&ledger, home, time, &min).await?,
        (None, None) => Then::Now,
    };
    if let Then::After(offset) = then {
        // The past is known once the view has applied it.
        min.positions.push(home.offset(offset));
    }
    let (account, as_of) = of_account(&ledger, user, min, move |view, user| {
        let balances = match then {
            Then::Now => queries::balances(view, user)?,
            Then::After(offset) => queries::balances_as_of(view, user, offset)?,
            Then::Before => None,
        };
        Ok(balances.map_or_else(Account::default, |balances| balances.account))
    })
    .await?;
    let rows: Vec<BalanceRow> = account.iter().map(|(asset, balance)| BalanceRow::new(asset, balance)).collect();
    answer::whole_list(&headers, &rows, &as_of)
}

/// The newest of the positions in the account's own partition; those elsewhere say nothing of it.
fn after_position(home: TopicPartition, positions: &[Position]) -> Result<Then, Problem> {
    let own = positions.iter().filter(|position| position.topic_partition() == home);
    own.map(|position| position.offset).max().map(Then::After).ok_or_else(|| {
        let detail = format!("must name a position in {home}, where this account's events stand");
        Problem::invalid(vec![FieldError::parameter("asOfPosition", detail)])
    })
}

/// After all that was recorded at that time or before; the audit trail knows where that is.
async fn at_time(
    ledger: &Arc<Ledger>,
    home: TopicPartition,
    time: Timestamp,
    min: &MinPosition,
) -> Result<Then, Problem> {
    let end = ledger.end_of(home).await?;
    if !ledger.audit.wait(min.within, |standing| standing.has_applied_below(home, end)).await {
        return Err(not_reached());
    }
    let behind = Timestamp::from_micros(time.micros().saturating_add(1));
    let ledger = Arc::clone(ledger);
    let first = blocking(move || first_offset_since(&ledger.audit.moment()?.reader, home, behind)).await?;
    Ok(first.checked_sub(1).map_or(Then::Before, Then::After))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::position::Topic;

    use super::*;

    #[test]
    fn the_past_is_named_by_a_position_of_the_accounts_own_partition() {
        let check = |text: &str| after_position(Topic::Orders.at(3), &read_positions(text).unwrap()).ok();
        assert_eq!(check("orders-3@7,trades-1@9"), Some(Then::After(7)));
        assert_eq!(check("orders-3@7,orders-3@8"), Some(Then::After(8)));
        assert_eq!(check("orders-4@7"), None);
    }
}
