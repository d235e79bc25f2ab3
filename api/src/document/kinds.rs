//! The kinds of values, as JSON schemas: a kind is named once and used by many fields and parameters.

use serde_json::{Value, json};

/// The kind's schema; none if there is no such kind.
pub(super) fn schema(kind: &str) -> Option<Value> {
    let (_, text) = TYPES.iter().find(|(name, _)| *name == kind)?;
    serde_json::from_str(text).ok()
}

/// The same where null is a value too.
pub(super) fn nullable(schema: Value) -> Value {
    let mut schema = schema;
    let plain = schema.get("type").and_then(Value::as_str).map(str::to_owned);
    match (plain, schema.as_object_mut()) {
        (Some(plain), Some(fields)) => {
            fields.insert("type".to_owned(), json!([plain, "null"]));
            if let Some(Value::Array(values)) = fields.get_mut("enum") {
                values.push(Value::Null);
            }
            schema
        }
        _ => json!({"oneOf": [schema, {"type": "null"}]}),
    }
}

/// A reference to a named shape.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Every kind; the patterns are those that the program checks.
const TYPES: &[(&str, &str)] = &[
    ("Text", r#"{"type":"string"}"#),
    ("Base64", r#"{"type":"string","contentEncoding":"base64"}"#),
    ("Any", r#"{}"#),
    ("Flag", r#"{"type":"boolean"}"#),
    ("Count", r#"{"type":"integer","minimum":0}"#),
    ("Integer", r#"{"type":"integer"}"#),
    ("Number", r#"{"type":"number"}"#),
    ("Reason", r#"{"type":"string","examples":["insufficient_funds"]}"#),
    ("Id", r#"{"type":"string","format":"uuid","examples":["58ead894-13f0-5cc7-b009-005cfe691f69"]}"#),
    ("UserId", r#"{"type":"string","pattern":"^[A-Za-z0-9._-]{1,64}$","examples":["ann"]}"#),
    (
        "OrderId",
        r#"{"type":"string","pattern":"^[A-Za-z0-9._-]{1,64}$","examples":["f2a22181-a038-5730-8a5e-66fda2a9dab3"]}"#,
    ),
    ("Name", r#"{"type":"string","examples":["settlement"]}"#),
    (
        "Entity",
        r#"{"type":"string","pattern":"^(user:[A-Za-z0-9._-]{1,64}|symbol:[A-Z0-9.-]{1,16})$","examples":["user:ann"]}"#,
    ),
    ("Symbol", r#"{"type":"string","pattern":"^(?!USD$)[A-Z0-9.-]{1,16}$","examples":["AAPL"]}"#),
    ("Asset", r#"{"type":"string","pattern":"^[A-Z0-9.-]{1,16}$","examples":["USD"]}"#),
    ("ClientOrderId", r#"{"type":"string","pattern":"^[!-~]{1,64}$","examples":["a-1"]}"#),
    ("TradeId", r#"{"type":"string","examples":["AAPL-7"]}"#),
    ("Side", r#"{"type":"string","enum":["buy","sell"],"examples":["buy"]}"#),
    ("OrderType", r#"{"type":"string","enum":["limit","market"],"examples":["limit"]}"#),
    ("TimeInForce", r#"{"type":"string","enum":["day","gtc","ioc","fok"],"examples":["gtc"]}"#),
    (
        "Status",
        r#"{"type":"string","enum":["pending_new","new","partially_filled","filled","canceled","rejected","expired"],"examples":["new"]}"#,
    ),
    (
        "StatusFilter",
        r#"{"type":"string","enum":["open","closed","pending_new","new","partially_filled","filled","canceled","rejected","expired"]}"#,
    ),
    ("WithdrawalStatus", r#"{"type":"string","enum":["pending","completed","rejected"]}"#),
    ("Liquidity", r#"{"type":"string","enum":["maker","taker"]}"#),
    (
        "Topic",
        r#"{"type":"string","enum":["orders","books","trades","dead-letters","notifications"],"examples":["orders"]}"#,
    ),
    ("ProjectionName", r#"{"type":"string","enum":["settlement","market"]}"#),
    ("Interval", r#"{"type":"string","enum":["1m","5m","15m","1h","1d"],"default":"1m"}"#),
    (
        "Rank",
        r#"{"type":"string","enum":["change","gainers","losers","turnover","volume","trades"],"default":"change"}"#,
    ),
    ("ExportKind", r#"{"type":"string","enum":["trades","orders","postings"],"examples":["trades"]}"#),
    ("SortOrder", r#"{"type":"string","enum":["asc","desc"]}"#),
    ("Decimal", r#"{"type":"string","pattern":"^-?[0-9]+(\\.[0-9]+)?$","examples":["150.25"]}"#),
    (
        "PriceIn",
        r#"{"oneOf":[{"type":"string","pattern":"^(?=.*[1-9])((0|[1-9][0-9]{0,5})(\\.[0-9]{1,4})?|1000000(\\.0{1,4})?)$"},{"type":"number","minimum":0.0001,"maximum":1000000,"multipleOf":0.0001}],"examples":["150.25"]}"#,
    ),
    (
        "AmountIn",
        r#"{"oneOf":[{"type":"string","pattern":"^(?=.*[1-9])((0|[1-9][0-9]{0,13})(\\.[0-9]{1,4})?|100000000000000(\\.0{1,4})?)$"},{"type":"number","minimum":0.0001,"maximum":100000000000000,"multipleOf":0.0001}],"examples":["10000.00"]}"#,
    ),
    (
        "SignedAmountIn",
        r#"{"oneOf":[{"type":"string","pattern":"^-?(?=.*[1-9])((0|[1-9][0-9]{0,13})(\\.[0-9]{1,4})?|100000000000000(\\.0{1,4})?)$"},{"type":"number","minimum":-100000000000000,"maximum":100000000000000,"multipleOf":0.0001,"not":{"const":0}}],"examples":["-12.50"]}"#,
    ),
    ("AdjustmentStatus", r#"{"type":"string","enum":["booked","rejected"]}"#),
    (
        "QuantityIn",
        r#"{"oneOf":[{"type":"string","pattern":"^([1-9][0-9]{0,10}|100000000000)$"},{"type":"integer","minimum":1,"maximum":100000000000}],"examples":[100]}"#,
    ),
    (
        "BasisPointsIn",
        r#"{"oneOf":[{"type":"string","pattern":"^(0|[1-9][0-9]{0,2}|1000)$"},{"type":"integer","minimum":0,"maximum":1000}],"examples":[5]}"#,
    ),
    (
        "Position",
        r#"{"type":"string","pattern":"^(orders|books|trades|dead-letters|notifications)-[0-9]+@[0-9]+$","examples":["orders-3@1842"]}"#,
    ),
    (
        "Positions",
        r#"{"type":"string","pattern":"^(orders|books|trades|dead-letters|notifications)-[0-9]+@[0-9]+(,(orders|books|trades|dead-letters|notifications)-[0-9]+@[0-9]+)*$","examples":["orders-3@1842"]}"#,
    ),
    (
        "PositionMap",
        r#"{"type":"object","additionalProperties":{"type":"integer","minimum":0},"examples":[{"orders-3":1842}]}"#,
    ),
    ("PartitionMap", r##"{"type":"object","additionalProperties":{"$ref":"#/components/schemas/PartitionStanding"}}"##),
    ("Time", r#"{"type":"string","format":"date-time","examples":["2025-01-15T10:30:00Z"]}"#),
    ("Day", r#"{"type":"string","format":"date","examples":["2025-01-15"]}"#),
    (
        "Edge",
        r#"{"type":"string","pattern":"^[0-9]{4}-[0-9]{2}-[0-9]{2}","examples":["2025-01-15","2025-01-15T10:30:00Z"]}"#,
    ),
    ("Types", r#"{"type":"string","examples":["OrderFilled","OrderAccepted,OrderRejected"]}"#),
    ("Limit", r#"{"type":"integer","minimum":1,"maximum":1000,"default":100}"#),
    ("Depth", r#"{"type":"integer","minimum":1,"maximum":1000,"default":20}"#),
    ("WaitMs", r#"{"type":"integer","minimum":0,"maximum":10000,"default":1000}"#),
    ("Clock", r#"{"type":"string","enum":["recorded","event"],"default":"recorded"}"#),
    ("Fill", r#"{"type":"string","enum":["previous"]}"#),
    ("Channels", r#"{"type":"string","minLength":1,"examples":["trades:AAPL,orders:ann"]}"#),
    ("Cursor", r#"{"type":"string"}"#),
    ("Sha256", r#"{"type":"string","pattern":"^[0-9a-f]{64}$"}"#),
    ("IdempotencyKey", r#"{"type":"string","pattern":"^[!-~]{1,255}$","examples":["5f0c1a7e"]}"#),
    ("Prefer", r#"{"type":"string","examples":["wait=2"]}"#),
    ("EntityTag", r#"{"type":"string","examples":["W/\"58ead89413f05cc7\""]}"#),
    ("Said500", r#"{"type":"string","minLength":1,"maxLength":500,"pattern":"\\S"}"#),
    ("Said64", r#"{"type":"string","minLength":1,"maxLength":64,"pattern":"\\S"}"#),
];
