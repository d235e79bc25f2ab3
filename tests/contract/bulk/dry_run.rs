//! `?dryRun=true`: what an order would come to, with nothing written.

use serde_json::{Value, json};

use orderledger_tests::client::{Answer, Client, limit, new_key};
use orderledger_tests::server::Home;

use super::is_replayed;

fn dry(client: &Client, user: &str, body: &Value) -> Answer {
    client.request("POST", format!("/v1/accounts/{user}/orders?dryRun=true")).json(body).send()
}

/// What is said of an order, without where it was judged.
fn judged(client: &Client, user: &str, body: &Value) -> Value {
    let mut said = dry(client, user, body).expect(200);
    for field in ["position", "asOf"] {
        said.as_object_mut().unwrap().remove(field);
    }
    said
}

fn offset(position: &Value) -> u64 {
    position.as_str().unwrap().split('@').nth(1).unwrap().parse().unwrap()
}

fn heads(client: &Client, at: &Value) -> Value {
    client.get_at("/v1/audit/proof", at)["data"].clone()
}

#[test]
fn a_dry_run_says_what_the_order_itself_then_does_and_writes_nothing() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let fees = json!({"makerBps": 5, "takerBps": 25});
    let set = client.request("PUT", "/v1/fees").key(&new_key()).json(&fees).send().expect(202);
    client.get_at("/v1/fees", &set["position"]);
    let paid = client.deposit("u", "USD", "10000");
    let before = heads(client, &paid);
    let body = limit("buy", "AAPL", 7, "33.3333");
    // 7 × 33.3333 = 233.3331, and 25 bps of that 0.58333275: the tie-free half goes up.
    let asked = client.request("POST", "/v1/accounts/u/orders?dryRun=true").key("k").json(&body).send();
    let trial = asked.expect(200);
    assert_eq!((&trial["accepted"], &trial["reason"], &trial["asset"]), (&json!(true), &Value::Null, &json!("USD")));
    assert_eq!((&trial["available"], &trial["takerBps"]), (&json!("10000"), &json!(25)));
    assert_eq!(trial["reserved"], trial["required"]);
    assert!(offset(&trial["position"]) >= offset(&paid), "{trial}");
    assert_eq!(trial["asOf"]["lagRecords"], 0);
    assert_eq!(heads(client, &paid), before, "nothing was written");

    // The key is free, and the order reserves what was said, right behind where it was judged.
    let placed = client.request("POST", "/v1/accounts/u/orders").key("k").json(&body).send();
    assert!(!is_replayed(&placed));
    let placed = placed.expect(202);
    assert_eq!(offset(&placed["position"]), offset(&trial["position"]) + 2);
    assert_eq!(json!(client.balances("u", &placed["position"])["USD"][2]), trial["reserved"]);
}

#[test]
fn a_dry_run_says_why_an_order_would_be_rejected() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let fees = json!({"makerBps": 0, "takerBps": 100});
    let set = client.request("PUT", "/v1/fees").key(&new_key()).json(&fees).send().expect(202);
    client.get_at("/v1/fees", &set["position"]);
    client.deposit("u", "USD", "1000");
    client.deposit("u", "AAPL", "5");
    let said = |accepted: bool, reason: Value, asset: &str, required: Value, available: &str, reserved: &str| {
        json!({
            "accepted": accepted, "reason": reason, "asset": asset, "required": required, "available": available,
            "reserved": reserved, "makerBps": 0, "takerBps": 100,
        })
    };
    let (funds, shares) = (json!("insufficient_funds"), json!("insufficient_shares"));
    let market = |max_cost: Value| json!({"symbol": "AAPL", "side": "buy", "orderType": "market", "quantity": 3, "maxCost": max_cost});
    let cases = [
        (limit("buy", "AAPL", 10, "99"), said(true, Value::Null, "USD", json!("999.9"), "1000", "999.9")),
        (limit("buy", "AAPL", 10, "99.01"), said(false, funds.clone(), "USD", json!("1000.001"), "1000", "0")),
        (limit("sell", "AAPL", 5, "1"), said(true, Value::Null, "AAPL", json!("5"), "5", "5")),
        (limit("sell", "AAPL", 6, "1"), said(false, shares.clone(), "AAPL", json!("6"), "5", "0")),
        (limit("sell", "MSFT", 1, "1"), said(false, shares, "MSFT", json!("1"), "0", "0")),
        (market(Value::Null), said(true, Value::Null, "USD", Value::Null, "1000", "1000")),
        (market(json!("70.5")), said(true, Value::Null, "USD", json!("70.5"), "1000", "70.5")),
        (market(json!("1000.0001")), said(false, funds.clone(), "USD", json!("1000.0001"), "1000", "0")),
    ];
    for (body, expected) in cases {
        assert_eq!(judged(client, "u", &body), expected, "{body}");
        // Intake says the same of the order itself.
        let key = new_key();
        let placed = client.request("POST", "/v1/accounts/u/orders").key(&key).json(&body).wait().send().expect(200);
        assert_eq!(placed["status"] != "rejected", expected["accepted"] == true, "{placed}");
        if placed["status"] == "new" {
            let path = format!("/v1/accounts/u/orders/{}", placed["orderId"].as_str().unwrap());
            client.request("DELETE", path).key(&new_key()).wait().send().expect(200);
        }
    }
    let nobody = judged(client, "nobody", &limit("buy", "AAPL", 1, "1"));
    assert_eq!(nobody, said(false, funds, "USD", json!("1.01"), "0", "0"));
    client.get("/v1/accounts/nobody/balances").expect_problem(404, "unknown-account");
}

#[test]
fn a_dry_run_is_checked_as_the_order_is() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let problem = dry(client, "u", &limit("buy", "AAPL", 0, "1")).expect_problem(422, "invalid-request");
    assert_eq!(problem["errors"][0]["pointer"], "/quantity");
    let ask = |switch: &str| {
        let path = format!("/v1/accounts/u/orders?dryRun={switch}");
        client.request("POST", path).json(&limit("buy", "AAPL", 1, "1")).send()
    };
    ask("maybe").expect_problem(422, "invalid-request");
    ask("false").expect_problem(400, "idempotency-key-required");
}
