//! `Prefer: wait`: the answer comes once the book has decided.

use serde_json::{Value, json};

use orderledger_tests::client::{Client, limit};
use orderledger_tests::server::Home;

fn path(order: &Value) -> String {
    format!("/v1/accounts/{}/orders/{}", order["userId"].as_str().unwrap(), order["orderId"].as_str().unwrap())
}

fn amend(client: &Client, order: &Value, key: &str, body: &Value) -> Value {
    client.request("PATCH", path(order)).key(key).json(body).wait().send().expect(200)
}

#[test]
fn every_kind_of_order_answers_as_the_book_decided() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("b", "USD", "100000");
    client.deposit("s", "AAPL", "1000");
    assert_eq!(client.order("s", "sell", "AAPL", 10, "100")["status"], "new");
    let ask = |user: &str, mut body: Value, more: Value| {
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.post(format!("/v1/accounts/{user}/orders"), &body).wait().send().expect(200)
    };
    let buy = |quantity, price| limit("buy", "AAPL", quantity, price);
    let figures = |order: &Value| (order["status"].clone(), order["cumQuantity"].clone(), order["reason"].clone());
    let fok = ask("b", buy(11, "100"), json!({"timeInForce": "fok"}));
    assert_eq!(figures(&fok), (json!("expired"), json!(0), json!("fok_unfillable")));
    let post = ask("b", buy(1, "100"), json!({"postOnly": true}));
    assert_eq!(figures(&post), (json!("rejected"), json!(0), json!("post_only_would_cross")));
    let part = ask("b", buy(3, "101"), json!({"timeInForce": "ioc"}));
    assert_eq!(figures(&part), (json!("filled"), json!(3), Value::Null));
    assert_eq!((&part["avgPrice"], &part["fees"]), (&json!("100"), &json!("0")));
    let market = json!({"symbol": "AAPL", "side": "buy", "orderType": "market", "quantity": 100, "maxCost": "250"});
    assert_eq!(figures(&ask("b", market, json!({}))), (json!("expired"), json!(2), json!("budget_spent")));
    let ioc = ask("b", buy(9, "100"), json!({"timeInForce": "ioc", "clientOrderId": "mine"}));
    assert_eq!(figures(&ioc), (json!("expired"), json!(5), json!("ioc_remainder")));
    let named = client.get_at("/v1/accounts/b/orders?clientOrderId=mine", &ioc["position"]);
    assert_eq!(named["data"].as_array().unwrap().len(), 1);
    client.deposit("s", "USD", "1000");
    assert_eq!(client.order("s", "sell", "AAPL", 1, "50")["status"], "new");
    let own = ask("s", limit("buy", "AAPL", 1, "50"), json!({}));
    assert_eq!(figures(&own), (json!("expired"), json!(0), json!("self_trade")));
}

#[test]
fn an_amend_and_a_cancel_answer_with_the_order_or_the_reason() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    let order = client.order("u", "buy", "AAPL", 10, "50");
    let less = amend(client, &order, "less", &json!({"quantity": 4}));
    assert_eq!(
        (&less["quantity"], &less["leavesQuantity"], &less["requestRejected"]),
        (&json!(4), &json!(4), &Value::Null)
    );
    assert_eq!(client.balances("u", &less["position"])["USD"], ["1000", "800", "200"]);
    let dearer = amend(client, &order, "dearer", &json!({"price": "60.5"}));
    assert_eq!((&dearer["price"], &dearer["status"]), (&json!("60.5"), &json!("new")));
    assert_eq!(client.balances("u", &dearer["position"])["USD"], ["1000", "758", "242"]);
    let beyond = amend(client, &order, "beyond", &json!({"quantity": 1000}));
    assert_eq!((&beyond["requestRejected"], &beyond["quantity"]), (&json!("insufficient_funds"), &json!(4)));
    // The same key gives the same, though it would be another amend by now.
    assert_eq!(amend(client, &order, "less", &json!({"quantity": 4}))["orderId"], order["orderId"]);
    let cancel = |key: &str| client.request("DELETE", path(&order)).key(key).wait().send().expect(200);
    assert_eq!(cancel("c1")["status"], "canceled");
    let late = cancel("c2");
    assert_eq!((&late["status"], &late["requestRejected"]), (&json!("canceled"), &json!("order_closed")));
    let late = amend(client, &order, "late", &json!({"quantity": 3}));
    assert_eq!((&late["status"], &late["requestRejected"]), (&json!("canceled"), &json!("order_closed")));
    let unknown = |method| client.request(method, "/v1/accounts/u/orders/nothing").key("n");
    unknown("DELETE").send().expect_problem(404, "unknown-order");
    unknown("PATCH").json(&json!({"quantity": 1})).send().expect_problem(404, "unknown-order");
    assert_eq!(client.balances("u", &late["position"])["USD"], ["1000", "1000", "0"]);
}

#[test]
fn a_withdrawal_is_completed_or_rejected() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "100");
    let withdraw = |key: &str, amount: &str, wait: bool| {
        let request = client.request("POST", "/v1/accounts/u/withdrawals").key(key);
        let request = request.json(&json!({"asset": "USD", "amount": amount}));
        if wait { request.wait().send() } else { request.send() }
    };
    let pending = withdraw("a", "30.5", false).expect(202);
    assert_eq!(pending["status"], "pending");
    let done = withdraw("a", "30.50", true);
    assert_eq!(done.expect(200)["status"], "completed");
    assert_eq!(done.json()["withdrawalId"], pending["withdrawalId"]);
    let rejected = withdraw("b", "69.5001", true).expect(200);
    assert_eq!((&rejected["status"], &rejected["reason"]), (&json!("rejected"), &json!("insufficient_funds")));
    assert_eq!(client.balances("u", &rejected["position"])["USD"], ["69.5", "69.5", "0"]);
    let listed = client.get_at("/v1/accounts/u/withdrawals?order=asc", &rejected["position"]);
    let statuses: Vec<&Value> = listed["data"].as_array().unwrap().iter().map(|row| &row["status"]).collect();
    assert_eq!(statuses, ["completed", "rejected"]);
}

#[test]
fn without_a_wait_the_answer_is_intakes() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "100");
    let answer = client.post("/v1/accounts/u/orders", &limit("buy", "AAPL", 1, "10")).send();
    let order = answer.expect(202);
    assert_eq!((&order["status"], &order["reason"]), (&json!("new"), &Value::Null));
    assert_eq!(order["position"], answer.headers["ledger-position"].as_str());
    let location = &answer.headers["location"];
    assert_eq!(client.get_at(location, &order["position"])["orderId"], order["orderId"]);
    let amended = client.request("PATCH", location.as_str()).key("x").json(&json!({"price": "11"})).send().expect(202);
    assert_eq!(amended["orderId"], order["orderId"]);
    let canceled = client.request("DELETE", location.as_str()).key("y").send().expect(202);
    assert_eq!(canceled["orderId"], order["orderId"]);
}
