//! The calls of analytics.

use axum::routing;

use super::routes::{Call, read};
use super::shapes::LIST;
use crate::queries;

const DAYS: &[&str] = &["from", "to", "limit", "order", "cursor", "minPosition", "waitMs", "maxStalenessMs"];
const DAYS_OF_SYMBOL: &[&str] =
    &["symbol", "from", "to", "limit", "order", "cursor", "minPosition", "waitMs", "maxStalenessMs"];

/// All of them; a part of [`super::calls::calls`].
pub(super) const CALLS: &[Call] = &[
    read("/v1/analytics/days", "analyticsDays", "What was traded and asked for, day by day.", DAYS, LIST, || {
        routing::get(queries::analytics::days::list)
    }),
    read(
        "/v1/analytics/symbols",
        "analyticsSymbols",
        "The same of each symbol, or of one, with its prices and its spread.",
        DAYS_OF_SYMBOL,
        LIST,
        || routing::get(queries::analytics::symbols::list),
    ),
    read(
        "/v1/analytics/movers",
        "analyticsMovers",
        "The symbols that stand out on a day.",
        &["day", "by", "limit", "minPosition", "waitMs", "maxStalenessMs"],
        LIST,
        || routing::get(queries::analytics::movers::list),
    ),
    read(
        "/v1/analytics/accounts/{userId}",
        "analyticsAccount",
        "What an account did, day by day, in all and in each symbol.",
        DAYS_OF_SYMBOL,
        LIST,
        || routing::get(queries::analytics::account::list),
    ),
    read(
        "/v1/analytics/export/{kind}",
        "analyticsExport",
        "All trades, orders or postings of a day: what `orderledger export parquet` makes files of.",
        &["day", "minPosition", "waitMs"],
        &[],
        || routing::get(queries::analytics::export::get),
    ),
];
