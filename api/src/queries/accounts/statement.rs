//! `GET /v1/accounts/{userId}/statement`: opening balances, every posting of a period, closing balances.
//!
//! A period is a stretch of the account's partition, by when records were appended or by trading days: what a statement of a
//! past period says never changes. It goes out in pages, of which the first has the balances, or whole as lines and tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::TopicPartition;
use orderledger_domain::timestamp::{Day, Timestamp};
use orderledger_projections::settlement::queries::{AssetPeriod, Period, Statement, period_postings, statement};
use orderledger_store::views::{Direction, ViewReader};
use orderledger_store::{At, Error};

use super::{TOPICS, days, of_account};
use crate::http::as_of::AsOf;
use crate::http::export::Export;
use crate::http::form::Form;
use crate::http::params::{MinPosition, Params};
use crate::http::problem::{FieldError, Problem};
use crate::http::sheet::Sheet;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::SETTLEMENT;
use crate::queries::then::{Then, recorded_since};
use crate::rows::{StatementLine, StatementRow};

/// Postings of one stretch of what goes out whole.
const STRETCH_ROWS: usize = 500;

/// Where a page begins, and where its statement ends.
type Place = (u64, u32, u64);

/// Where a period begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Time(Timestamp),
    Day(Day),
}

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    form: Form,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let mut min = params.min_position(TOPICS)?;
    let wanted = params.page_in::<Place>(Direction::Ascending);
    let (mut named, mut edges) = ((None, None), (None, None));
    if let Some((text, edge)) = params.query("from", edge) {
        (named.0, edges.0) = (Some(text), Some(edge));
    }
    if let Some((text, edge)) = params.query("to", edge) {
        (named.1, edges.1) = (Some(text), Some(edge));
    }
    if form != Form::Json && (wanted.is_limited || wanted.after.is_some()) {
        let name = if wanted.is_limited { "limit" } else { "cursor" };
        params.refuse(name, "is for pages of application/json: the other forms go out whole");
    }
    let user = params.finish(user)?;
    let home = ledger.orders_of(user.as_str());
    let (period, after) = match wanted.after {
        // A later page is of the same period, whatever was posted since the first.
        Some((offset, line, end)) => (Some(Period { from: 0, end }), Some((offset, line))),
        None => (None, None),
    };
    let (from, to) = match period {
        Some(Period { from, end }) => (from, Some(end)),
        None => edges_of(&ledger, home, edges, &min).await?,
    };
    // All of the period must be there.
    let last = to.unwrap_or(from).checked_sub(1);
    min.seen.extend(last.map(|offset| home.offset(offset)));
    let ((), as_of) = of_account(&ledger, user.clone(), min.clone(), |_, _| Ok(())).await?;
    let period = Period { from, end: to.unwrap_or_else(|| as_of.end_of(home).max(from)) };
    let then = match to {
        None => Then::Now,
        Some(end) => end.checked_sub(1).map_or(Then::Before, Then::After),
    };
    if form != Form::Json {
        return export(ledger, form, (user, home, period), as_of).await;
    }
    let is_first = after.is_none();
    let limit = wanted.limit;
    let ((totals, listing), _) = of_account(&ledger, user.clone(), min, move |view, user| {
        let totals = is_first.then(|| statement(view, user, period)).transpose()?;
        Ok((totals, period_postings(view, user, period, after, limit)?))
    })
    .await?;
    let as_of = then.said(&ledger, home, as_of).await?;
    let next = listing.next.map(|(offset, line)| cursor::write(&wanted.scope, &(offset, line, period.end)));
    let row = StatementRow::new(&user, named, (home, period), totals.as_ref(), (listing.rows, next));
    answer::object(&headers, &row, &as_of)
}

/// A time or a trading day, and how it was written.
fn edge(text: &str) -> Result<(String, Edge), &'static str> {
    let edge = Timestamp::parse(text).map(Edge::Time).or_else(|| Day::parse(text).map(Edge::Day));
    let edge = edge.ok_or("must be RFC 3339, as in 2025-01-15T10:30:00Z, or a trading day, as in 2025-01-15")?;
    Ok((text.to_owned(), edge))
}

/// The first offset of the period, and the first behind it where one is asked for.
async fn edges_of(
    ledger: &Arc<Ledger>,
    home: TopicPartition,
    (from, to): (Option<Edge>, Option<Edge>),
    min: &MinPosition,
) -> Result<(u64, Option<u64>), Problem> {
    let begin = match from {
        None => 0,
        Some(Edge::Time(time)) => recorded_since(ledger, home, time, min.within).await?,
        Some(Edge::Day(day)) => days::begin_of(ledger, home, day, min).await?,
    };
    let end = match to {
        None => None,
        Some(Edge::Time(time)) => Some(recorded_since(ledger, home, time, min.within).await?),
        Some(Edge::Day(day)) => Some(days::end_of(ledger, home, day, "to", min).await?.saturating_add(1)),
    };
    let is_turned_round = match (from, to) {
        (Some(Edge::Time(from)), Some(Edge::Time(to))) => to < from,
        (Some(Edge::Day(from)), Some(Edge::Day(to))) => to < from,
        _ => end.is_some_and(|end| end < begin),
    };
    if is_turned_round {
        return Err(Problem::invalid(vec![FieldError::parameter("to", "lies before from")]));
    }
    Ok((begin, end))
}

/// Which part of a statement comes next.
enum Part {
    Opening,
    Postings(Option<(u64, u32)>),
    Closing,
}

/// The whole statement, in constant memory; one that doesn't add up ends early, which is an error at its reader.
async fn export(
    ledger: Arc<Ledger>,
    form: Form,
    (user, home, period): (UserId, TopicPartition, Period),
    as_of: AsOf,
) -> Result<Response, Problem> {
    let (mut part, mut assets) = (Part::Opening, BTreeMap::new());
    let at = move |end: u64| end.checked_sub(1).map(|offset| home.offset(offset));
    let step = move |reader: &ViewReader, sheet: &mut Sheet| {
        match part {
            Part::Opening => {
                assets = Statement::open(reader, &user, period)?.assets;
                for (asset, of) in &assets {
                    sheet.add(&StatementLine::of_balance("opening", *asset, of.opening, at(period.from)));
                }
                part = Part::Postings(None);
            }
            Part::Postings(after) => {
                let listing = period_postings(reader, &user, period, after, STRETCH_ROWS)?;
                for row in listing.rows {
                    assets.entry(row.asset).or_default().post(row.account, row.change);
                    sheet.add(&StatementLine::of_posting(&user, row));
                }
                part = listing.next.map_or(Part::Closing, |next| Part::Postings(Some(next)));
            }
            Part::Closing => {
                if !assets.values().all(AssetPeriod::adds_up) {
                    let detail = format!("a statement of {user} does not add up: verify says where");
                    return Err(Error::corrupt(At::Frame, detail));
                }
                for (asset, of) in &assets {
                    sheet.add(&StatementLine::of_balance("closing", *asset, of.closing, at(period.end)));
                }
                return Ok(false);
            }
        }
        Ok(true)
    };
    Export { ledger, view: SETTLEMENT, form, name: "statement", as_of }.stream::<StatementLine>(step).await
}
