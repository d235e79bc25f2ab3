//! Every call on one page.

use axum::routing;

use super::routes::{Call, Method, hot, read, write};
use super::shapes::{
    ACCOUNT_HISTORY, BALANCES, CANDLES, DECIDED, EVENTS, EXPLAINED, FILLS, HISTORY, INCLUSION, LIST, MARKET, MARKETS,
    MOMENT, NEW_ORDER, ORDER, ORDERS, PAGE, PARKED, POSITION, POSTINGS, REBUILD, RECORD, STATEMENT, TAPE,
};
use super::{analytics, told};
use crate::queries::hot::Rests;
use crate::{commands, document, ops, queries};

/// All calls.
pub(crate) fn calls() -> impl Iterator<Item = &'static Call> + Clone {
    CALLS.iter().chain(told::CALLS).chain(analytics::CALLS)
}

/// All but those about what users are told and those of analytics.
const CALLS: &[Call] = &[
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
    Call {
        waits: false,
        ..write(
            (Method::Post, "/v1/accounts/{userId}/adjustments"),
            "adjust",
            "Corrects the account by an entry against what was booked; nothing that stands in the log is changed.",
            &["asset", "amount", "reason", "corrects"],
            &["201", "200"],
            &["eventId", "status", "asset", "amount", "reason", "corrects", "rejection", "detail", "position"],
            || routing::post(commands::accounts::adjustments::post),
        )
    },
    read(
        "/v1/accounts/{userId}/adjustments",
        "adjustments",
        "Operators' corrections of the account.",
        PAGE,
        LIST,
        || routing::get(queries::accounts::adjustments::list),
    ),
    read("/v1/accounts/{userId}/withdrawals", "withdrawals", "The account's withdrawals.", PAGE, LIST, || {
        routing::get(queries::accounts::withdrawals::list)
    }),
    Call {
        query: &["dryRun"],
        ..write(
            (Method::Post, "/v1/accounts/{userId}/orders"),
            "placeOrder",
            "Places an order; with dryRun=true it only says whether it would be accepted and what it would reserve.",
            NEW_ORDER,
            &["202", "200"],
            ORDER,
            || routing::post(commands::accounts::orders::place::post),
        )
    },
    Call {
        query: &["symbol"],
        ..write(
            (Method::Delete, "/v1/accounts/{userId}/orders"),
            "cancelAllOrders",
            "Cancels every order that is open now, perhaps of one symbol alone.",
            &[],
            &["202"],
            &["data", "askedAt", "position"],
            || routing::delete(commands::accounts::orders::cancel_all::delete),
        )
    },
    write(
        (Method::Post, "/v1/bulk/orders"),
        "placeOrders",
        "Places up to 1,000 orders of any accounts; each has an outcome of its own.",
        &["orders"],
        &["202", "200"],
        &["data", "position"],
        || routing::post(commands::bulk::orders::post),
    ),
    read("/v1/accounts/{userId}/orders", "orders", "The account's orders.", ORDERS, LIST, || {
        routing::get(queries::accounts::orders::list)
    }),
    hot(
        Rests::Settlement,
        read(
            "/v1/accounts/{userId}/orders/{orderId}",
            "accountOrder",
            "One order of the account.",
            MOMENT,
            ORDER,
            || routing::get(queries::accounts::orders::get),
        ),
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
    hot(
        Rests::Settlement,
        read("/v1/accounts/{userId}/balances", "balances", "What the account has.", BALANCES, LIST, || {
            routing::get(queries::accounts::balances::get)
        }),
    ),
    read(
        "/v1/accounts/{userId}/balances/{asset}/explain",
        "explainBalance",
        "The postings that make a balance, by reason, and the orders that hold of it.",
        MOMENT,
        EXPLAINED,
        || routing::get(queries::accounts::explain::get),
    ),
    read("/v1/accounts/{userId}/fills", "fills", "The account's legs of trades.", FILLS, LIST, || {
        routing::get(queries::accounts::fills::list)
    }),
    read("/v1/accounts/{userId}/postings", "postings", "The account's journal.", POSTINGS, LIST, || {
        routing::get(queries::accounts::postings::list)
    }),
    read(
        "/v1/accounts/{userId}/statement",
        "statement",
        "Opening balances, every posting of a period, closing balances.",
        &["from", "to", "limit", "cursor", "minPosition", "waitMs", "maxStalenessMs"],
        STATEMENT,
        || routing::get(queries::accounts::statement::get),
    ),
    read(
        "/v1/accounts/{userId}/transactions",
        "transactions",
        "The account's full history, byte for byte.",
        ACCOUNT_HISTORY,
        LIST,
        || routing::get(queries::accounts::transactions::list),
    ),
    read("/v1/orders/{orderId}", "order", "One order, wherever it lives.", MOMENT, ORDER, || {
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
    read("/v1/markets", "markets", "Every market.", MARKETS, LIST, || routing::get(queries::markets::list::get)),
    hot(
        Rests::Market,
        read("/v1/markets/{symbol}", "market", "Best prices and the figures of 24 hours.", MOMENT, MARKET, || {
            routing::get(queries::markets::market::get)
        }),
    ),
    hot(
        Rests::Book,
        read(
            "/v1/markets/{symbol}/book",
            "book",
            "Depth, best first.",
            &["depth", "minPosition", "waitMs", "maxStalenessMs"],
            &["symbol", "bids", "asks", "position", "asOf"],
            || routing::get(queries::markets::book::get),
        ),
    ),
    read("/v1/markets/{symbol}/trades", "trades", "The tape.", TAPE, LIST, || {
        routing::get(queries::markets::trades::list)
    }),
    read(
        "/v1/markets/{symbol}/transactions",
        "marketTransactions",
        "Every record that names the symbol, byte for byte, by topic, partition and offset.",
        HISTORY,
        LIST,
        || routing::get(queries::markets::transactions::list),
    ),
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
    read(
        "/v1/audit/events/{topic}/{partition}/{offset}/proof",
        "auditEventProof",
        "That a record is in the tree of its partition: an inclusion proof of RFC 6962.",
        &["treeSize", "minPosition", "waitMs"],
        INCLUSION,
        || routing::get(queries::audit::merkle::of_record),
    ),
    read("/v1/audit/proof", "auditProof", "The head of each partition's hash chain.", POSITION, LIST, || {
        routing::get(queries::audit::proof::get)
    }),
    read(
        "/v1/audit/proof/consistency",
        "auditConsistency",
        "That a partition's tree begins with an older one: a consistency proof of RFC 6962.",
        &["topic", "partition", "from", "to", "minPosition", "waitMs"],
        &["path", "from", "to", "asOf"],
        || routing::get(queries::audit::merkle::of_growth),
    ),
    read(
        "/v1/audit/checkpoints",
        "auditCheckpoints",
        "The published heads of the partitions' chains and trees.",
        &["topic", "partition", "limit", "cursor", "minPosition", "waitMs"],
        LIST,
        || routing::get(queries::audit::proof::list),
    ),
    read(
        "/v1/log/export",
        "logExport",
        "The whole log as it is now, byte for byte: a file that `orderledger log verify` checks and `orderledger restore` takes.",
        &[],
        &[],
        || routing::get(ops::log_export::get),
    ),
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
    read("/v1/sessions", "sessions", "Where sessions closed, and which trading days that ended.", PAGE, LIST, || {
        routing::get(queries::sessions::list)
    }),
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
        &["limit", "cursor", "minPosition", "waitMs", "maxStalenessMs"],
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
    read("/v1/stream", "stream", "What happens, as server-sent events.", &["channels"], &[], || {
        routing::get(queries::stream::get)
    }),
    read("/livez", "livez", "The process lives.", &[], &["status"], || routing::get(ops::livez::get)),
    read("/readyz", "readyz", "Every critical worker runs and is caught up.", &[], &["status"], || {
        routing::get(ops::readyz::get)
    }),
    read("/metrics", "metrics", "What is counted and measured, for Prometheus.", &[], &[], || {
        routing::get(ops::metrics::get)
    }),
    read("/openapi.json", "openapi", "This document.", &[], &["openapi", "info", "paths"], || {
        routing::get(ops::openapi::get)
    }),
    read("/docs", "docs", "All calls, to read and to try.", &[], &[], || routing::get(document::pages::index)),
    read("/docs/assets/{file}", "docsAsset", "What that page loads.", &[], &[], || {
        routing::get(document::pages::asset)
    }),
    read("/docs/errors", "docsErrors", "All problem codes.", &[], &[], || routing::get(document::pages::errors)),
    read("/docs/errors/{code}", "docsError", "What a problem code means, and what to do.", &[], &[], || {
        routing::get(document::pages::one_error)
    }),
];
