//! `POST /v1/bulk/orders`: each item is answered as if it had come alone.

use serde_json::{Value, json};

use orderledger_tests::client::{limit, new_key};
use orderledger_tests::server::Home;

use super::{bulk, column, every, is_replayed, item, keyed};

#[test]
fn each_item_has_the_answer_of_its_single_call_and_a_repeat_the_same() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u1", "USD", "1000");
    client.deposit("u2", "AAPL", "10");
    let mut bad = item("u1", "buy", "AAPL", 1, "0");
    bad["colour"] = "red".into();
    let orders = [
        keyed(item("u1", "buy", "AAPL", 1, "10"), "a"),
        bad,
        keyed(item("u2", "sell", "AAPL", 2, "11"), "a"),
        json!("no order"),
        item("u1", "buy", "MSFT", 3, "12"),
        item("u1", "buy", "MSFT", 1_000_000, "12"),
    ];
    let answer = bulk(client, "call", &orders);
    let first = answer.expect(202);
    assert!(!is_replayed(&answer));
    assert_eq!(column(&first["data"], "/index"), [0, 1, 2, 3, 4, 5].map(Value::from));
    assert_eq!(column(&first["data"], "/status"), [202, 422, 202, 422, 202, 202].map(Value::from));
    let statuses = column(&first["data"], "/body/status");
    assert_eq!((&statuses[0], &statuses[4], &statuses[5]), (&json!("new"), &json!("new"), &json!("rejected")));
    assert_eq!(first["data"][5]["body"]["reason"], "insufficient_funds");
    let problem = &first["data"][1]["problem"];
    assert!(problem["type"].as_str().unwrap().ends_with("invalid-request"), "{problem}");
    assert_eq!((&problem["status"], &problem["instance"]), (&json!(422), &json!("/v1/bulk/orders")));
    assert_eq!(column(&problem["errors"], "/pointer"), ["/orders/1/price", "/orders/1/colour"].map(Value::from));
    assert_eq!(first["data"][3]["problem"]["errors"][0]["pointer"], "/orders/3");

    // The single call under an item's key is the same request.
    let path = "/v1/accounts/u1/orders";
    let single = client.request("POST", path).key("a").json(&limit("buy", "AAPL", 1, "10")).send();
    assert!(is_replayed(&single));
    assert_eq!(single.expect(202), first["data"][0]["body"]);

    let again = bulk(client, "call", &orders);
    assert!(is_replayed(&again));
    let bodies = |answer: &Value| column(&answer["data"], "/body");
    assert_eq!(bodies(&again.expect(202)), bodies(&first));
    assert_eq!(column(&again.json()["data"], "/replayed")[0], true);

    // What the call wrote is there once the views have reached its positions.
    let position = &first["position"];
    assert_eq!(answer.headers["ledger-position"], position.as_str().unwrap());
    let rows = client.get_at("/v1/accounts/u1/orders?order=asc", position);
    let asked = [0, 4, 5].map(|index| first["data"][index]["body"]["orderId"].clone());
    assert_eq!(column(&rows["data"], "/orderId"), asked, "an account's orders stand in the order of the items");
}

#[test]
fn an_item_without_a_key_has_one_by_its_place_in_the_call() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    let two = [item("u", "buy", "AAPL", 1, "10"), item("u", "buy", "AAPL", 1, "10")];
    let first = bulk(client, "call", &two).expect(202);
    let ids = column(&first["data"], "/body/orderId");
    assert_ne!(ids[0], ids[1]);
    let longer = [two[0].clone(), item("u", "buy", "AAPL", 2, "10"), two[1].clone()];
    let second = bulk(client, "call", &longer).expect(202);
    assert_eq!(column(&second["data"], "/status"), [202, 422, 202].map(Value::from));
    assert_eq!(column(&second["data"], "/replayed"), [json!(true), Value::Null, json!(false)]);
    assert_eq!(second["data"][0]["body"]["orderId"], ids[0]);
    let kind = second["data"][1]["problem"]["type"].as_str().unwrap();
    assert!(kind.ends_with("idempotency-key-reused"), "{kind}");
    let other = bulk(client, "other call", &two);
    other.expect_problem(400, "idempotency-key-required");
    let other = bulk(client, "other-call", &two).expect(202);
    assert!(!ids.contains(&other["data"][0]["body"]["orderId"]));
}

