//! The audit trail and a user's history: the log, byte for byte.

use serde_json::Value;
use sha2::{Digest, Sha256};

use orderledger_tests::server::Home;

/// Spaces, zeros and unknown fields as its producer wrote them.
const ODD: &str = r#"{"eventId": "00000000-0000-4000-8000-000000000002",  "eventType":"OrderCreated", "timestamp":"2025-01-15T10:30:00Z","payload":{"orderId":"odd", "userId":"67890","symbol":"AAPL","quantity":1,"price":0.0100,"whim":"ü"},"metadata":{"version":"1.0","trace":[1.50]}}"#;
const DEPOSIT: &str = r#"{"eventId":"00000000-0000-4000-8000-000000000001","eventType":"DepositMade","timestamp":"2025-01-15T10:00:00Z","payload":{"userId":"67890","asset":"USD","amount":5.00},"metadata":{"version":"2.0"}}"#;

#[test]
fn a_record_stands_in_history_and_audit_trail_as_its_producer_wrote_it() {
    let home = Home::new();
    home.import(&[DEPOSIT, ODD, ODD]);
    let server = home.serve();
    let client = &server.client;
    for path in [
        "/v1/accounts/67890/transactions",
        "/v1/orders/odd/transactions",
        "/v1/audit/events?topic=orders",
        "/v1/audit/events/orders/0/1",
    ] {
        let body = client.get(path).body;
        assert!(body.contains(&format!(r#""event":{ODD}"#)), "{path}: {body}");
    }
    let one = client.get("/v1/audit/events/orders/0/1").expect(200);
    assert_eq!(
        (&one["topic"], &one["key"], &one["position"]),
        (&"orders".into(), &"67890".into(), &"orders-0@1".into())
    );
    let history = client.get("/v1/accounts/67890/transactions?order=asc").expect(200);
    let rows = history["data"].as_array().unwrap();
    let types: Vec<&str> = rows.iter().map(|row| row["event"]["eventType"].as_str().unwrap()).collect();
    let mut sorted = types.clone();
    sorted.sort_unstable();
    let expected =
        ["AccountCredited", "DepositMade", "DuplicateIgnored", "OrderAccepted", "OrderCreated", "OrderCreated"];
    assert_eq!(sorted, expected);
    let created = client.get("/v1/accounts/67890/transactions?type=OrderCreated,DepositMade").expect(200);
    assert_eq!(created["data"].as_array().unwrap().len(), 3);
}

#[test]
fn the_audit_trail_is_found_by_topic_symbol_and_type() {
    let home = Home::new();
    let server = home.serve_with(&["--partitions", "1"]);
    let client = &server.client;
    client.deposit("b", "USD", "1000");
    client.deposit("s", "AAPL", "10");
    client.deposit("s", "MSFT", "10");
    client.order("s", "sell", "AAPL", 5, "10");
    client.order("s", "sell", "MSFT", 5, "10");
    let bought = client.order("b", "buy", "AAPL", 2, "10");
    let types = |query: &str| -> Vec<String> {
        let page = client.get_at(&format!("/v1/audit/events?{query}"), &bought["position"]);
        let kind =
            |row: &Value| format!("{} {}", row["topic"].as_str().unwrap(), row["event"]["eventType"].as_str().unwrap());
        page["data"].as_array().unwrap().iter().map(kind).collect()
    };
    assert_eq!(types("topic=trades"), ["trades TradeExecuted"]);
    assert_eq!(types("topic=books&symbol=MSFT"), ["books OrderAccepted"]);
    assert_eq!(types("type=OrderFilled"), ["orders OrderFilled", "orders OrderFilled"]);
    assert_eq!(types("symbol=AAPL&type=OrderFilled,TradeExecuted").len(), 3);
    assert_eq!(types("symbol=NONE"), [""; 0]);
    assert_eq!(types("topic=orders&partition=0&from=1&limit=1"), ["orders AccountCredited"]);
}

#[test]
fn the_proof_is_the_hash_chain_of_what_the_log_holds() {
    let home = Home::new();
    home.import(&[DEPOSIT, ODD, "not json", ODD]);
    let server = home.serve();
    let proof = server.client.get("/v1/audit/proof").expect(200)["data"].clone();
    server.stop();
    let (code, dump) = home.run(&["log", "dump"]);
    assert_eq!(code, Some(0), "{dump}");
    let mut compared = 0;
    for head in proof.as_array().unwrap().iter().filter(|head| head["count"].as_u64().unwrap() > 0) {
        let lines = dump.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let own: Vec<Value> =
            lines.filter(|row| row["topic"] == head["topic"] && row["partition"] == head["partition"]).collect();
        let mut chain = [0_u8; 32];
        for row in &own {
            let mut bytes = chain.to_vec();
            for field in ["key", "value"] {
                let part = row[field].as_str().unwrap().as_bytes();
                bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
                bytes.extend(part);
            }
            chain = Sha256::digest(&bytes).into();
        }
        let hex: String = chain.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&head["sha256"], head["count"].as_u64()), (&Value::from(hex), u64::try_from(own.len()).ok()));
        assert_eq!(head["lastOffset"], own.last().unwrap()["offset"]);
        compared += 1;
    }
    assert_eq!(compared, 2, "orders-0 and books-0 hold records: {proof}");
}
