//! Every call on one page. The router and the OpenAPI document are both made from this table.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{self, MethodRouter};

use super::edge;
use super::shapes::{
    CANDLES, DECIDED, EVENTS, HISTORY, LIST, MARKET, NEW_ORDER, ORDER, ORDERS, PAGE, PARKED, POSITION, REBUILD, RECORD,
    TAPE,
};
use crate::ledger::Ledger;
use crate::{commands, ops, queries};

/// How a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// One call: how it is made, what it takes and gives, who answers.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// Its name in generated clients.
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// The parameters of the query.
    pub(crate) query: &'static [&'static str],
    /// The fields of the body; empty: none.
    pub(crate) body: &'static [&'static str],
    /// Whether it honours `Prefer`.
    pub(crate) waits: bool,
    /// The statuses of success.
    pub(crate) statuses: &'static [&'static str],
    /// The fields of the answer.
    pub(crate) answer: &'static [&'static str],
    handler: fn() -> MethodRouter<Arc<Ledger>>,
}

/// A call that reads.
const fn read(
    path: &'static str,
    name: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    answer: &'static [&'static str],
    handler: fn() -> MethodRouter<Arc<Ledger>>,
) -> Call {
    let (method, body, statuses): (_, &[&str], &[&str]) = (Method::Get, &[], &["200"]);
    Call { method, path, name, summary, query, body, waits: false, statuses, answer, handler }
}

/// A call that writes.
const fn write(
    (method, path): (Method, &'static str),
    name: &'static str,
    summary: &'static str,
    body: &'static [&'static str],
    statuses: &'static [&'static str],
    answer: &'static [&'static str],
    handler: fn() -> MethodRouter<Arc<Ledger>>,
) -> Call {
    // What may be decided later can be waited for: then it answers 200.
    let waits = statuses.len() > 1;
    Call { method, path, name, summary, query: &[], body, waits, statuses, answer, handler }
}

