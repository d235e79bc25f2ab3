//! The JSON Schema (2020-12) of every event's record, derived from the structs that read it.
//!
//! In: an event type. Out: the form of its record. Invariant: what the ledger writes is valid, and a payload that lacks what is
//! required is not read. Never: a rule about more than one record; those stand in docs/EVENTS.md.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::event::{EventType, OrderCreatedV1, Origin};
use crate::ids::{Asset, ClientOrderId, CorrelationId, KeyId, OrderId, Symbol, UserId, WithdrawalId};
use crate::money::{Amount, BasisPoints, Price, Quantity};
use crate::position::Position;
use crate::said::Said;
use crate::timestamp::Timestamp;

/// The versions of a record whose payload every version reads alike.
const ANY_VERSION: &str = r"^(1\.0|2\.(0|[1-9][0-9]*))$";
/// Those of one whose payload the first version had otherwise.
const SINCE_2_0: &str = r"^2\.(0|[1-9][0-9]*)$";

/// A record's form.
#[derive(Clone, Debug)]
pub struct Form {
    /// The event's name; `OrderCreated-1.0` for that of an older version.
    pub name: String,
    /// The JSON Schema.
    pub schema: Value,
}

/// Every event's record, those that older versions had otherwise, and what records of `notifications` say.
pub fn all() -> Vec<Form> {
    let present = EventType::ALL.iter().map(|event_type| {
        let payload = event_type.payload_schema(&mut generator());
        let is_newer = *event_type == EventType::OrderCreated;
        let version = json!({"type": "string", "pattern": if is_newer { SINCE_2_0 } else { ANY_VERSION }});
        form(event_type.as_str().to_owned(), *event_type, payload, &version)
    });
    let said = Said::TYPES.iter().filter_map(|(name, says)| {
        let payload = Said::payload_schema(name, &mut generator())?;
        let version = json!({"type": "string", "pattern": SINCE_2_0});
        Some(record((*name).to_owned(), name, says.trim(), payload, false, &version))
    });
    let first = OrderCreatedV1::json_schema(&mut generator());
    let first = form("OrderCreated-1.0".to_owned(), EventType::OrderCreated, first, &json!({"const": "1.0"}));
    present.chain([first]).chain(said).collect()
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator()
}

fn form(name: String, event_type: EventType, payload: Schema, version: &Value) -> Form {
    let derived = event_type.origin() == Origin::Derived;
    record(name, event_type.as_str(), event_type.says(), payload, derived, version)
}

fn record(name: String, event_type: &str, says: &str, payload: Schema, derived: bool, version: &Value) -> Form {
    let mut required = vec!["version", "source"];
    if derived {
        required.extend(["cause", "sequence", "prev"]);
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:orderledger:event:{name}"),
        "title": name,
        "description": says,
        "type": "object",
        "required": ["eventId", "eventType", "timestamp", "payload", "metadata"],
        "properties": {
            "eventId": {"type": "string", "format": "uuid", "description": "Identity together with the user."},
            "eventType": {"const": event_type},
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened, as the producer says; at most 5 minutes ahead of the append time.",
            },
            "payload": payload,
            "metadata": {"type": "object", "required": required, "properties": metadata(derived, version)},
        },
    });
    Form { name, schema }
}

fn metadata(derived: bool, version: &Value) -> Value {
    let digits = |says: &str| json!({"type": "string", "pattern": "^[0-9a-f]{16}$", "description": says});
    let mut properties = json!({
        "version": version,
        "source": {"type": "string", "description": "Who wrote it; carried, never interpreted."},
        "correlationId": CorrelationId::json_schema(&mut generator()),
    });
    let more = if derived {
        json!({
            "cause": {
                "type": "object",
                "description": "The record that was read, and the output's number among its outputs.",
                "required": ["topic", "partition", "offset", "index"],
                "properties": {
                    "topic": {"enum": ["orders", "books", "trades", "dead-letters"]},
                    "partition": {"type": "integer", "minimum": 0},
                    "offset": {"type": "integer", "minimum": 0},
                    "index": {"type": "integer", "minimum": 0},
                },
            },
            "sequence": {"type": "integer", "minimum": 1, "description": "Gap-free in the stream."},
            "prev": digits("The keyed digest of the stream's previous record."),
            "key": KeyId::json_schema(&mut generator()),
            "seal": digits("Of the record and its place, with that key; the very last field."),
        })
    } else {
        json!({"actor": {"type": "string", "description": "Whose credential asked for it; carried, never interpreted."}})
    };
    if let (Some(all), Value::Object(more)) = (properties.as_object_mut(), more) {
        all.extend(more);
    }
    properties
}

impl JsonSchema for EventType {
    fn schema_name() -> Cow<'static, str> {
        "EventType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = EventType::ALL.iter().map(|of| of.as_str()).collect();
        json_schema!({"enum": names})
    }
}

macro_rules! forms {
    ($($name:ident: $schema:tt;)*) => {
        $(impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })*
    };
}

// The bounds that the readers of these values keep; decimals have at most 4 places.
forms! {
    Price: {"type": "number", "minimum": 0.0001, "maximum": 1_000_000};
    Quantity: {"type": "integer", "minimum": 0, "maximum": 100_000_000_000_u64};
    Amount: {"type": "number", "minimum": 0};
    BasisPoints: {"type": "integer", "minimum": 0, "maximum": 1000};
    UserId: {"type": "string", "pattern": "^[A-Za-z0-9.-][A-Za-z0-9._-]{0,63}$"};
    OrderId: {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"};
    WithdrawalId: {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"};
    ClientOrderId: {"type": "string", "pattern": "^[!-~]{1,64}$"};
    CorrelationId: {
        "type": "string",
        "pattern": "^[!-~]{1,128}$",
        "description": "What the request and all that follows from it belong to; carried, never interpreted.",
    };
    Asset: {"type": "string", "pattern": "^[A-Z0-9.-]{1,16}$"};
    Symbol: {"type": "string", "pattern": "^[A-Z0-9.-]{1,16}$", "not": {"const": "USD"}};
    KeyId: {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,16}$", "description": "The key that seals the record."};
    Timestamp: {"type": "string", "format": "date-time"};
    Position: {"type": "string", "pattern": "^(orders|books|trades|dead-letters|notifications)-[0-9]+@[0-9]+$"};
}
