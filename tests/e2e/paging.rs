//! Pages: whole and without repeats, though new rows arrive between them.

use serde_json::Value;

use orderledger_tests::client::Client;
use orderledger_tests::server::Home;

/// All pages of a list; before each but the first something new arrives.
fn pages(client: &Client, path: &str, arrive: impl Fn()) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(format!("{path}{cursor}")).expect(200);
        rows.extend(page["data"].as_array().unwrap().clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
        arrive();
    }
}

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["orderId"].as_str().unwrap().to_owned()).collect()
}

fn place(client: &Client) -> Value {
    client.order("u", "buy", "AAPL", 1, "1")
}

#[test]
fn pages_are_stable_while_orders_arrive() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    let placed: Vec<Value> = (0..25).map(|_| place(client)).collect();
    let placed = ids(&placed);
    let list = "/v1/accounts/u/orders";
    let newest_first = pages(client, &format!("{list}?limit=7"), || drop(place(client)));
    let mut expected = placed.clone();
    expected.reverse();
    assert_eq!(ids(&newest_first), expected);
    // Oldest first: what arrives on the way is at the end.
    let oldest_first = pages(client, &format!("{list}?limit=7&order=asc"), || drop(place(client)));
    assert_eq!(ids(&oldest_first)[..25], placed);
    let mut once = ids(&oldest_first);
    once.sort();
    once.dedup();
    assert_eq!(once.len(), oldest_first.len(), "a row came twice");
    assert_eq!(pages(client, &format!("{list}?limit=1000"), || ()).len(), 25 + 3 + 4);
}

#[test]
fn the_history_and_the_audit_trail_page_through_every_record_once() {
    let home = Home::new();
    let server = home.serve_with(&["--partitions", "1"]);
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    (0..9).for_each(|_| drop(place(client)));
    let last = place(client);
    client.get_at("/v1/audit/events", &last["position"]);
    let position = |row: &Value| row["position"].as_str().unwrap().to_owned();
    let history: Vec<String> =
        pages(client, "/v1/accounts/u/transactions?limit=3&order=asc", || ()).iter().map(position).collect();
    assert_eq!(history, (0..22).map(|offset| format!("orders-0@{offset}")).collect::<Vec<_>>());
    let back: Vec<String> = pages(client, "/v1/accounts/u/transactions?limit=4", || ()).iter().map(position).collect();
    assert_eq!(back, history.iter().rev().cloned().collect::<Vec<_>>());
    let trail = pages(client, "/v1/audit/events?topic=orders&limit=5", || drop(client.deposit("v", "USD", "1")));
    let trail: Vec<String> = trail.iter().map(position).collect();
    assert_eq!(trail[..22], history);
    assert_eq!(trail, (0..trail.len()).map(|offset| format!("orders-0@{offset}")).collect::<Vec<_>>());
}

#[test]
fn a_cursor_is_only_good_for_its_own_list() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    (0..3).for_each(|_| drop(place(client)));
    let page = client.get("/v1/accounts/u/orders?limit=1").expect(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    client.get(format!("/v1/accounts/u/orders?limit=2&cursor={cursor}")).expect(200);
    for elsewhere in
        ["u/orders?limit=1&order=asc", "u/orders?limit=1&symbol=AAPL", "u/fills?limit=1", "v/orders?limit=1"]
    {
        client.get(format!("/v1/accounts/{elsewhere}&cursor={cursor}")).expect_problem(422, "invalid-request");
    }
    for (limit, cursor) in
        [("0", ""), ("1001", ""), ("-1", ""), ("x", ""), ("1", "&cursor=zzz"), ("1", "&cursor=%00%ff")]
    {
        let path = format!("/v1/accounts/u/orders?limit={limit}{cursor}");
        client.get(path).expect_problem(422, "invalid-request");
    }
}
