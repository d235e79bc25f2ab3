//! `GET /v1/analytics/export/{kind}`: everything of one day, as lines of JSON or a table, in constant memory.
//!
//! The rows are those of the other lists. The header `Ledger-Day` says whether the day is over: then all that the log had taken is
//! decided and in the answer, and what the answer says of it never changes, but for orders that are still open. `Ledger-Next-Day` is
//! then the next one on which anything happened, or the day that is running: who asks for many days passes over those between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::HeaderName;
use axum::response::Response;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::analytics::queries::next_day;
use orderledger_projections::worker::progress::{Progress, Standing};

use super::day_rows::{Orders, Postings, Trades};
use super::{TOPICS, day};
use crate::http::answer::set;
use crate::http::as_of::AsOf;
use crate::http::export::Export;
use crate::http::form::Form;
use crate::http::params::{MinPosition, Params};
use crate::http::problem::Problem;
use crate::ledger::{Ledger, blocking, now};
use crate::queries::{ANALYTICS, MARKET, SETTLEMENT, ViewOf, not_reached, read};
use crate::rows::{OrderRow, PostingRow, TradeRow};

/// What there is of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Trades,
    Orders,
    Postings,
}

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    form: Form,
) -> Result<Response, Problem> {
    let kind = params.path("kind", kind);
    let day = params.query("day", day);
    if day.is_none() && !params.has_errors() {
        params.refuse("day", "is required, as in day=2025-01-15");
    }
    let min = params.min_position(TOPICS)?;
    let (kind, day) = params.finish(kind.zip(day))?;
    let form = if form == Form::Json { Form::Lines } else { form };
    let is_over = day.end() <= now();
    let mut next = None;
    if is_over {
        all_is_applied(&ledger, min.within).await?;
        let moment = ANALYTICS(&ledger).moment()?;
        let today = now().day();
        next = Some(blocking(move || next_day(&moment.reader, day)).await?.map_or(today, |next| next.min(today)));
    }
    let (view, name): (ViewOf, _) = match kind {
        Kind::Trades => (MARKET, "trades"),
        Kind::Orders => (SETTLEMENT, "orders"),
        Kind::Postings => (SETTLEMENT, "postings"),
    };
    let topic = if kind == Kind::Trades { Topic::Trades } else { Topic::Orders };
    let rests_on: Vec<TopicPartition> = ledger.all_of(topic).collect();
    // Trades follow from orders, and no position says when they have.
    let positions = min.positions.into_iter().filter(|at| at.topic == topic).collect();
    let min = MinPosition { positions, ..min };
    let ((), as_of): ((), AsOf) = read(&ledger, view, min, rests_on, |_| Ok(())).await?;
    let end = as_of.clone();
    let export = Export { ledger: Arc::clone(&ledger), view, form, name, as_of };
    let mut response = match kind {
        Kind::Trades => {
            let mut rows = Trades::of(day, end);
            export.stream::<TradeRow>(move |view, sheet| rows.next(view, sheet)).await?
        }
        Kind::Orders => {
            let mut rows = Orders::of(day, end, ledger);
            export.stream::<OrderRow>(move |view, sheet| rows.next(view, sheet)).await?
        }
        Kind::Postings => {
            let mut rows = Postings::of(day, end, ledger);
            export.stream::<PostingRow>(move |view, sheet| rows.next(view, sheet)).await?
        }
    };
    set(&mut response, HeaderName::from_static("ledger-day"), if is_over { "over" } else { "running" });
    if let Some(next) = next {
        set(&mut response, HeaderName::from_static("ledger-next-day"), &next.to_string());
    }
    Ok(response)
}

fn kind(text: &str) -> Result<Kind, &'static str> {
    match text {
        "trades" => Ok(Kind::Trades),
        "orders" => Ok(Kind::Orders),
        "postings" => Ok(Kind::Postings),
        _ => Err("must be trades, orders or postings"),
    }
}

/// Waits until all that stands in the log now is decided, and what was decided is in the views.
async fn all_is_applied(ledger: &Arc<Ledger>, within: Duration) -> Result<(), Problem> {
    let deadline = Instant::now() + within;
    reach(ledger, &ledger.intake, &[Topic::Orders], deadline).await?;
    reach(ledger, &ledger.matching, &[Topic::Books], deadline).await?;
    reach(ledger, &progress(ledger, SETTLEMENT), &[Topic::Orders], deadline).await?;
    reach(ledger, &progress(ledger, MARKET), &[Topic::Trades], deadline).await?;
    reach(ledger, &progress(ledger, ANALYTICS), &[Topic::Orders, Topic::Trades], deadline).await
}

fn progress(ledger: &Ledger, view: ViewOf) -> Progress {
    view(ledger).live.load().progress.clone()
}

async fn reach(ledger: &Arc<Ledger>, progress: &Progress, topics: &[Topic], deadline: Instant) -> Result<(), Problem> {
    let mut ends = Vec::new();
    for of in topics.iter().flat_map(|topic| ledger.all_of(*topic)) {
        ends.push((of, ledger.end_of(of).await?));
    }
    let reached = |standing: &Standing| ends.iter().all(|(of, end)| standing.has_applied_below(*of, *end));
    if progress.wait(deadline.saturating_duration_since(Instant::now()), reached).await {
        Ok(())
    } else {
        let detail = "what the log took on that day is not all decided and in the views yet; ask again, or wait longer \
                      with waitMs";
        Err(Problem { detail: detail.to_owned(), ..not_reached() })
    }
}
