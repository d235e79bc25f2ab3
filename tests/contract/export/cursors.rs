//! Cursors: for ever, and of their own list alone.

use orderledger_tests::client::{Client, until};
use orderledger_tests::server::Home;
use serde_json::json;

use super::{LINES, lines, rows_of_pages, stream};

const LIST: &str = "/v1/accounts/u/transactions?order=asc";

/// The lists' first pages: their cursors.
fn cursor(client: &Client, list: &str) -> String {
    client.get(format!("{list}&limit=3")).expect(200)["nextCursor"].as_str().unwrap().to_owned()
}

fn deposit(client: &Client, times: usize) {
    let last = (0..times).fold(json!(null), |_, _| client.deposit("u", "USD", "1"));
    client.get_at(LIST, &last);
}

/// Each of the orders is filled when they are visible.
fn trade(client: &Client, times: usize) {
    client.deposit("v", "AAPL", "100");
    client.deposit("u", "USD", "1000");
    let mut last = json!(null);
    for _ in 0..times {
        client.order("v", "sell", "AAPL", 1, "1");
        last = client.order("u", "buy", "AAPL", 1, "1");
    }
    client.get_at("/v1/accounts/u/orders", &last["position"]);
    let fills = || client.get("/v1/accounts/u/fills").expect(200)["data"].as_array().unwrap().len();
    assert_eq!(until(fills, |fills| *fills == times), times);
    let trades = || client.get("/v1/markets/AAPL/trades").expect(200)["data"].as_array().unwrap().len();
    assert_eq!(until(trades, |trades| *trades == times), times);
}

fn rebuild(client: &Client, name: &str) {
    client.post(format!("/v1/projections/{name}/rebuild"), &json!({})).send().expect(202);
    let look = || client.get(format!("/v1/projections/{name}/rebuild"));
    let ended = until(look, |answer| answer.status == 200 && !answer.json()["endedAt"].is_null()).expect(200);
    assert_eq!(ended["error"], json!(null), "{ended}");
}

#[test]
fn cursors_go_on_after_a_kill_a_rebuild_and_new_records() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "2"]);
    deposit(&server.client, 6);
    trade(&server.client, 6);
    let lists = [
        LIST,
        "/v1/accounts/u/postings?order=asc",
        "/v1/accounts/u/orders?order=asc",
        "/v1/accounts/u/fills?order=asc",
        "/v1/markets/AAPL/trades?order=asc",
    ];
    let cursors = lists.map(|list| (list, cursor(&server.client, list)));
    let rows = lists.map(|list| rows_of_pages(&server.client, list, 1000));
    // The views' newest rows are not on the disk yet: a cursor waits for its place.
    server.kill();
    let server = home.serve_with(&[]);
    let client = &server.client;
    // The trail may lag, and is asked for nothing here that it doesn't have yet.
    let newest: serde_json::Value = serde_json::from_str(rows[0].last().unwrap()).unwrap();
    client.get_at("/v1/accounts/u/transactions?limit=1", &newest["position"]);
    for round in 0..2 {
        for ((list, cursor), rows) in cursors.iter().zip(&rows) {
            let rest = rows_of_pages(client, &format!("{list}&cursor={cursor}"), 1000);
            assert_eq!(rest[..rows.len() - 3], rows[3..], "{list} in round {round}");
            assert_eq!(stream(client, &format!("{list}&cursor={cursor}"), LINES), lines(&rest), "{list}");
        }
        deposit(client, 2);
        rebuild(client, "audit");
        rebuild(client, "settlement");
    }
}

#[test]
fn a_cursor_of_another_list_or_with_another_letter_is_refused() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "1"]);
    let client = &server.client;
    deposit(client, 4);
    let last = client.deposit("v", "USD", "1");
    client.get_at("/v1/accounts/v/transactions", &last);
    let own = cursor(client, LIST);
    let refused = |list: &str, cursor: &str| {
        for form in ["application/json", LINES] {
            let path = format!("{list}&cursor={cursor}");
            let problem = client.request("GET", path).header("accept", form).send();
            problem.expect_problem(422, "invalid-request");
        }
    };
    for foreign in [
        "/v1/accounts/v/transactions?order=asc",
        "/v1/accounts/u/transactions?order=desc",
        "/v1/accounts/u/transactions?order=asc&symbol=AAPL",
        "/v1/accounts/u/postings?order=asc",
        "/v1/audit/events?topic=orders",
    ] {
        refused(foreign, &own);
    }
    for at in 0..own.len() {
        let mut letters = own.clone().into_bytes();
        letters[at] = if letters[at] == b'A' { b'B' } else { b'A' };
        refused(LIST, std::str::from_utf8(&letters).unwrap());
    }
    // Another place says so in words, and is refused where no record of the list can stand.
    let rows = rows_of_pages(client, LIST, 1000);
    let second = serde_json::from_str::<serde_json::Value>(&rows[1]).unwrap()["position"].clone();
    let second = second.as_str().unwrap();
    assert_eq!(rows_of_pages(client, &format!("{LIST}&after={second}"), 3), rows[2..]);
    assert_eq!(stream(client, &format!("{LIST}&after={second}"), LINES), lines(&rows[2..]));
    for elsewhere in ["books-0@1", "orders-1@0", "orders-0", "nonsense"] {
        client.get(format!("{LIST}&after={elsewhere}")).expect_problem(422, "invalid-request");
    }
}
