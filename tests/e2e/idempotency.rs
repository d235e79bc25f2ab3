//! One key is one request, for ever.

use serde_json::{Value, json};

use orderledger_tests::client::{Answer, Client, limit, new_key, until};
use orderledger_tests::server::Home;

const ORDERS: &str = "/v1/accounts/u/orders";

fn place(client: &Client, key: &str, body: &Value) -> Answer {
    client.request("POST", ORDERS).key(key).json(body).wait().send()
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").map(String::as_str) == Some("true")
}

fn count(client: &Client) -> usize {
    client.get(format!("{ORDERS}?limit=1000")).expect(200)["data"].as_array().unwrap().len()
}

#[test]
fn the_same_key_is_the_same_request_for_ever() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let deposit = json!({"asset": "USD", "amount": "1000"});
    let pay =
        |client: &Client, key: &str| client.request("POST", "/v1/accounts/u/deposits").key(key).json(&deposit).send();
    let (paid, again) = (pay(client, "d"), pay(client, "d"));
    assert_eq!((paid.expect(201), is_replayed(&paid)), (again.expect(201), false));
    assert!(is_replayed(&again));

    let body = limit("buy", "AAPL", 1, "10");
    let first = place(client, "o", &body);
    let id = first.expect(200)["orderId"].clone();
    // Spacing, order and form of numbers make no difference; another value does.
    let same =
        r#" {"price":10.00, "quantity":"1", "side":"buy", "symbol":"AAPL", "orderType":"limit", "postOnly":false}"#;
    let repeat = client.request("POST", ORDERS).key("o").header("content-type", "application/json").raw(same).send();
    assert_eq!((repeat.json()["orderId"].clone(), is_replayed(&repeat)), (id.clone(), true), "{repeat:?}");
    place(client, "o", &limit("buy", "AAPL", 2, "10")).expect_problem(422, "idempotency-key-reused");
    let other = json!({"asset": "USD", "amount": "1"});
    let answer = client.request("POST", "/v1/accounts/u/withdrawals").key("o").json(&other).send();
    answer.expect_problem(422, "idempotency-key-reused");
    // A key belongs to an account.
    let stranger = client.request("POST", "/v1/accounts/v/orders").key("o").json(&body).wait().send().expect(200);
    assert_ne!(stranger["orderId"], id);

    let dear = limit("buy", "AAPL", 1_000_000, "10");
    let rejected = place(client, "poor", &dear).expect(200);
    assert_eq!((&rejected["status"], &rejected["reason"]), (&json!("rejected"), &json!("insufficient_funds")));
    server.kill();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "100000000");
    let still = place(client, "poor", &dear);
    assert_eq!((still.expect(200)["orderId"].clone(), is_replayed(&still)), (rejected["orderId"].clone(), true));
    assert_eq!(still.json()["status"], "rejected");
    assert_eq!(place(client, "o", &body).expect(200)["orderId"], id);
    place(client, "o", &limit("buy", "AAPL", 2, "10")).expect_problem(422, "idempotency-key-reused");
    let again = pay(client, "d");
    assert!(is_replayed(&again));
    let balances = client.balances("u", &place(client, &new_key(), &body).json()["position"]);
    assert_eq!(balances["USD"], ["100001000", "100000980", "20"]);
    assert_eq!(count(client), 3);
}

#[test]
fn thirty_two_at_once_with_one_key_are_one_order() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    let body = limit("buy", "AAPL", 1, "10");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..32).map(|_| scope.spawn(|| place(client, "one", &body))).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    let ids: std::collections::BTreeSet<String> =
        answers.iter().map(|answer| answer.expect(200)["orderId"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1);
    assert_eq!(until(|| count(client), |count| *count >= 1), 1);
    assert_eq!(client.balances("u", &answers[0].json()["position"])["USD"], ["1000", "990", "10"]);
}

#[test]
fn a_key_is_required_and_must_be_one() {
    let home = Home::new();
    let server = home.serve();
    let body = limit("buy", "AAPL", 1, "10");
    let ask = || server.client.request("POST", ORDERS).json(&body);
    ask().send().expect_problem(400, "idempotency-key-required");
    for key in ["", "a b", &"x".repeat(256)] {
        ask().key(key).send().expect_problem(400, "idempotency-key-required");
    }
    ask().key("a").key("b").send().expect_problem(400, "idempotency-key-required");
    server.client.get("/v1/accounts/u/orders").expect_problem(404, "unknown-account");
}
