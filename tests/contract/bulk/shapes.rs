//! Orders by the client's own name, open orders, fees of each fill, and what replacing an order means.

use serde_json::{Value, json};

use orderledger_tests::client::{Client, limit, new_key};
use orderledger_tests::server::Home;

use super::{bulk, column, every, item, units};

fn named(client: &Client, name: &str, price: &str) -> Value {
    let mut body = limit("buy", "AAPL", 1, price);
    body["clientOrderId"] = name.into();
    client.post("/v1/accounts/u/orders", &body).wait().send().expect(200)["orderId"].clone()
}

#[test]
fn orders_are_found_by_exactly_the_name_that_their_client_gave() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    let names = ["a", "A", "a-1", "a", "a&b=c", "ab"];
    let ids: Vec<Value> = names.iter().map(|name| named(client, name, "1")).collect();
    let found = |query: &str| {
        let rows = every(client, &format!("/v1/accounts/u/orders?{query}"));
        rows.iter().map(|row| row["orderId"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(found("clientOrderId=a"), [ids[3].clone(), ids[0].clone()], "newest first, one name may name several");
    assert_eq!(found("clientOrderId=a&order=asc&limit=1"), [ids[0].clone(), ids[3].clone()]);
    assert_eq!(found("clientOrderId=A"), [ids[1].clone()]);
    assert_eq!(found("clientOrderId=a%26b%3Dc"), [ids[4].clone()]);
    assert_eq!(found("clientOrderId=b"), [] as [Value; 0]);
    assert_eq!(found("clientOrderId=a&symbol=MSFT"), [] as [Value; 0]);
    client.get("/v1/accounts/u/orders?clientOrderId=").expect_problem(422, "invalid-request");
    // It names no order in an address: those are told by their id alone.
    let by_name = |method| client.request(method, "/v1/accounts/u/orders/a-1").key(&new_key());
    by_name("DELETE").send().expect_problem(404, "unknown-order");
    by_name("PATCH").json(&json!({"quantity": 2})).send().expect_problem(404, "unknown-order");
}

#[test]
fn open_orders_come_newest_first_page_by_page_while_some_close() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    let orders: Vec<Value> = (1..=7).map(|quantity| item("u", "buy", "AAPL", quantity, "1")).collect();
    let placed = bulk(client, &new_key(), &orders).expect(202);
    let ids = column(&placed["data"], "/body/orderId");
    client.get_at("/v1/accounts/u/balances", &placed["position"]);
    let path = "/v1/accounts/u/orders?status=open&limit=3";
    let first = client.get(path).expect(200);
    assert_eq!(column(&first["data"], "/quantity"), [7, 6, 5].map(Value::from));
    let cancel = |index: usize| {
        let path = format!("/v1/accounts/u/orders/{}", ids[index].as_str().unwrap());
        client.request("DELETE", path).key(&new_key()).wait().send().expect(200)
    };
    // The last of the page and the next: the others come once each.
    cancel(4);
    cancel(3);
    let second = client.get(format!("{path}&cursor={}", first["nextCursor"].as_str().unwrap())).expect(200);
    assert_eq!(column(&second["data"], "/quantity"), [3, 2, 1].map(Value::from));
    assert_eq!(second["nextCursor"], Value::Null);
}

#[test]
fn the_fees_of_an_order_are_the_sum_of_its_fills() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let fees = json!({"makerBps": 7, "takerBps": 13});
    let set = client.request("PUT", "/v1/fees").key(&new_key()).json(&fees).send().expect(202);
    client.get_at("/v1/fees", &set["position"]);
    client.deposit("t", "USD", "100000");
    for maker in ["m1", "m2"] {
        client.deposit(maker, "AAPL", "100");
        client.order(maker, "sell", "AAPL", 3, "33.3333");
        client.order(maker, "sell", "AAPL", 7, "33.3399");
    }
    let first = client.order("t", "buy", "AAPL", 5, "33.34");
    let second = client.order("t", "buy", "AAPL", 13, "33.34");
    assert_eq!((&first["status"], &second["status"]), (&json!("filled"), &json!("filled")));
    for user in ["t", "m1", "m2"] {
        let fills = client.get_at(&format!("/v1/accounts/{user}/fills"), &second["position"])["data"].clone();
        let rows = client.get_at(&format!("/v1/accounts/{user}/orders"), &second["position"])["data"].clone();
        let mut seen = 0;
        for order in rows.as_array().unwrap() {
            let own: Vec<&Value> =
                fills.as_array().unwrap().iter().filter(|fill| fill["orderId"] == order["orderId"]).collect();
            assert_eq!(own.iter().map(|fill| units(&fill["fee"])).sum::<i64>(), units(&order["fees"]), "{order}");
            // A fee of the whole order's turnover, rounded once: up to the next ten-thousandth.
            let bps = if user == "t" { 13 } else { 7 };
            let turnover: i64 = own.iter().map(|fill| units(&fill["price"]) * fill["quantity"].as_i64().unwrap()).sum();
            let exact = turnover * bps;
            assert!((units(&order["fees"]) * 10_000 - exact).abs() < 10_000, "{order} {exact}");
            seen += own.len();
        }
        assert_eq!(seen, fills.as_array().unwrap().len());
    }
}

