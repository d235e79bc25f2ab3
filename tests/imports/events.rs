//! Envelopes as they are: the record of version 1.0, once, twice, and with another payload.

use orderledger_tests::{run, run_json};
use serde_json::{Value, json};

use crate::real_files::verify;

const DEPOSIT: &str = r#"{"eventId":"11111111-1111-4111-8111-111111111111","eventType":"DepositMade","timestamp":"2025-01-15T10:00:00Z","payload":{"userId":"67890","asset":"USD","amount":20000},"metadata":{"version":"2.0","source":"bank"}}"#;
const SEED: &str = r#"{"eventId":"22222222-2222-4222-8222-222222222222","eventType":"OrderCreated","timestamp":"2025-01-15T10:30:00Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","quantity":100,"price":150.25},"metadata":{"version":"1.0","source":"order-service"}}"#;

/// The `orders` values of the user, in order.
fn history(data: &str) -> Vec<String> {
    let dump = run(&["log", "dump", "--topic", "orders", "--data", data]).unwrap();
    let lines = String::from_utf8(dump.stdout).unwrap();
    let value = |line: &str| serde_json::from_str::<Value>(line).unwrap()["value"].as_str().unwrap().to_owned();
    lines.lines().map(value).collect()
}

fn types(values: &[String]) -> Vec<String> {
    let kind = |value: &String| serde_json::from_str::<Value>(value).unwrap()["eventType"].as_str().unwrap().to_owned();
    values.iter().map(kind).collect()
}

#[test]
fn the_record_of_version_1_is_accepted_once_and_refused_with_another_payload() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (data, file) = (data.to_str().unwrap(), dir.path().join("events.jsonl"));
    let spaced = SEED.replace(",", ", ").replace("150.25", "150.2500");
    let other = SEED.replace("\"quantity\":100", "\"quantity\":101");
    std::fs::write(&file, [DEPOSIT, SEED, &spaced, &other, "not json"].join("\n")).unwrap();
    let report = run_json(&["import", "events", file.to_str().unwrap(), "--json", "--data", data]).unwrap();
    assert_eq!(report, json!({"appended": 4, "skipped": 1}));
    let values = history(data);
    assert!(values.iter().any(|value| value == SEED), "it does not stand in the log byte for byte");
    assert!(values.contains(&spaced), "spaces or zeros are lost");
    let mut told = types(&values);
    told.sort();
    assert_eq!(
        told,
        [
            "AccountCredited",
            "DepositMade",
            "DuplicateIgnored",
            "OrderAccepted",
            "OrderCreated",
            "OrderCreated",
            "OrderCreated",
            "RecordRefused"
        ]
    );
    let accepted = values.iter().find(|value| value.contains("OrderAccepted")).unwrap();
    assert!(accepted.contains(r#""side":"buy","orderType":"limit","timeInForce":"gtc""#), "{accepted}");
    assert!(accepted.contains(r#""reserved":15025,"#), "{accepted}");
    verify(std::path::Path::new(data));
}
