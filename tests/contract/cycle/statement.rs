//! Statements: opening balances and every posting make the closing balances, in every form and for every period.

use std::collections::BTreeMap;

use csv::ReaderBuilder;
use orderledger_tests::client::{Client, limit};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::{close, units};

/// Deposits, trades, an open order and a withdrawal of `ann`; the position of the last.
fn trade(client: &Client, orders: u64) -> Value {
    client.deposit("ann", "USD", "5000");
    client.deposit("bob", "AAPL", "500");
    for number in 1..=orders {
        client.order("bob", "sell", "AAPL", 2, "10");
        client.order("ann", "buy", "AAPL", 1 + number % 3, "10.5");
    }
    let out = client.post("/v1/accounts/ann/withdrawals", &json!({"asset": "USD", "amount": "12.5"}));
    out.wait().send().expect(200)["position"].clone()
}

/// All pages of a statement: the first, and every posting.
fn pages(client: &Client, query: &str) -> (Value, Vec<Value>) {
    let path = format!("/v1/accounts/ann/statement?{query}&waitMs=10000");
    let first = client.get(&path).expect(200);
    let (mut rows, mut page) = (Vec::new(), first.clone());
    loop {
        rows.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["nextCursor"].as_str() else { return (first, rows) };
        page = client.get(format!("{path}&cursor={next}")).expect(200);
        assert!(page.get("balances").is_none(), "{page}");
    }
}

/// By asset, what the balances of a statement say of that edge.
fn edge(statement: &Value, name: &str) -> BTreeMap<String, [i128; 3]> {
    let row = |row: &Value| {
        let parts = ["total", "available", "reserved"].map(|part| units(&row[name][part]));
        (row["asset"].as_str().unwrap().to_owned(), parts)
    };
    statement["balances"].as_array().unwrap().iter().map(row).collect()
}

/// Rolls the opening balances forward, posting by posting.
fn check_sums(statement: &Value, postings: &[Value]) {
    assert_eq!(statement["addsUp"], true, "{statement}");
    let mut rolled = edge(statement, "opening");
    for row in postings {
        let parts = rolled.get_mut(row["asset"].as_str().unwrap()).unwrap();
        let change = units(&row["credit"]) - units(&row["debit"]);
        parts[0] += change;
        parts[if row["account"].as_str().unwrap().ends_with(":reserved") { 2 } else { 1 }] += change;
        assert_eq!(*parts, ["total", "available", "reserved"].map(|part| units(&row[part])), "{row}");
    }
    assert_eq!(rolled, edge(statement, "closing"), "{statement}");
    for row in statement["balances"].as_array().unwrap() {
        let sum = |field: &str| {
            let own = postings.iter().filter(|posting| posting["asset"] == row["asset"]);
            own.map(|posting| units(&posting[field])).sum::<i128>()
        };
        assert_eq!((units(&row["debit"]), units(&row["credit"])), (sum("debit"), sum("credit")), "{row}");
    }
}

#[test]
fn a_statement_adds_up_for_any_period() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "2"]);
    let client = &server.client;
    let last = trade(client, 12);
    let day = close(client, &Value::Null)["tradingDay"].as_str().unwrap().to_owned();
    let behind = client.deposit("ann", "USD", "1");
    client.get_at("/v1/audit/events", &behind);
    let (whole, postings) = pages(client, &format!("minPosition={}&limit=7", behind.as_str().unwrap()));
    check_sums(&whole, &postings);
    assert_eq!(edge(&whole, "opening")["USD"], [0; 3]);
    assert_eq!((&whole["from"], &whole["openingPosition"]), (&Value::Null, &Value::Null));
    let all = client.get("/v1/accounts/ann/postings?order=asc&limit=1000").expect(200);
    assert_eq!(json!(postings), all["data"]);

    // By the time of any record: from it on, and before it.
    let history = client.get("/v1/accounts/ann/transactions?order=asc&limit=1000").expect(200);
    let times: Vec<&str> =
        history["data"].as_array().unwrap().iter().map(|row| row["recordedAt"].as_str().unwrap()).collect();
    for (from, to) in [(0, times.len() / 2), (times.len() / 3, times.len() - 1), (times.len() / 2, times.len() / 2)] {
        let (from, to) = (times[from], times[to]);
        let (stated, found) = pages(client, &format!("from={from}&to={to}&limit=5"));
        check_sums(&stated, &found);
        let (before, earlier) = pages(client, &format!("to={from}&limit=1000"));
        assert_eq!(
            edge(&before, "closing").get("USD"),
            Some(&edge(&stated, "opening")["USD"]).filter(|_| !earlier.is_empty())
        );
        let until = client.get(format!("/v1/accounts/ann/statement?to={to}&limit=1000")).expect(200);
        assert_eq!(until["data"].as_array().unwrap().len(), earlier.len() + found.len());
    }

    // By trading days: the day holds everything up to its close, the next one what came behind it.
    let (of_day, found) = pages(client, &format!("from={day}&to={day}&limit=1000"));
    check_sums(&of_day, &found);
    assert_eq!(found.last().unwrap()["position"], last);
    assert_eq!(found.len() + 1, postings.len());
    let tomorrow = "9999-12-31";
    let (next, found) = pages(client, &format!("from={tomorrow}&limit=1000"));
    check_sums(&next, &found);
    assert_eq!((found.len(), &found[0]["position"]), (1, &behind));
    assert_eq!(next["openingPosition"], of_day["closingPosition"]);
    for bad in [
        "from=x",
        "from=2025-1-1",
        "to=2001-01-01",
        "from=2025-02-01T00:00:00Z&to=2025-01-01T00:00:00Z",
        "order=asc",
        "limit=0",
        "cursor=x",
    ] {
        client.get(format!("/v1/accounts/ann/statement?{bad}")).expect_problem(422, "invalid-request");
    }
    client.get("/v1/accounts/nobody/statement").expect_problem(404, "unknown-account");
    server.stop();
    home.verify();
}

