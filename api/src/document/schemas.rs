//! The named shapes of bodies and answers, made from the fields that the routes name.

use serde_json::{Map, Value, json};

use super::fields::{self, Presence};
use super::kinds;
use super::shape_of::{ANSWERS, BODIES, ROWS};
use crate::http::calls::calls;
use crate::http::codes::CODES;
use crate::http::routes::Call;
use crate::http::shapes::{
    ANALYTICS_ACCOUNT, ANALYTICS_DAY, ANALYTICS_SYMBOL, DEAD_LETTER, DECIDED, MARKET, NEW_ORDER, NOTIFICATION, ORDER,
    REBUILD, RECORD, WEBHOOK,
};

/// The fields of each shape. A shape whose name ends in `View` is the one before, and what it rests on.
const SHAPES: &[(&str, &[&str])] = &[
    (
        "Withdrawal",
        &["withdrawalId", "eventId", "asset", "amount", "status", "reason", "createdAt", "updatedAt", "position"],
    ),
    ("Order", ORDER),
    ("OrderView", ORDER),
    ("OrderAcknowledged", &["eventId", "orderId", "status", "reason", "position"]),
    ("ChangeAcknowledged", &["eventId", "orderId", "status", "state", "requestRejected", "position"]),
    ("DepositAnswer", &["eventId", "asset", "amount", "position"]),
    ("WithdrawalAnswer", &["eventId", "withdrawalId", "status", "reason", "position"]),
    ("Balance", &["asset", "total", "available", "reserved"]),
    (
        "Fill",
        &[
            "tradeId",
            "orderId",
            "symbol",
            "side",
            "liquidity",
            "price",
            "quantity",
            "fee",
            "leavesQuantity",
            "time",
            "position",
        ],
    ),
    (
        "Posting",
        &[
            "account",
            "asset",
            "debit",
            "credit",
            "reason",
            "tradeId",
            "orderId",
            "total",
            "available",
            "reserved",
            "time",
            "position",
        ],
    ),
    ("Adjustment", &["eventId", "status", "asset", "amount", "reason", "corrects", "rejection", "time", "position"]),
    ("StatementBalance", &["asset", "opening", "debit", "credit", "closing"]),
    ("ClosedSession", &["session", "closedAt", "tradingDay", "symbols", "state", "position"]),
    ("Transaction", &["position", "recordedAt", "event", "valueBase64"]),
    ("AnalyticsDay", ANALYTICS_DAY),
    ("AnalyticsSymbol", ANALYTICS_SYMBOL),
    ("AnalyticsAccount", ANALYTICS_ACCOUNT),
    ("Notification", NOTIFICATION),
    ("Webhook", WEBHOOK),
    ("WebhookView", WEBHOOK),
    ("DeadLetter", DEAD_LETTER),
    ("Market", MARKET),
    ("MarketView", MARKET),
    ("Level", &["price", "quantity", "orders"]),
    ("Book", &["symbol", "bids", "asks", "position"]),
    ("BookView", &["symbol", "bids", "asks", "position", "asOf"]),
    ("Trade", &["tradeId", "symbol", "price", "quantity", "takerSide", "bookSeq", "time", "position"]),
    ("Candle", &["openTime", "open", "high", "low", "close", "volume", "tradeCount", "vwap"]),
    ("AuditEvent", RECORD),
    ("AuditEventView", RECORD),
    ("ChainHead", &["topic", "partition", "count", "treeSize", "lastOffset", "sha256", "rootHash"]),
    ("BulkOutcome", &["index", "status", "replayed", "body", "problem"]),
    ("Canceling", &["orderId", "eventId", "status", "requestRejected", "position"]),
    ("Balances", &["total", "available", "reserved"]),
    (
        "ExplainedGroup",
        &[
            "reason",
            "count",
            "debit",
            "credit",
            "total",
            "available",
            "reserved",
            "firstPosition",
            "lastPosition",
            "postings",
        ],
    ),
    ("ExplainedReservation", &["orderId", "reserved", "firstPosition", "lastPosition"]),
    (
        "OrderTrial",
        &["accepted", "reason", "asset", "required", "available", "reserved", "makerBps", "takerBps", "position"],
    ),
    (
        "ParkedEntity",
        &[
            "entity",
            "projection",
            "state",
            "firstPosition",
            "lastGoodPosition",
            "waiting",
            "error",
            "attempts",
            "codeVersion",
            "since",
        ],
    ),
    ("WaitingRecord", &["position", "recordedAt", "error", "event", "valueBase64"]),
    ("Decided", DECIDED),
    ("Trial", &["entity", "projection", "wouldApply", "discarded", "untried", "stopsAt", "error"]),
    (
        "PartitionStanding",
        &[
            "state",
            "lagRecords",
            "lagMs",
            "recordsPerSecond",
            "etaMs",
            "consumed",
            "applied",
            "duplicate",
            "rejected",
            "parked",
            "ignored",
        ],
    ),
    ("Twin", &["seenAt", "records"]),
    (
        "Projection",
        &[
            "name",
            "generation",
            "olderSchema",
            "digest",
            "digestPositions",
            "state",
            "error",
            "twin",
            "positions",
            "lagRecords",
            "lagMs",
            "recordsPerSecond",
            "etaMs",
            "class",
            "targetMs",
            "overTarget",
            "consumed",
            "applied",
            "duplicate",
            "rejected",
            "parked",
            "ignored",
            "parkedEntities",
            "rebuild",
            "partitions",
        ],
    ),
    ("Rebuild", REBUILD),
    ("RebuildBegun", &["generation", "data"]),
    ("NamedGeneration", &["name", "generation"]),
    ("Generation", &["generation", "state", "createdAt", "positions", "digest"]),
    ("Health", &["status"]),
    ("Document", &["openapi", "info", "paths"]),
    ("AsOf", &["positions", "time", "lagRecords", "lagMs"]),
    ("FieldError", &["pointer", "parameter", "detail"]),
    ("Problem", &["type", "title", "status", "detail", "instance", "errors", "state", "lastGoodPosition", "waiting"]),
];

