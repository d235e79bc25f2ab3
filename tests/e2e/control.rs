//! Control: fee rates and the end of a session.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use orderledger_tests::client::{Client, limit, new_key, until};
use orderledger_tests::server::Home;

fn set_fees(client: &Client, body: &Value) -> orderledger_tests::client::Answer {
    client.request("PUT", "/v1/fees").key(&new_key()).json(body).send()
}

#[test]
fn fees_are_of_orders_accepted_later() {
    let home = Home::new();
    // In one partition what is asked later is accepted later.
    let server = home.serve_with(&["--partitions", "1"]);
    let client = &server.client;
    client.deposit("b", "USD", "100000");
    client.deposit("s", "AAPL", "1000");
    assert_eq!(client.get("/v1/fees").expect(200)["takerBps"], 0);
    let free = client.order("s", "sell", "AAPL", 1, "150.25");
    let set = set_fees(client, &json!({"makerBps": 10, "takerBps": 25})).expect(202);
    assert_eq!((&set["makerBps"], &set["takerBps"]), (&json!(10), &json!(25)));
    assert_eq!(client.get_at("/v1/fees", &set["position"])["makerBps"], 10);
    assert_eq!(client.order("s", "sell", "AAPL", 100, "150.25")["status"], "new");
    let buy = client.order("b", "buy", "AAPL", 101, "150.25");
    // 101 × 150.25 × 25 bps as taker; 100 × 150.25 × 10 bps as maker; the first seller's terms were free.
    assert_eq!(buy["fees"], "37.9382");
    let at = &buy["position"];
    let free = client.get_at(&format!("/v1/orders/{}", free["orderId"].as_str().unwrap()), at);
    assert_eq!((&free["status"], &free["fees"]), (&json!("filled"), &json!("0")));
    assert_eq!(client.balances("b", at)["USD"], ["84786.8118", "84786.8118", "0"]);
    assert_eq!(client.balances("s", at)["USD"][0], "15160.225");
    let fees: Vec<Value> = client.get_at("/v1/accounts/s/fills?order=asc", at)["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fill| fill["fee"].clone())
        .collect();
    assert_eq!(fees, ["0", "15.025"]);
    for bad in
        [json!({"makerBps": 1001, "takerBps": 0}), json!({"makerBps": 1}), json!({"makerBps": 1, "takerBps": 0.5})]
    {
        set_fees(client, &bad).expect_problem(422, "invalid-request");
    }
    client
        .request("PUT", "/v1/fees")
        .json(&json!({"makerBps": 1, "takerBps": 1}))
        .send()
        .expect_problem(400, "idempotency-key-required");
    server.stop();
    home.verify();
}

#[test]
fn day_orders_end_with_the_session_and_others_stay() {
    let home = Home::new();
    let server = home.serve_with(&["--partitions", "1"]);
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    let place = |symbol: &str, time_in_force: &str| {
        let mut body = limit("buy", symbol, 1, "10");
        body["timeInForce"] = json!(time_in_force);
        client.post("/v1/accounts/u/orders", &body).wait().send().expect(200)["orderId"].as_str().unwrap().to_owned()
    };
    let (day, other, gtc) = (place("AAPL", "day"), place("MSFT", "day"), place("AAPL", "gtc"));
    let close = |symbols: Value| client.post("/v1/sessions/close", &json!({"symbols": symbols})).send().expect(202);
    close(json!(["AAPL"]));
    // What is decided after the close stands after it in the book's partition.
    let later = client.order("u", "buy", "AAPL", 1, "10");
    let status = |id: &str| client.get_at(&format!("/v1/accounts/u/orders/{id}"), &later["position"])["status"].clone();
    assert_eq!([status(&day), status(&other), status(&gtc)], ["expired", "new", "new"]);
    close(Value::Null);
    let later = client.order("u", "buy", "MSFT", 1, "10");
    let order = client.get_at(&format!("/v1/accounts/u/orders/{other}"), &later["position"]);
    assert_eq!((&order["status"], &order["reason"]), (&json!("expired"), &json!("session_closed")));
    assert_eq!(client.balances("u", &later["position"])["USD"], ["1000", "970", "30"]);
    client.post("/v1/sessions/close", &json!({"symbols": ["aapl"]})).send().expect_problem(422, "invalid-request");
}

#[test]
fn rules_of_version_2_expire_the_resting_order_of_the_same_user() {
    let home = Home::new();
    let server = home.serve_with(&["--partitions", "1"]);
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    client.deposit("u", "AAPL", "10");
    client.deposit("v", "AAPL", "10");
    assert_eq!(client.get("/v1/rules").expect(200)["rulesVersion"], 1);
    let set = |body: Value| client.request("PUT", "/v1/rules").key(&new_key()).json(&body).send();
    for bad in [json!({"rulesVersion": 0}), json!({"rulesVersion": 5}), json!({"rulesVersion": "two"}), json!({})] {
        set(bad).expect_problem(422, "invalid-request");
    }
    let own = client.order("u", "sell", "AAPL", 4, "10");
    client.order("v", "sell", "AAPL", 4, "10");
    let first = client.order("u", "buy", "AAPL", 4, "10");
    assert_eq!((&first["status"], &first["reason"]), (&json!("expired"), &json!("self_trade")));
    let answer = set(json!({"rulesVersion": 2})).expect(202);
    assert_eq!(answer["rulesVersion"], 2);
    assert_eq!(client.get_at("/v1/rules", &answer["position"])["rulesVersion"], 2);
    assert_eq!(client.order("u", "buy", "AAPL", 4, "10")["status"], "filled");
    let own = client.get(format!("/v1/accounts/u/orders/{}", own["orderId"].as_str().unwrap())).expect(200);
    assert_eq!((&own["status"], &own["reason"]), (&json!("expired"), &json!("self_trade")));
    server.stop();
    home.verify();
}

#[test]
fn the_stream_key_is_changed_while_orders_come() {
    let home = Home::new();
    let keys = home.data().with_file_name("stream.key");
    std::fs::write(&keys, format!("{}\n2026-11 {}\n2026-12 {}\n", "1".repeat(32), "2".repeat(32), "3".repeat(32)))
        .unwrap();
    std::fs::set_permissions(&keys, Permissions::from_mode(0o600)).unwrap();
    let options = ["--partitions", "2", "--stream-key-file", keys.to_str().unwrap()];
    let server = home.serve_with(&options);
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    client.deposit("v", "AAPL", "10");
    let put = |path: &str, body: Value| client.request("PUT", path).key(&new_key()).json(&body).send();
    assert_eq!(client.get("/v1/stream-key").expect(200)["keyId"], Value::Null);
    let change = |id: &str| put("/v1/stream-key", json!({"keyId": id}));
    for bad in ["2027", "", "a/b"] {
        change(bad).expect_problem(422, "invalid-request");
    }
    change("2026-11").expect_problem(422, "record-refused");
    put("/v1/rules", json!({"rulesVersion": 2})).expect(202);
    client.order("v", "sell", "AAPL", 4, "10");
    let answer = change("2026-11").expect(202);
    assert_eq!(answer["keyId"], "2026-11");
    assert_eq!(client.get_at("/v1/stream-key", &answer["position"])["keyId"], "2026-11");
    assert_eq!(client.order("u", "buy", "AAPL", 2, "10")["status"], "filled");
    // Sealed with the one that was set before.
    let answer = change("2026-12").expect(202);
    assert_eq!(client.get_at("/v1/stream-key", &answer["position"])["keyId"], "2026-12");
    assert_eq!(client.order("u", "buy", "AAPL", 1, "10")["status"], "filled");
    server.stop();
    let server = home.serve_with(&options);
    assert_eq!(server.client.order("u", "buy", "AAPL", 1, "10")["status"], "filled");
    server.stop();
    let (code, said) = home.run(&["verify", "--stream-key-file", keys.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    // A digit that was changed by accident would seal with a secret that nobody else has.
    std::fs::write(&keys, format!("{}\n2026-11 {}\n2026-12 {}4\n", "1".repeat(32), "2".repeat(32), "3".repeat(31)))
        .unwrap();
    let (code, said) = home.serve_refused(&options);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("the stream key 2026-12 is another secret than the one that was named here first"), "{said}");
    // Without the newer key the program says what it lacks.
    std::fs::write(&keys, "1".repeat(32)).unwrap();
    let (code, said) = home.serve_refused(&options);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("sealed with the key 2026-12, which the stream key file doesn't hold"), "{said}");
}

#[test]
fn every_projection_accounts_for_every_record() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    let order = client.order("u", "buy", "AAPL", 1, "10");
    client.get_at("/v1/audit/events", &order["position"]);
    // One that may lag is live a little later.
    let look = || client.get("/v1/projections").expect(200);
    let is_live = |row: &Value| row["state"] == "live" && row["lagRecords"] == 0;
    let projections = until(look, |found| found["data"].as_array().unwrap().iter().all(is_live));
    let rows = projections["data"].as_array().unwrap();
    assert_eq!(rows.len(), 5, "{projections}");
    for row in rows {
        let count = |field: &str| row[field].as_u64().unwrap();
        let sum: u64 = ["applied", "duplicate", "rejected", "parked", "ignored"].map(count).iter().sum();
        assert_eq!(count("consumed"), sum, "{row}");
        // Every record up to its positions, none of them parked.
        let positions = row["positions"].as_object().unwrap().values();
        assert_eq!(sum, positions.map(|last| last.as_u64().unwrap() + 1).sum::<u64>(), "{row}");
        assert_eq!(count("parked"), 0, "{row}");
        assert_eq!(row["state"], "live", "{row}");
    }
    assert!(rows.iter().any(|row| row["consumed"].as_u64() >= Some(5)), "{projections}");
}