#[test]
fn later_pages_are_of_the_same_period_whatever_comes_meanwhile() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "1"]);
    let client = &server.client;
    let last = trade(client, 6);
    let path = format!("/v1/accounts/ann/statement?limit=5&minPosition={}&waitMs=10000", last.as_str().unwrap());
    let first = client.get(&path).expect(200);
    let mut rows = first["data"].as_array().unwrap().clone();
    let mut next = first["nextCursor"].as_str().map(str::to_owned);
    while let Some(cursor) = next {
        client.deposit("ann", "USD", "3");
        let page = client.get(format!("{path}&cursor={cursor}")).expect(200);
        assert_eq!(page["closingPosition"], first["closingPosition"]);
        rows.extend(page["data"].as_array().unwrap().clone());
        next = page["nextCursor"].as_str().map(str::to_owned);
    }
    check_sums(&first, &rows);
    assert_eq!(rows.last().unwrap()["position"], last);
}

#[test]
fn a_table_and_lines_hold_the_whole_statement() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "1"]);
    let client = &server.client;
    // More postings than one stretch.
    let last = trade(client, 160);
    let mut open = limit("buy", "AAPL", 1, "1");
    open["clientOrderId"] = json!("=1+1");
    client.post("/v1/accounts/ann/orders", &open).wait().send().expect(200);
    let query = format!("minPosition={}", last.as_str().unwrap());
    let (stated, postings) = pages(client, &format!("{query}&limit=1000"));
    assert!(postings.len() > 600, "{}", postings.len());
    let path = format!("/v1/accounts/ann/statement?{query}&waitMs=10000");
    let answer = |form: &str| {
        let answer = client.request("GET", path.clone()).header("accept", form).send();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    };
    let lines = answer("application/x-ndjson").body;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["line"] == kind).cloned().collect::<Vec<Value>>();
    assert_eq!(of("posting").len(), postings.len());
    for (line, posting) in of("posting").iter().zip(&postings) {
        for (name, value) in posting.as_object().unwrap() {
            assert_eq!(&line[name], value, "{name} of {line}");
        }
    }
    for (kind, name) in [("opening", "opening"), ("closing", "closing")] {
        let found: BTreeMap<String, [i128; 3]> = of(kind)
            .iter()
            .map(|row| {
                let parts = ["total", "available", "reserved"].map(|part| units(&row[part]));
                (row["asset"].as_str().unwrap().to_owned(), parts)
            })
            .collect();
        assert_eq!(found, edge(&stated, name));
    }
    let table = answer("text/csv");
    assert!(table.headers["content-disposition"].contains("statement.csv"), "{:?}", table.headers);
    let mut table = ReaderBuilder::new().from_reader(table.body.as_bytes());
    let names = table.headers().unwrap().clone();
    let records: Vec<csv::StringRecord> = table.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), lines.len());
    for (record, line) in records.iter().zip(&lines) {
        for (name, cell) in names.iter().zip(record) {
            let value = &line[name];
            assert!(value.as_str().unwrap_or_default() == cell, "{name}: {cell} for {value}");
        }
    }
    for bad in ["limit=5", "cursor=x"] {
        let refused = client.request("GET", format!("{path}&{bad}")).header("accept", "text/csv").send();
        refused.expect_problem(422, "invalid-request");
    }
    server.stop();
}