#[test]
fn one_key_twice_in_a_call_is_one_order_and_another_body_under_it_is_refused() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    client.deposit("v", "USD", "1000");
    let orders = [
        keyed(item("u", "buy", "AAPL", 1, "10"), "k"),
        keyed(item("u", "buy", "AAPL", 1, "10.00"), "k"),
        keyed(item("u", "buy", "AAPL", 2, "10"), "k"),
        keyed(item("v", "buy", "AAPL", 2, "10"), "k"),
    ];
    let answer = bulk(client, &new_key(), &orders).expect(202);
    assert_eq!(column(&answer["data"], "/status"), [202, 202, 422, 202].map(Value::from));
    assert_eq!(column(&answer["data"], "/replayed"), [json!(false), json!(true), Value::Null, json!(false)]);
    assert_eq!(answer["data"][0]["body"], answer["data"][1]["body"]);
    assert_ne!(answer["data"][0]["body"]["orderId"], answer["data"][3]["body"]["orderId"], "keys belong to accounts");
    assert_eq!(client.balances("u", &answer["position"])["USD"], ["1000", "990", "10"]);
}

#[test]
fn with_prefer_wait_every_item_is_the_decided_order() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    client.deposit("v", "AAPL", "10");
    client.order("v", "sell", "AAPL", 2, "10");
    let orders = [item("u", "buy", "AAPL", 2, "10"), item("u", "buy", "AAPL", 1, "9"), item("w", "buy", "X", 1, "1")];
    let request = client.request("POST", "/v1/bulk/orders").key("k").json(&json!({ "orders": orders }));
    let answer = request.wait().send();
    assert_eq!(answer.headers["preference-applied"], "wait");
    let answer = answer.expect(200);
    assert_eq!(column(&answer["data"], "/status"), [200, 200, 200].map(Value::from));
    assert_eq!(column(&answer["data"], "/body/status"), ["filled", "new", "rejected"].map(Value::from));
    assert_eq!(client.balances("u", &answer["position"])["USD"], ["980", "971", "9"]);
}

#[test]
fn a_thousand_orders_of_many_accounts_are_one_call() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let users: Vec<String> = (0..20).map(|number| format!("u{number}")).collect();
    users.iter().for_each(|user| drop(client.deposit(user, "USD", "1000000")));
    let orders: Vec<Value> = (0..1000_u64)
        .map(|number| {
            let mut order = item(&users[usize::try_from(number % 20).unwrap()], "buy", "AAPL", 1 + number, "1.5");
            order["clientOrderId"] = format!("{number}-{}", "x".repeat(50)).into();
            order
        })
        .collect();
    let first = bulk(client, "call", &orders).expect(202);
    assert!(column(&first["data"], "/status").iter().all(|status| *status == 202), "{first}");
    let again = bulk(client, "call", &orders);
    assert!(is_replayed(&again));
    assert_eq!(column(&again.json()["data"], "/body"), column(&first["data"], "/body"));
    client.get_at("/v1/accounts/u0/balances", &first["position"]);
    for (index, user) in users.iter().enumerate() {
        let rows = every(client, &format!("/v1/accounts/{user}/orders?order=asc&limit=17"));
        let quantities: Vec<usize> =
            rows.iter().map(|row| usize::try_from(row["quantity"].as_u64().unwrap()).unwrap()).collect();
        let expected: Vec<usize> = (0..50).map(|nth| 1 + index + 20 * nth).collect();
        assert_eq!(quantities, expected, "{user}");
    }
}

#[test]
fn what_a_call_may_have_is_bounded() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    let one = item("u", "buy", "AAPL", 1, "1");
    let many = bulk(client, "k", &vec![one.clone(); 1001]).expect_problem(422, "invalid-request");
    assert_eq!(many["errors"][0]["pointer"], "/orders");
    bulk(client, "k", &[]).expect_problem(422, "invalid-request");
    let post = |path: &'static str, body: String| {
        client.request("POST", path).key("k").header("content-type", "application/json").raw(body).send()
    };
    let padded = |bytes: usize| {
        let text = json!({ "orders": [one] }).to_string();
        format!("{text}{}", " ".repeat(bytes - text.len()))
    };
    let path = "/v1/bulk/orders";
    let large = post(path, padded(1_048_577)).expect_problem(413, "body-too-large");
    assert!(large["detail"].as_str().unwrap().contains("1048576"), "{large}");
    post(path, padded(2_000_000)).expect_problem(413, "body-too-large");
    assert_eq!(client.get("/v1/accounts/u/orders").expect(200)["data"], json!([]), "nothing was written so far");
    post(path, padded(1_048_576)).expect(202);
    // The others keep their bound.
    post("/v1/accounts/u/orders", padded(65_537)).expect_problem(413, "body-too-large");
    let ask = || client.request("POST", path).json(&json!({ "orders": [one] }));
    ask().send().expect_problem(400, "idempotency-key-required");
    let asked = client.request("POST", "/v1/bulk/orders?dryRun=true").key("k").json(&json!({ "orders": [one] })).send();
    asked.expect_problem(422, "invalid-request");
}