/// The name of the shape of an answer.
pub(super) fn answer(call: &Call, status: &str) -> String {
    let named = ANSWERS.iter().find(|(name, of, _)| *name == call.name && (of.is_empty() || *of == status));
    match named {
        Some((.., shape)) => (*shape).to_owned(),
        None => row(call).map_or_else(|| format!("{}Answer", capital(call.name)), |row| format!("{row}List")),
    }
}

/// The name of the shape of a body.
pub(super) fn body(call: &Call) -> String {
    let named = BODIES.iter().find(|(name, _)| *name == call.name);
    named.map_or_else(|| format!("{}Body", capital(call.name)), |(_, shape)| (*shape).to_owned())
}

fn row(call: &Call) -> Option<&'static str> {
    call.answer.contains(&"data").then_some(())?;
    ROWS.iter().find(|(name, _)| *name == call.name).map(|(_, row)| *row)
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// All named shapes.
pub(crate) fn all() -> Map<String, Value> {
    let mut all = Map::new();
    for (name, names) in SHAPES {
        all.insert((*name).to_owned(), shape(name, names));
    }
    let placed: Vec<&str> = ["eventId"].iter().chain(ORDER).copied().filter(|name| *name != "asOf").collect();
    all.insert("PlacedOrder".to_owned(), shape("Order", &placed));
    // An order that is only tried has an answer of its own.
    let either = json!({"anyOf": [kinds::reference("PlacedOrder"), kinds::reference("OrderTrial")]});
    all.insert("PlacedOrTried".to_owned(), either);
    let item: Vec<&str> = ["userId", "idempotencyKey"].iter().chain(NEW_ORDER).copied().collect();
    all.insert("BulkOrder".to_owned(), strict(shape_of("BulkOrder", &item)));
    let changed: Vec<&str> = placed.iter().copied().chain(["requestRejected"]).collect();
    all.insert("ChangedOrder".to_owned(), shape("Order", &changed));
    for call in calls().filter(|call| !call.answer.is_empty()) {
        for status in call.statuses {
            let name = answer(call, status);
            if !all.contains_key(&name) {
                let made = row(call).map_or_else(|| shape_of(&name, call.answer), |row| list(row, call.answer));
                all.insert(name, made);
            }
        }
    }
    for call in calls().filter(|call| !call.body.is_empty()) {
        let name = body(call);
        let fields = if name == "NewOrder" { NEW_ORDER } else { call.body };
        all.insert(name.clone(), strict(shape_of(&name, fields)));
    }
    if let Some(kind) = all.get_mut("Problem").and_then(|problem| problem.pointer_mut("/properties/type")) {
        let pages: Vec<String> = CODES.iter().map(|code| format!("/docs/errors/{}", code.code)).collect();
        *kind = json!({"type": "string", "format": "uri-reference", "description": "A page about the code that it ends in.", "examples": pages});
    }
    all
}