/// All calls.
pub(crate) const CALLS: &[Call] = &[
    write(
        (Method::Post, "/v1/accounts/{userId}/deposits"),
        "deposit",
        "Assets came in.",
        &["asset", "amount"],
        &["201"],
        &["eventId", "asset", "amount", "position"],
        || routing::post(commands::accounts::deposits::post),
    ),
    write(
        (Method::Post, "/v1/accounts/{userId}/withdrawals"),
        "withdraw",
        "Asks for assets out.",
        &["asset", "amount"],
        &["202", "200"],
        &["eventId", "withdrawalId", "status", "reason", "position"],
        || routing::post(commands::accounts::withdrawals::post),
    ),
    read("/v1/accounts/{userId}/withdrawals", "withdrawals", "The account's withdrawals.", PAGE, LIST, || {
        routing::get(queries::accounts::withdrawals::list)
    }),
    write(
        (Method::Post, "/v1/accounts/{userId}/orders"),
        "placeOrder",
        "Places an order.",
        NEW_ORDER,
        &["202", "200"],
        ORDER,
        || routing::post(commands::accounts::orders::place::post),
    ),
    read("/v1/accounts/{userId}/orders", "orders", "The account's orders.", ORDERS, LIST, || {
        routing::get(queries::accounts::orders::list)
    }),
    read(
        "/v1/accounts/{userId}/orders/{orderId}",
        "accountOrder",
        "One order of the account.",
        POSITION,
        ORDER,
        || routing::get(queries::accounts::orders::get),
    ),
    write(
        (Method::Patch, "/v1/accounts/{userId}/orders/{orderId}"),
        "amendOrder",
        "Amends quantity or price.",
        &["quantity", "price"],
        &["202", "200"],
        ORDER,
        || routing::patch(commands::accounts::orders::amend::patch),
    ),
    write(
        (Method::Delete, "/v1/accounts/{userId}/orders/{orderId}"),
        "cancelOrder",
        "Cancels an order.",
        &[],
        &["202", "200"],
        ORDER,
        || routing::delete(commands::accounts::orders::cancel::delete),
    ),
    read(
        "/v1/accounts/{userId}/balances",
        "balances",
        "What the account has.",
        &["asOfPosition", "asOfTime", "minPosition", "waitMs"],
        LIST,
        || routing::get(queries::accounts::balances::get),
    ),
    read(
        "/v1/accounts/{userId}/fills",
        "fills",
        "The account's legs of trades.",
        &["orderId", "limit", "order", "cursor", "minPosition", "waitMs"],
        LIST,
        || routing::get(queries::accounts::fills::list),
    ),
    read(
        "/v1/accounts/{userId}/postings",
        "postings",
        "The account's journal.",
        &["asset", "limit", "order", "cursor", "minPosition", "waitMs"],
        LIST,
        || routing::get(queries::accounts::postings::list),
    ),
    read(
        "/v1/accounts/{userId}/transactions",
        "transactions",
        "The account's full history, byte for byte.",
        HISTORY,
        LIST,
        || routing::get(queries::accounts::transactions::list),
    ),
    read("/v1/orders/{orderId}", "order", "One order, wherever it lives.", POSITION, ORDER, || {
        routing::get(queries::orders::get)
    }),
    read(
        "/v1/orders/{orderId}/transactions",
        "orderTransactions",
        "An order's events, byte for byte.",
        HISTORY,
        LIST,
        || routing::get(queries::orders::transactions),
    ),
    read("/v1/markets", "markets", "Every market.", PAGE, LIST, || routing::get(queries::markets::list::get)),
    read("/v1/markets/{symbol}", "market", "Best prices and the figures of 24 hours.", POSITION, MARKET, || {
        routing::get(queries::markets::market::get)
    }),
    read(
        "/v1/markets/{symbol}/book",
        "book",
        "Depth, best first.",
        &["depth", "minPosition", "waitMs"],
        &["symbol", "bids", "asks", "position", "asOf"],
        || routing::get(queries::markets::book::get),
    ),
    read("/v1/markets/{symbol}/trades", "trades", "The tape.", TAPE, LIST, || {
        routing::get(queries::markets::trades::list)
    }),
    read("/v1/markets/{symbol}/candles", "candles", "Open, high, low, close by interval.", CANDLES, LIST, || {
        routing::get(queries::markets::candles::list)
    }),
    read("/v1/audit/events", "auditEvents", "The log itself, in its order.", EVENTS, LIST, || {
        routing::get(queries::audit::events::list)
    }),
    read(
        "/v1/audit/events/{topic}/{partition}/{offset}",
        "auditEvent",
        "One record of the log.",
        POSITION,
        RECORD,
        || routing::get(queries::audit::events::get),
    ),
    read("/v1/audit/proof", "auditProof", "The head of each partition's hash chain.", POSITION, LIST, || {
        routing::get(queries::audit::proof::get)
    }),
    read("/v1/fees", "fees", "The fee rates.", POSITION, &["makerBps", "takerBps", "asOf"], || {
        routing::get(queries::fees::get)
    }),
    write(
        (Method::Put, "/v1/fees"),
        "setFees",
        "Sets the fee rates of orders accepted from then on.",
        &["makerBps", "takerBps"],
        &["202"],
        &["makerBps", "takerBps", "position"],
        || routing::put(commands::fees::put),
    ),
    read("/v1/rules", "rules", "The version of the stages' rules.", POSITION, &["rulesVersion", "asOf"], || {
        routing::get(queries::rules::get)
    }),
    write(
        (Method::Put, "/v1/rules"),
        "setRules",
        "Sets the version of the rules that the stages decide by from then on.",
        &["rulesVersion"],
        &["202"],
        &["rulesVersion", "position"],
        || routing::put(commands::rules::put),
    ),
    read("/v1/stream-key", "streamKey", "The key that seals the streams.", POSITION, &["keyId", "asOf"], || {
        routing::get(queries::stream_key::get)
    }),
    write(
        (Method::Put, "/v1/stream-key"),
        "setStreamKey",
        "Seals what the stages write from then on with another key of the stream key file.",
        &["keyId"],
        &["202"],
        &["keyId", "position"],
        || routing::put(commands::stream_key::put),
    ),
    write(
        (Method::Post, "/v1/sessions/close"),
        "closeSession",
        "Day orders expire.",
        &["symbols"],
        &["202"],
        &["position"],
        || routing::post(commands::sessions::close),
    ),
    read("/v1/parked", "parked", "What waits behind records that can't be applied.", PARKED, LIST, || {
        routing::get(queries::parked::list)
    }),
    read(
        "/v1/parked/{entity}",
        "parkedEntity",
        "The records of an entity that wait, in order.",
        &["limit", "cursor"],
        &["data", "nextCursor", "state", "lastGoodPosition", "waiting", "asOf"],
        || routing::get(queries::parked::get),
    ),
    Call {
        query: &["dryRun"],
        statuses: &["202", "200"],
        waits: true,
        ..write(
            (Method::Post, "/v1/parked/{entity}/retry"),
            "retryParked",
            "Applies what waits, in order, up to the first record that still can't be applied.",
            &["position", "reason", "actor"],
            &["202"],
            DECIDED,
            || routing::post(commands::parked::retry::post),
        )
    },
    Call {
        waits: true,
        ..write(
            (Method::Post, "/v1/parked/{entity}/discard"),
            "discardParked",
            "Never applies the first record that waits; what waits behind it is applied.",
            &["position", "reason", "actor"],
            &["202"],
            DECIDED,
            || routing::post(commands::parked::discard::post),
        )
    },
    read("/v1/projections", "projections", "How far every worker is.", &[], &["data", "stages"], || {
        routing::get(ops::projections::list)
    }),
    write(
        (Method::Post, "/v1/projections/{name}/rebuild"),
        "rebuild",
        "Makes a view anew from offset zero, beside the live one, compares and swaps.",
        &["acceptDifference", "actor"],
        &["202"],
        &["generation", "data"],
        || routing::post(ops::rebuilds::post),
    ),
    write(
        (Method::Delete, "/v1/projections/{name}/rebuild"),
        "cancelRebuild",
        "Calls a rebuild or rollback off; the live view stays.",
        &[],
        &["202"],
        &["generation"],
        || routing::delete(ops::rebuilds::cancel),
    ),
    read("/v1/projections/{name}/rebuild", "rebuildProgress", "How far a rebuild is.", &[], REBUILD, || {
        routing::get(ops::rebuilds::get)
    }),
    read(
        "/v1/projections/{name}/generations",
        "generations",
        "The generations of a view.",
        &["limit", "order", "cursor"],
        LIST,
        || routing::get(ops::rebuilds::generations),
    ),
    write(
        (Method::Post, "/v1/projections/{name}/rollback"),
        "rollback",
        "Goes back to the generation before, once it has caught up.",
        &[],
        &["202"],
        &["generation"],
        || routing::post(ops::rebuilds::rollback),
    ),
    read("/livez", "livez", "The process lives.", &[], &["status"], || routing::get(ops::livez::get)),
    read("/readyz", "readyz", "Every critical worker runs and is caught up.", &[], &["status"], || {
        routing::get(ops::readyz::get)
    }),
    read("/openapi.json", "openapi", "This document.", &[], &["openapi", "info", "paths"], || {
        routing::get(ops::openapi::get)
    }),
];

/// The router of all calls; what it has no route for is a problem, too.
pub fn router(ledger: Arc<Ledger>) -> Router {
    let mut router = Router::new();
    for call in CALLS {
        router = router.route(call.path, (call.handler)());
    }
    let not_found = || async { super::problem::Problem::of_status(axum::http::StatusCode::NOT_FOUND) };
    router.fallback(not_found).layer(middleware::from_fn(edge::wrap)).with_state(ledger)
}
