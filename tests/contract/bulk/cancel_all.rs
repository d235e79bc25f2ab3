//! `DELETE …/orders`: all that is open at that moment, the same when it is repeated, never what came later.

use serde_json::{Value, json};

use orderledger_tests::client::{Answer, Client, new_key, until};
use orderledger_tests::server::Home;

use super::{bulk, column, every, is_replayed, item};

fn cancel_all(client: &Client, key: &str, query: &str) -> Answer {
    client.request("DELETE", format!("/v1/accounts/u/orders{query}")).key(key).send()
}

fn open(client: &Client) -> Vec<Value> {
    every(client, "/v1/accounts/u/orders?status=open&limit=1000").iter().map(|row| row["orderId"].clone()).collect()
}

fn id(order: &Value) -> Value {
    order["orderId"].clone()
}

/// Rows without what changes as the orders are canceled.
fn lasting(rows: &Value) -> Vec<Value> {
    let mut rows = rows.as_array().unwrap().clone();
    rows.iter_mut().for_each(|row| drop(row.as_object_mut().unwrap().remove("status")));
    rows
}

#[test]
fn all_open_orders_are_canceled_or_those_of_one_symbol() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    client.deposit("v", "AAPL", "10");
    client.deposit("v", "USD", "10");
    let filled = client.order("u", "buy", "AAPL", 1, "10");
    client.order("v", "sell", "AAPL", 1, "10");
    let apples = [client.order("u", "buy", "AAPL", 2, "9"), client.order("u", "buy", "AAPL", 3, "8")];
    let other = client.order("u", "buy", "MSFT", 1, "7");
    let stranger = client.order("v", "buy", "AAPL", 1, "7");
    let answer = cancel_all(client, "apples", "?symbol=AAPL");
    let said = answer.expect(202);
    assert!(!is_replayed(&answer));
    assert_eq!(answer.headers["ledger-position"], said["position"].as_str().unwrap());
    assert_eq!(column(&said["data"], "/orderId"), apples.each_ref().map(id));
    assert_eq!(column(&said["data"], "/status"), ["new", "new"].map(Value::from));
    let left = until(|| open(client), |open| open.len() == 1);
    assert_eq!(left, [id(&other)]);
    let said = cancel_all(client, "rest", "").expect(202);
    assert_eq!(column(&said["data"], "/orderId"), [id(&other)]);
    until(|| open(client), Vec::is_empty);
    assert_eq!(cancel_all(client, "nothing", "").expect(202)["data"], json!([]));
    let stands = |user: &str, order: &Value| {
        let path = format!("/v1/accounts/{user}/orders/{}", order["orderId"].as_str().unwrap());
        client.get(path).expect(200)["status"].clone()
    };
    assert_eq!((stands("u", &filled), stands("v", &stranger)), (json!("filled"), json!("new")));
    assert_eq!(stands("u", &apples[0]), "canceled");
}

#[test]
fn a_repeat_is_about_the_same_orders_and_spares_what_came_later() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    client.order("u", "buy", "AAPL", 1, "10");
    client.order("u", "buy", "AAPL", 1, "9");
    let first = cancel_all(client, "k", "?symbol=AAPL").expect(202);
    until(|| open(client), Vec::is_empty);
    let later = client.order("u", "buy", "AAPL", 1, "8");
    let repeat = |client: &Client| {
        let again = cancel_all(client, "k", "?symbol=AAPL");
        assert!(is_replayed(&again));
        let again = again.expect(202);
        assert_eq!(lasting(&again["data"]), lasting(&first["data"]));
        assert_eq!((&again["askedAt"], &again["position"]), (&first["askedAt"], &first["position"]));
        assert_eq!(column(&again["data"], "/status"), ["canceled", "canceled"].map(Value::from));
        assert_eq!(open(client), [id(&later)]);
    };
    repeat(client);
    server.kill();
    let server = home.serve();
    repeat(&server.client);
    // Another symbol, or none, is another request.
    for query in ["?symbol=MSFT", ""] {
        cancel_all(&server.client, "k", query).expect_problem(422, "idempotency-key-reused");
    }
    assert_eq!(open(&server.client), [id(&later)]);
}

#[test]
fn a_call_killed_in_the_middle_is_repeated_for_all_that_was_open_then() {
    let home = Home::new();
    let server = home.serve();
    let client = server.client.clone();
    client.deposit("u", "USD", "1000000");
    let orders: Vec<Value> = (0..600).map(|_| item("u", "buy", "AAPL", 1, "1")).collect();
    let placed = bulk(&client, "place", &orders).expect(202);
    client.get_at("/v1/accounts/u/balances", &placed["position"]);
    let newest = |query: &str| {
        let rows = client.get(format!("/v1/accounts/u/transactions?limit=1{query}")).expect(200);
        rows["data"][0]["position"].clone()
    };
    let before = newest(&format!("&waitMs=10000&minPosition={}", placed["position"].as_str().unwrap()));
    std::thread::scope(|scope| {
        let request = client.request("DELETE", "/v1/accounts/u/orders").key("all");
        let sent = scope.spawn(move || drop(request.try_send()));
        until(|| newest(""), |now| *now != before);
        server.kill();
        sent.join().unwrap();
    });
    let server = home.serve();
    let client = &server.client;
    let later = client.order("u", "buy", "AAPL", 1, "1");
    let said = until(|| cancel_all(client, "all", ""), |answer| answer.status == 202).expect(202);
    assert!(!column(&said["data"], "/orderId").contains(&id(&later)));
    assert_eq!(until(|| open(client), |open| open.len() == 1), [id(&later)]);
    let mut canceled = every(client, "/v1/accounts/u/orders?status=canceled&limit=1000");
    canceled.reverse();
    let ids: Vec<Value> = canceled.iter().map(id).collect();
    assert_eq!(ids, column(&placed["data"], "/body/orderId"));
    let again = cancel_all(client, "all", "").expect(202);
    assert_eq!(lasting(&again["data"]), lasting(&said["data"]));
    server.stop();
    home.verify();
}

#[test]
fn what_is_no_such_call_is_refused_and_leaves_no_trace() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    cancel_all(client, "k", "").expect_problem(404, "unknown-account");
    client.get("/v1/accounts/u/balances").expect_problem(404, "unknown-account");
    client.deposit("u", "USD", "1000");
    client.request("DELETE", "/v1/accounts/u/orders").send().expect_problem(400, "idempotency-key-required");
    for query in ["?symbol=usd", "?colour=red", "?symbol=A&symbol=B"] {
        cancel_all(client, &new_key(), query).expect_problem(422, "invalid-request");
    }
    let with_body = client.request("DELETE", "/v1/accounts/u/orders").key("k").json(&json!({})).send();
    with_body.expect_problem(422, "invalid-request");
}
