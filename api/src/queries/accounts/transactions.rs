//! `GET /v1/accounts/{userId}/transactions`: the full history, as it stands in the log.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::entity::Entity;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_projections::audit::TypeSet;
use orderledger_projections::audit::queries::{HistoryPage, HistoryQuery, has_history, history};
use orderledger_projections::parking::queries::{Parked, parked};
use orderledger_projections::settlement::queries::exists;

use super::TOPICS;
use crate::http::as_of::AsOf;
use crate::http::params::{MinPosition, Params, Wanted};
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::{Ledger, blocking};
use crate::queries::{AUDIT, read, unknown_account, wait_for_cursor};
use crate::rows::RecordRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let min = params.min_position(TOPICS)?;
    let stretch = Stretch::of(&mut params);
    let user = params.finish(user)?;
    let (page, as_of) = stretch.read(&ledger, user, None, min).await?;
    stretch.answer(&headers, page, &as_of)
}

/// Which part of a history.
pub(crate) struct Stretch {
    wanted: Wanted<u64>,
    from: Option<orderledger_domain::timestamp::Timestamp>,
    to: Option<orderledger_domain::timestamp::Timestamp>,
    types: TypeSet,
}

impl Stretch {
    /// `limit`, `order`, `cursor`, `from`, `to` and `type`.
    pub(crate) fn of(params: &mut Params) -> Stretch {
        let wanted = params.page::<u64>();
        let (from, to) = (params.moment("from"), params.moment("to"));
        Stretch { wanted, from, to, types: types(params) }
    }

    /// Reads the history of a user, or of one of the user's orders.
    pub(crate) async fn read(
        &self,
        ledger: &Arc<Ledger>,
        user: UserId,
        order: Option<OrderId>,
        min: MinPosition,
    ) -> Result<(HistoryPage, AsOf), Problem> {
        let (from, to, types, partitions) = (self.from, self.to, self.types, ledger.partitions);
        let (direction, after, limit) = (self.wanted.direction, self.wanted.after, self.wanted.limit);
        let rests_on = vec![ledger.orders_of(user.as_str())];
        let asked = user.clone();
        if let Some(offset) = after {
            wait_for_cursor(AUDIT(ledger), ledger.orders_of(user.as_str()).offset(offset), min.within).await?;
        }
        let (page, as_of) = read(ledger, AUDIT, min, rests_on, move |view| {
            if !has_history(view, &user, partitions)? {
                return Ok(None);
            }
            let (user, order) = (&user, order.as_ref());
            let query = HistoryQuery { user, order, partitions, from, to, types, direction, after, limit };
            history(view, &query).map(Some)
        })
        .await?;
        let (known, parked) = in_settlement(ledger, &asked).await?;
        let as_of = as_of.of_entity(parked.as_ref());
        match page {
            Some(page) => Ok((page, as_of)),
            // The audit trail may be behind settlement.
            None if known => {
                let of = ledger.orders_of(asked.as_str());
                Ok((HistoryPage { of, records: Vec::new(), next: None }, as_of))
            }
            None => Err(unknown_account()),
        }
    }

    /// The page as an answer.
    pub(crate) fn answer(&self, headers: &HeaderMap, page: HistoryPage, as_of: &AsOf) -> Result<Response, Problem> {
        let rows: Vec<RecordRow> = page.records.iter().map(RecordRow::from).collect();
        let next = page.next.map(|place| cursor::write(&self.wanted.scope, &place));
        answer::list(headers, &rows, next, as_of)
    }
}

/// `type`: event types with commas between them; absent: all.
pub(crate) fn types(params: &mut Params) -> TypeSet {
    let read = |text: &str| {
        let named =
            text.split(',').map(|name| EventType::from_name(name).ok_or("must be event types such as OrderFilled"));
        named.collect::<Result<Vec<EventType>, _>>().map(|types| types.into_iter().collect())
    };
    params.query("type", read).unwrap_or(TypeSet::ALL)
}

/// Whether settlement knows the user, and where it is parked there.
async fn in_settlement(ledger: &Arc<Ledger>, user: &UserId) -> Result<(bool, Option<Parked>), Problem> {
    let (ledger, user) = (Arc::clone(ledger), user.clone());
    let look = move || {
        let reader = ledger.settlement.reader()?;
        let parked = parked(&reader, &Entity::User(user.clone()))?;
        Ok::<_, orderledger_store::Error>((parked.is_some() || exists(&reader, &user)?, parked))
    };
    Ok(blocking(look).await?)
}