/// A shape without what its rows only have in an answer about one.
fn shape(name: &str, names: &[&str]) -> Value {
    let base = name.strip_suffix("View");
    let extra: &[&str] =
        if matches!(name, "AuditEvent" | "AuditEventView") { &["keyBase64", "valueBase64"] } else { &[] };
    let names = names.iter().chain(extra).copied().filter(|field| base.is_some() || *field != "asOf");
    let names: Vec<&str> = names.collect();
    shape_of(base.unwrap_or(name), &names)
}

fn list(row: &str, names: &[&str]) -> Value {
    let mut list = shape_of("", names);
    let rows = json!({"type": "array", "items": kinds::reference(row)});
    if let Some(properties) = list.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.insert("data".to_owned(), rows);
        if row == "Generation" {
            properties.insert("interrupted".to_owned(), property("", "interrupted").0);
        }
    }
    list
}

/// An object of these fields; what rests on a view may say that its entity is parked.
fn shape_of(name: &str, names: &[&str]) -> Value {
    let parked: &[&str] =
        if names.contains(&"asOf") || name == "Market" { &["state", "lastGoodPosition", "waiting"] } else { &[] };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in names.iter().chain(parked) {
        let (schema, always) = property(name, field);
        if always && !properties.contains_key(*field) {
            required.push(json!(field));
        }
        properties.entry((*field).to_owned()).or_insert(schema);
    }
    let mut object = json!({"type": "object", "properties": properties});
    if let Some(fields) = object.as_object_mut().filter(|_| !required.is_empty()) {
        fields.insert("required".to_owned(), Value::Array(required));
    }
    object
}

/// Unknown fields of a body are refused.
fn strict(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    object
}

/// A field's schema, and whether it is always there.
fn property(shape: &str, name: &str) -> (Value, bool) {
    let Some(field) = fields::field(shape, name) else { return (json!({}), false) };
    let (is_list, kind) = field.kind.strip_prefix("[]").map_or((false, field.kind), |kind| (true, kind));
    let mut schema = kinds::schema(kind).unwrap_or_else(|| kinds::reference(kind));
    if is_list {
        schema = json!({"type": "array", "items": schema});
    }
    if kind != "Any" && matches!(field.presence, Presence::Null | Presence::Free) {
        schema = kinds::nullable(schema);
    }
    if let Some(fields) = schema.as_object_mut().filter(|fields| !fields.contains_key("$ref")) {
        fields.insert("description".to_owned(), json!(field.meaning));
    }
    (schema, matches!(field.presence, Presence::Always | Presence::Null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_routes_has_a_meaning() {
        let mut missing = Vec::new();
        for call in calls() {
            let in_body = call.body.iter().map(|name| (body(call), *name));
            let in_lists = |name: &&&str| **name != "data" || (row(call).is_none() && call.name != "rebuild");
            let shape = answer(call, "200");
            let shape = shape.strip_suffix("View").unwrap_or(&shape).to_owned();
            let in_answer = call.answer.iter().filter(in_lists).map(|name| (shape.clone(), *name));
            let unknown = in_body.chain(in_answer).filter(|(shape, name)| fields::field(shape, name).is_none());
            missing.extend(unknown.map(|(_, name)| format!("{name} of {}", call.name)));
        }
        assert!(missing.is_empty(), "add to document/fields.rs (`data`: a row to schemas.rs): {missing:?}");
    }

    #[test]
    fn every_reference_leads_to_a_shape() {
        let all = all();
        let text = Value::Object(all.clone()).to_string();
        for (at, lead) in text.match_indices("#/components/schemas/") {
            let name: String = text.chars().skip(at + lead.len()).take_while(|letter| *letter != '"').collect();
            assert!(all.contains_key(&name), "no shape or kind {name}");
        }
    }
}
