//! Many orders in one call while things go wrong: killed in the middle, not answered in time, the same call twice at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use orderledger_tests::client::{Answer, Client, new_key, until};
use orderledger_tests::server::Home;

use super::{bulk, column, every, item, keyed};

const ITEMS: u64 = 400;
const USERS: [&str; 3] = ["u0", "u1", "u2"];

fn batch() -> Vec<Value> {
    let user = |number: u64| USERS[usize::try_from(number % 3).unwrap()];
    (0..ITEMS).map(|number| item(user(number), "buy", "AAPL", 1 + number, "1")).collect()
}

fn fund(client: &Client) {
    USERS.iter().for_each(|user| drop(client.deposit(user, "USD", "10000000")));
}

/// The newest request of u0. Its other records won't do: a stage may still write about the orders of the call before.
fn newest(client: &Client, query: &str) -> Value {
    client.get(format!("/v1/accounts/u0/transactions?type=OrderCreated&limit=1{query}")).expect(200)["data"][0]["position"].clone()
}

fn orders(client: &Client) -> Vec<String> {
    let of = |user: &&str| every(client, &format!("/v1/accounts/{user}/orders?limit=1000"));
    USERS.iter().flat_map(of).map(|row| row["orderId"].as_str().unwrap().to_owned()).collect()
}

fn ids(answer: &Value) -> BTreeSet<String> {
    column(&answer["data"], "/body/orderId").iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_call_killed_in_the_middle_is_repeated_and_places_each_order_once() {
    let home = Home::new();
    let mut server = home.serve();
    fund(&server.client);
    let mut last = server.client.deposit("u0", "USD", "1");
    let (mut placed, batch) = (BTreeSet::new(), batch());
    for _ in 0..3 {
        let (key, client) = (new_key(), server.client.clone());
        let before = newest(&client, &format!("&waitMs=10000&minPosition={}", last.as_str().unwrap()));
        let first = std::thread::scope(|scope| {
            let request = client.request("POST", "/v1/bulk/orders").key(&key).json(&json!({ "orders": batch }));
            let sent = scope.spawn(move || request.try_send());
            // The call's records are in the log as soon as one of them is.
            until(|| newest(&server.client, ""), |now| *now != before);
            server.kill();
            sent.join().unwrap()
        });
        server = home.serve();
        let answer = until(|| bulk(&server.client, &key, &batch), |answer| answer.status == 202).expect(202);
        assert!(column(&answer["data"], "/body/status").iter().all(|status| status == "new"), "{answer}");
        assert!(column(&answer["data"], "/replayed").iter().all(|replayed| *replayed == true), "{answer}");
        if let Ok(first) = first {
            assert_eq!(column(&first.expect(202)["data"], "/body"), column(&answer["data"], "/body"));
        }
        placed.extend(ids(&answer));
        last = answer["position"].clone();
        server.client.get_at("/v1/accounts/u0/balances", &answer["position"]);
        let stand = orders(&server.client);
        assert_eq!((stand.len(), stand.into_iter().collect()), (placed.len(), placed.clone()));
    }
    assert_eq!(u64::try_from(placed.len()).unwrap(), 3 * ITEMS);
    server.stop();
    home.verify();
}

#[test]
fn what_is_not_judged_in_time_is_unknown_item_by_item_and_a_repeat_tells() {
    let home = Home::new();
    let server = home.serve();
    fund(&server.client);
    server.stop();
    let hurried = home.serve_with(&["--answer-timeout-ms", "1"]);
    let bad = item("u0", "buy", "AAPL", 0, "1");
    let asked = [vec![bad], batch()].concat();
    let answer = bulk(&hurried.client, "call", &asked).expect(202);
    let rows = answer["data"].as_array().unwrap();
    assert_eq!(rows[0]["status"], 422);
    assert!(rows[1..].iter().all(|row| row["status"] == 202 || row["status"] == 503), "{answer}");
    let unknown = rows.iter().find(|row| row["status"] == 503).unwrap();
    let kind = unknown["problem"]["type"].as_str().unwrap();
    assert!(kind.ends_with("outcome-unknown"), "{kind}");
    hurried.stop();
    let server = home.serve();
    let answer = bulk(&server.client, "call", &asked).expect(202);
    assert_eq!(column(&answer["data"], "/status")[1..].iter().filter(|status| **status == 202).count(), 400);
    server.client.get_at("/v1/accounts/u0/balances", &answer["position"]);
    assert_eq!(orders(&server.client).len(), 400);
}

#[test]
fn the_same_call_many_times_at_once_places_each_order_once() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    fund(client);
    let batch: Vec<Value> = batch().into_iter().take(60).collect();
    // Half of them name the keys in the items, and come in another order.
    let named = |number: usize| keyed(batch[number].clone(), &format!("own-{number}"));
    let forth: Vec<Value> = (0..60).map(named).collect();
    let back: Vec<Value> = (0..60).rev().map(named).collect();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let calls = (0..8).map(|call| {
            let orders = if call % 2 == 0 { &forth } else { &back };
            scope.spawn(move || bulk(client, &new_key(), orders))
        });
        calls.collect::<Vec<_>>().into_iter().map(|call| call.join().unwrap()).collect()
    });
    let sets: BTreeSet<BTreeSet<String>> = answers.iter().map(|answer| ids(&answer.expect(202))).collect();
    assert_eq!(sets.len(), 1, "{sets:?}");
    let fresh = answers.iter().flat_map(|answer| column(&answer.json()["data"], "/replayed"));
    assert_eq!(fresh.filter(|replayed| *replayed == false).count(), 60);
    client.get_at("/v1/accounts/u0/balances", &answers[0].json()["position"]);
    assert_eq!(orders(client).len(), 60);
}
