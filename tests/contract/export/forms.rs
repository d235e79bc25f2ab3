//! Lines and tables are the rows of the pages.

use csv::ReaderBuilder;
use orderledger_tests::client::Client;
use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::{LINES, TABLE, lines, rows_of_pages, stream};

/// What a spreadsheet would run.
const FORMULA: &str = "=HYPERLINK(\"http://x\",\"y\")";

/// Trades of two symbols, among them orders with a formula for a name; where the last record stands.
fn trade(client: &Client) -> Value {
    client.deposit("buyer", "USD", "100000");
    client.deposit("seller", "AAPL", "1000");
    client.deposit("seller", "MSFT", "1000");
    let mut last = Value::Null;
    for number in 1..=12_u64 {
        let symbol = if number % 3 == 0 { "MSFT" } else { "AAPL" };
        client.order("seller", "sell", symbol, number, "10");
        let names = [FORMULA, "-2+3", "-7", "'quoted", "plain"];
        let mut body = orderledger_tests::client::limit("buy", symbol, number, "10.5");
        body["clientOrderId"] = json!(names[usize::try_from(number).unwrap() % names.len()]);
        let order = client.post("/v1/accounts/buyer/orders", &body).wait().send().expect(200);
        last = order["position"].clone();
    }
    last
}

/// All lists of history: with filters, and whether their order can be chosen.
fn lists(client: &Client, order: &str) -> Vec<(String, bool)> {
    let history = "/v1/accounts/buyer/transactions";
    let middle = &client.get(format!("{history}?limit=1000")).expect(200)["data"][9];
    let (own, _) = middle["position"].as_str().unwrap().split_once('@').unwrap();
    let own = own.strip_prefix("orders-").unwrap().to_owned();
    let middle = middle["recordedAt"].as_str().unwrap();
    let market = "/v1/markets/AAPL/transactions";
    let chosen = [
        history.to_owned(),
        format!("{history}?symbol=MSFT"),
        format!("{history}?symbol=AAPL&type=OrderFilled,OrderCreated"),
        format!("{history}?from={middle}"),
        format!("{history}?to={middle}"),
        format!("/v1/orders/{order}/transactions"),
        market.to_owned(),
        format!("{market}?type=TradeExecuted"),
        format!("{market}?from={middle}"),
        "/v1/accounts/buyer/orders".to_owned(),
        "/v1/accounts/buyer/orders?symbol=MSFT".to_owned(),
        "/v1/accounts/seller/fills".to_owned(),
        "/v1/accounts/buyer/postings".to_owned(),
        "/v1/accounts/buyer/postings?asset=USD".to_owned(),
        "/v1/markets/AAPL/trades".to_owned(),
    ];
    let audit = "/v1/audit/events";
    let fixed = [
        audit.to_owned(),
        format!("{audit}?symbol=AAPL"),
        format!("{audit}?topic=trades"),
        format!("{audit}?topic=orders&partition={own}&type=OrderCreated,OrderFilled"),
        format!("{audit}?since={middle}"),
    ];
    chosen.into_iter().map(|list| (list, true)).chain(fixed.into_iter().map(|list| (list, false))).collect()
}

/// Whether a cell shows what the field is.
fn shows(cell: &str, field: &Value) -> bool {
    match field {
        Value::Null => cell.is_empty(),
        Value::String(text) => cell.strip_prefix('\'').unwrap_or(cell) == text,
        other => other.to_string().as_str() == cell,
    }
}

/// Every field of a row has a cell under its name, and no cell shows anything else.
fn check_table(table: &str, rows: &[String], list: &str) {
    let mut table = ReaderBuilder::new().from_reader(table.as_bytes());
    let names = table.headers().unwrap().clone();
    let records: Vec<csv::StringRecord> = table.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), rows.len(), "{list}");
    for (record, text) in records.iter().zip(rows) {
        let row: Value = serde_json::from_str(text).unwrap();
        for name in row.as_object().unwrap().keys() {
            assert!(names.iter().any(|column| column == name), "{list}: no column {name} of {text}");
        }
        for (name, cell) in names.iter().zip(record) {
            let first = cell.chars().next().unwrap_or('x');
            let is_number = cell.parse::<f64>().is_ok();
            assert!(is_number || !"=+-@\t\r".contains(first), "{list}: a formula in {name}: {cell}");
            match name {
                "type" => assert_eq!(cell, row["event"]["eventType"], "{list}"),
                "event" => assert!(text.contains(&format!("\"event\":{cell}")), "{list}: {cell} is not in {text}"),
                _ => assert!(shows(cell, &row[name]), "{list}: {name} is {cell} in {text}"),
            }
        }
    }
}