#[test]
fn an_amend_keeps_or_loses_the_place_in_the_queue_and_never_goes_below_what_is_filled() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    for user in ["a", "b", "t"] {
        client.deposit(user, "USD", "10000");
        client.deposit(user, "AAPL", "100");
    }
    let path = |user: &str, order: &Value| format!("/v1/accounts/{user}/orders/{}", order["orderId"].as_str().unwrap());
    let amend = |user: &str, order: &Value, change: Value| {
        client.request("PATCH", path(user, order)).key(&new_key()).json(&change).wait().send().expect(200)
    };
    let first = client.order("a", "buy", "AAPL", 10, "10");
    let second = client.order("b", "buy", "AAPL", 10, "10");
    // Less keeps the place: a is filled first.
    assert_eq!(amend("a", &first, json!({"quantity": 6}))["leavesQuantity"], 6);
    client.order("t", "sell", "AAPL", 2, "10");
    assert_eq!(client.get(path("a", &first)).expect(200)["cumQuantity"], 2);
    // The new total counts what is filled; the reserve follows.
    let more = amend("a", &first, json!({"quantity": 7}));
    assert_eq!((&more["quantity"], &more["cumQuantity"], &more["leavesQuantity"]), (&json!(7), &json!(2), &json!(5)));
    assert_eq!(client.balances("a", &more["position"])["USD"], ["9980", "9930", "50"]);
    // More lost the place: b is filled now.
    client.order("t", "sell", "AAPL", 3, "10");
    assert_eq!(client.get(path("b", &second)).expect(200)["cumQuantity"], 3);
    // At or below what is filled leaves nothing that could rest.
    let below = amend("a", &first, json!({"quantity": 2}));
    assert!(below["requestRejected"].is_string(), "{below}");
    assert_eq!(below["leavesQuantity"], 5);
    // Another price is another place; too dear a one changes nothing.
    let dearer = amend("a", &first, json!({"price": "1000000"}));
    assert_eq!((&dearer["requestRejected"], &dearer["price"]), (&json!("insufficient_funds"), &json!("10")));
    let moved = amend("a", &first, json!({"price": "11"}));
    assert_eq!((&moved["price"], &moved["leavesQuantity"]), (&json!("11"), &json!(5)));
    client.order("t", "sell", "AAPL", 5, "10");
    let done = client.get(path("a", &first)).expect(200);
    assert_eq!((&done["status"], &done["cumQuantity"]), (&json!("filled"), &json!(7)));
    let late = amend("a", &first, json!({"quantity": 9}));
    assert_eq!((&late["requestRejected"], &late["quantity"]), (&json!("order_closed"), &json!(7)));
}
