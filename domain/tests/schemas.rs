//! The JSON Schemas of events: shipped as they are made, and of one mind with the reader about what must be there.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orderledger_domain::envelope;
use orderledger_domain::event::EventType;
use orderledger_domain::said::Said;
use orderledger_domain::schema::{self, Form};
use orderledger_domain::version::{Version, corpus};
use serde_json::{Map, Value};

/// The forms by name.
fn forms() -> BTreeMap<String, Value> {
    schema::all().into_iter().map(|Form { name, schema }| (name, schema)).collect()
}

fn text(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).unwrap() + "\n"
}

/// `ORDERLEDGER_WRITE_DOCS=1` writes them anew.
#[test]
fn the_shipped_schemas_are_those_of_this_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    let forms = forms();
    if std::env::var_os("ORDERLEDGER_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, schema) in &forms {
            std::fs::write(folder.join(format!("{name}.json")), text(schema)).unwrap();
        }
    }
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let expected: BTreeSet<String> = forms.keys().map(|name| format!("{name}.json")).collect();
    assert_eq!(names.collect::<BTreeSet<_>>(), expected, "docs/schemas has other files than there are schemas");
    for (name, schema) in forms {
        let shipped = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        assert!(
            shipped == text(&schema),
            "docs/schemas/{name}.json is old: run this test with ORDERLEDGER_WRITE_DOCS=1"
        );
    }
}

#[test]
fn every_event_has_a_schema_and_words() {
    let forms = forms();
    assert_eq!(forms.len(), EventType::ALL.len() + Said::TYPES.len() + 1);
    for name in EventType::ALL.iter().map(|of| of.as_str()).chain(Said::TYPES.iter().map(|(name, _)| *name)) {
        let schema = &forms[name];
        assert_eq!(schema["properties"]["eventType"]["const"], name);
        assert!(
            schema["description"].as_str().is_some_and(|says| says.len() > 10 && !says.starts_with(' ')),
            "{schema}"
        );
    }
}

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn required(schema: &Value) -> BTreeSet<&str> {
    schema["required"].as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str).collect()
}

/// Whether the record with that payload is read.
fn is_read(record: &Value, payload: Map<String, Value>) -> bool {
    let mut record = record.clone();
    record["payload"] = Value::Object(payload);
    envelope::read(Some(record.to_string().as_bytes())).unwrap().event.is_ok()
}

#[test]
fn what_a_schema_requires_is_what_the_reader_can_not_do_without() {
    let forms = forms();
    let mut checked = 0;
    for line in corpus::lines() {
        let record: Value = serde_json::from_str(line.record).unwrap();
        let event_type = record["eventType"].as_str().unwrap();
        let is_first = line.version == Version::V1_0 && event_type == "OrderCreated";
        let schema = &forms[&if is_first { format!("{event_type}-1.0") } else { event_type.to_owned() }]["properties"];
        assert!(names(&schema["metadata"]["properties"]).is_superset(&names(&record["metadata"])), "{record}");
        assert!(names(&record["metadata"]).is_superset(&required(&schema["metadata"])), "{record}");
        let payload = record["payload"].as_object().unwrap();
        assert!(names(&schema["payload"]["properties"]).is_superset(&names(&record["payload"])), "{record}");
        let required = required(&schema["payload"]);
        assert!(names(&record["payload"]).is_superset(&required), "{record}");
        for field in payload.keys() {
            let mut without = payload.clone();
            without.remove(field);
            assert_eq!(is_read(&record, without), !required.contains(field.as_str()), "{event_type} without {field}");
            let mut spoiled = payload.clone();
            spoiled.insert(field.clone(), Value::Array(vec![Value::Object(Map::new())]));
            assert!(!is_read(&record, spoiled), "{event_type} with another {field}");
            checked += 1;
        }
    }
    assert!(checked > 300, "{checked}");
}