#[test]
fn lines_and_tables_are_the_rows_of_the_pages_in_both_directions() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "3"]);
    let client = &server.client;
    let last = trade(client);
    client.get_at("/v1/audit/events?limit=1", &last);
    client.get_at("/v1/accounts/buyer/balances", &last);
    client.get_at("/v1/markets/AAPL", &last);
    let order = client.get("/v1/accounts/buyer/orders?limit=1").expect(200)["data"][0]["orderId"].clone();
    for (list, has_order) in lists(client, order.as_str().unwrap()) {
        let join = if list.contains('?') { '&' } else { '?' };
        let both = [format!("{list}{join}order=asc"), format!("{list}{join}order=desc")];
        let ways = if has_order { both.to_vec() } else { vec![list.clone()] };
        let mut seen: Vec<Vec<String>> = Vec::new();
        for list in ways {
            let rows = rows_of_pages(client, &list, 4);
            assert!(rows.len() > 2, "{list}: {rows:?}");
            assert_eq!(stream(client, &list, LINES), lines(&rows), "{list}");
            check_table(&stream(client, &list, TABLE), &rows, &list);
            let join = if list.contains('?') { '&' } else { '?' };
            assert_eq!(stream(client, &format!("{list}{join}limit=2"), LINES), lines(&rows[..2]), "{list}");
            seen.push(rows);
        }
        if let [asc, desc] = seen.as_mut_slice() {
            desc.reverse();
            assert_eq!(asc, desc, "{list}");
        }
    }
    let orders = stream(client, "/v1/accounts/buyer/orders", TABLE);
    assert!(orders.contains("'=HYPERLINK") && orders.contains("'-2+3") && orders.contains("\"-7\""), "{orders}");
    // Every list that the document has in other forms is among those above; a statement and what goes out a day or a log at once are no lists.
    let elsewhere = ["/v1/accounts/{userId}/statement", "/v1/analytics/export/{kind}", "/v1/log/export"];
    let document = client.get("/openapi.json").expect(200);
    let streamed = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, path)| path["get"]["responses"]["200"]["content"].get(LINES).is_some())
        .filter(|(path, _)| !elsewhere.contains(&path.as_str()));
    assert_eq!(streamed.count(), 8);
}

#[test]
fn the_filters_find_what_names_the_symbol() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "2"]);
    let client = &server.client;
    let last = trade(client);
    client.get_at("/v1/audit/events?limit=1", &last);
    let everything = rows_of_pages(client, "/v1/accounts/buyer/transactions", 1000);
    for symbol in ["AAPL", "MSFT"] {
        let named = everything.iter().filter(|row| row.contains(&format!("\"symbol\":\"{symbol}\"")));
        let named: Vec<String> = named.cloned().collect();
        assert!(!named.is_empty());
        let list = format!("/v1/accounts/buyer/transactions?symbol={symbol}");
        assert_eq!(rows_of_pages(client, &list, 3), named, "{symbol}");
        let audit = rows_of_pages(client, "/v1/audit/events", 1000);
        let named = audit.into_iter().filter(|row| row.contains(&format!("\"symbol\":\"{symbol}\"")));
        let list = format!("/v1/markets/{symbol}/transactions?order=asc");
        assert_eq!(rows_of_pages(client, &list, 5), named.collect::<Vec<String>>(), "{symbol}");
    }
    assert_eq!(rows_of_pages(client, "/v1/accounts/buyer/transactions?symbol=NONE", 3), [""; 0]);
    client.get("/v1/markets/NONE/transactions").expect_problem(404, "unknown-market");
    let lines = client.request("GET", "/v1/markets/NONE/transactions").header("accept", LINES).send();
    lines.expect_problem(404, "unknown-market");
}

#[test]
fn a_form_that_nobody_has_is_refused_and_json_stays_what_it_was() {
    let home = Home::embedded();
    let server = home.serve();
    let client = &server.client;
    let last = client.deposit("u", "USD", "1");
    let list = "/v1/accounts/u/transactions";
    client.get_at(list, &last);
    let ask = |accept: &str| client.request("GET", list).header("accept", accept).send();
    let refused = ask("application/xml, text/csv;q=0").expect_problem(406, "not-acceptable");
    for form in ["application/json", LINES, TABLE] {
        assert!(refused["detail"].as_str().unwrap().contains(form), "{refused}");
    }
    for json in ["*/*", "application/json", "text/csv;q=0.1, application/json", "text/html, */*;q=0.8"] {
        assert_eq!(ask(json).body, client.get(list).body, "{json}");
    }
    let lines = ask(LINES);
    assert_eq!((lines.status, lines.headers["content-type"].as_str()), (200, LINES));
    assert_eq!(lines.headers["vary"], "accept");
    let positions = &client.get(list).expect(200)["asOf"]["positions"];
    let (partition, offset) = positions.as_object().unwrap().iter().next().unwrap();
    assert_eq!(lines.headers["ledger-position"], format!("{partition}@{offset}"));
    let table = ask(TABLE);
    assert_eq!(table.headers["content-disposition"], "attachment; filename=\"transactions.csv\"");
    assert!(table.headers["content-type"].starts_with("text/csv"));
    let unknown = client.request("GET", "/v1/accounts/nobody/transactions").header("accept", TABLE).send();
    unknown.expect_problem(404, "unknown-account");
    let wrong = client.request("GET", format!("{list}?limit=0")).header("accept", LINES).send();
    wrong.expect_problem(422, "invalid-request");
}
