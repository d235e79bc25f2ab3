//! `GET /v1/accounts/{userId}/transactions`: the full history, as it stands in the log.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::entity::Entity;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::{OrderId, Symbol, UserId};
use orderledger_domain::position::Position;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::audit::TypeSet;
use orderledger_projections::audit::queries::{HistoryPage, HistoryQuery, has_history, history, visit_history};
use orderledger_projections::parking::queries::{Parked, parked};
use orderledger_projections::settlement::queries::exists;
use orderledger_store::Error;
use orderledger_store::views::ViewReader;

use super::TOPICS;
use crate::http::as_of::AsOf;
use crate::http::export::{Export, Rest, STRETCH_BYTES};
use crate::http::form::Form;
use crate::http::params::{MinPosition, Params, Wanted};
use crate::http::problem::Problem;
use crate::http::sheet::Sheet;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::{AUDIT, read, unknown_account, wait_for_cursor};
use crate::rows::{RecordLine, RecordRow};

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    form: Form,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let min = params.min_position(TOPICS)?;
    let own = user.as_ref().map(|user| ledger.orders_of(user.as_str()));
    let mut stretch = Stretch::of(&mut params, |position| Some(position.topic_partition()) == own);
    stretch.symbol = params.query("symbol", Symbol::new);
    let user = params.finish(user)?;
    stretch.answer(&ledger, (form, &headers), (user, None), min).await
}

/// Which part of a history.
pub(crate) struct Stretch {
    wanted: Wanted<u64>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    types: TypeSet,
    symbol: Option<Symbol>,
}

impl Stretch {
    /// `limit`, `order`, `cursor`, `after`, `from`, `to` and `type`; `has` says whether a record of it may stand there.
    pub(crate) fn of(params: &mut Params, has: impl FnOnce(Position) -> bool) -> Stretch {
        let mut wanted = params.page::<u64>();
        wanted.after = wanted.after.or(params.after(has).map(|position| position.offset));
        let (from, to) = (params.moment("from"), params.moment("to"));
        Stretch { wanted, from, to, types: types(params), symbol: None }
    }

    /// The history of a user, or of one of the user's orders, in that form.
    pub(crate) async fn answer(
        self,
        ledger: &Arc<Ledger>,
        (form, headers): (Form, &HeaderMap),
        (user, order): (UserId, Option<OrderId>),
        min: MinPosition,
    ) -> Result<Response, Problem> {
        if form == Form::Json {
            let (page, as_of) = self.read(ledger, (user, order), min, self.wanted.limit).await?;
            let rows: Vec<RecordRow> = page.records.iter().map(RecordRow::from).collect();
            let next = page.next.map(|place| cursor::write(&self.wanted.scope, &place));
            return answer::list(headers, &rows, next, &as_of);
        }
        let (_, as_of) = self.read(ledger, (user.clone(), order.clone()), min, 1).await?;
        let below = as_of.end_of(ledger.orders_of(user.as_str()));
        let (partitions, mut rest) = (ledger.partitions, Rest::of(&self.wanted));
        let export = Export { ledger: Arc::clone(ledger), view: AUDIT, form, name: "transactions", as_of };
        let step = move |reader: &ViewReader, sheet: &mut Sheet| {
            let (after, limit) = (rest.after, rest.left);
            let query =
                HistoryQuery { below, after, limit, ..self.query(&user, order.as_ref(), partitions, rest.left) };
            let mut rows = 0_usize;
            let next = visit_history(reader, &query, STRETCH_BYTES, |record| {
                rows = rows.saturating_add(1);
                sheet.add(&RecordLine(record));
            })?;
            Ok(rest.pass(rows, next))
        };
        export.stream::<RecordLine<'_>>(step).await
    }

    fn query<'a>(
        &self,
        user: &'a UserId,
        order: Option<&'a OrderId>,
        partitions: u32,
        limit: usize,
    ) -> HistoryQuery<'a> {
        HistoryQuery {
            order,
            from: self.from,
            to: self.to,
            types: self.types,
            symbol: self.symbol,
            direction: self.wanted.direction,
            after: self.wanted.after,
            ..HistoryQuery::of_user(user, partitions, limit)
        }
    }

    /// Reads a page of so many records.
    async fn read(
        &self,
        ledger: &Arc<Ledger>,
        (user, order): (UserId, Option<OrderId>),
        min: MinPosition,
        limit: usize,
    ) -> Result<(HistoryPage, AsOf), Problem> {
        let (of, partitions, recent) = (ledger.orders_of(user.as_str()), ledger.partitions, Arc::clone(&ledger.recent));
        let asked = user.clone();
        if let Some(offset) = self.wanted.after {
            wait_for_cursor(AUDIT(ledger), of.offset(offset), min.within).await?;
        }
        let query = self.query(&asked, None, partitions, limit);
        let HistoryQuery { from, to, types, symbol, direction, after, .. } = query;
        let (page, as_of) = read(ledger, AUDIT, min, vec![of], move |view| {
            if !has_history(view, &user, partitions)? {
                return Ok(None);
            }
            let query = HistoryQuery { recent: Some(&recent), ..HistoryQuery::of_user(&user, partitions, limit) };
            let order = order.as_ref();
            history(view, &HistoryQuery { order, from, to, types, symbol, direction, after, ..query }).map(Some)
        })
        .await?;
        let (known, parked) = in_settlement(ledger, &asked)?;
        let as_of = as_of.of_entity(parked.as_ref());
        match page {
            Some(page) => Ok((page, as_of)),
            // The audit trail may be behind settlement.
            None if known => Ok((HistoryPage { of, records: Vec::new(), next: None }, as_of)),
            None => Err(unknown_account()),
        }
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

/// Whether settlement knows the user, and where it is parked there: two rows, read where the call runs.
pub(crate) fn in_settlement(ledger: &Ledger, user: &UserId) -> Result<(bool, Option<Parked>), Error> {
    let reader = ledger.settlement.reader()?;
    let parked = parked(&reader, &Entity::User(user.clone()))?;
    Ok((parked.is_some() || exists(&reader, user)?, parked))
}
