//! `GET /v1/analytics/…`: what was traded and asked for, by day, symbol and account.

pub(crate) mod account;
pub(crate) mod days;
pub(crate) mod export;
pub(crate) mod movers;
pub(crate) mod symbols;

mod day_rows;

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::timestamp::Day;
use orderledger_projections::analytics::queries::Days;
use orderledger_store::views::Direction;

use crate::http::params::Params;
use crate::ledger::{Ledger, now};

/// The topics that its rows are made of.
const TOPICS: &[Topic] = &[Topic::Orders, Topic::Trades];
/// So many days are answered for at once.
const DAYS_MAX: i64 = 366;
/// So many days are answered for unless more are asked for.
const DAYS_UNASKED: i64 = 30;

/// A day of UTC.
fn day(text: &str) -> Result<Day, &'static str> {
    Day::parse(text).ok_or("must be a day, as in 2025-01-15")
}

/// `from` and `to`, both included: no more days than one answer may cost.
fn days_of(params: &mut Params, direction: Direction) -> Days {
    let (from, to) = (params.query("from", day), params.query("to", day));
    let back = |to: Day| Day::from_number(to.number().saturating_sub(DAYS_UNASKED - 1));
    let to = to.unwrap_or_else(|| now().day().max(from.unwrap_or_else(|| now().day())));
    let from = from.or_else(|| back(to)).unwrap_or(to);
    let asked = to.number().saturating_sub(from.number()).saturating_add(1);
    if asked < 1 {
        params.refuse("to", "lies before from");
    } else if asked > DAYS_MAX {
        let detail = format!(
            "asks for {asked} days, and at most {DAYS_MAX} are answered for at once: ask for one year after the other, or take \
             the days as files with `orderledger export parquet`"
        );
        params.refuse("from", detail);
    }
    Days { from, to, direction }
}

/// What an answer about everybody rests on.
fn everything(ledger: &Ledger) -> Vec<TopicPartition> {
    TOPICS.iter().flat_map(|topic| ledger.all_of(*topic)).collect()
}
