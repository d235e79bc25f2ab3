//! The canary: an order that travels the whole way, and says how long that takes.

use std::collections::BTreeSet;

use orderledger_tests::client::{Client, until};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

#[test]
fn the_canarys_orders_come_through_and_stay_out_of_the_lists() {
    let home = Home::embedded();
    let server = home.serve_with(&["--canary"]);
    let client = &server.client;
    client.deposit("ann", "AAPL", "1");
    client.order("ann", "sell", "AAPL", 1, "150");
    let metrics = || client.get("/metrics").body;
    let value = |text: &str, name: &str| -> f64 {
        let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(found, _)| found == name));
        line.and_then(|line| line.rsplit_once(' ')).unwrap().1.parse().unwrap()
    };
    let done = "orderledger_canary_rounds_total{outcome=\"done\"}";
    // Both ways.
    let text = until(metrics, |text| value(text, done) >= 2.0);
    assert!(value(&text, done) >= 2.0, "{text}");
    // On a busy machine a round may be later than its patience, and is told as failed.
    let all_came_through = value(&text, "orderledger_canary_rounds_total{outcome=\"failed\"}") == 0.0;
    let took = |step: &str| {
        let part = |part: &str| value(&text, &format!("orderledger_canary_duration_seconds_{part}{{step=\"{step}\"}}"));
        assert!(part("count") >= 2.0, "{step}: {text}");
        part("sum") / part("count")
    };
    let steps = ["accepted", "matched", "settled", "shown"].map(took);
    assert!(steps[0] > 0.0 && (steps.is_sorted() || !all_came_through), "{steps:?}");

    let markets = client.get("/v1/markets").expect(200);
    let symbols: Vec<&str> =
        markets["data"].as_array().unwrap().iter().map(|row| row["symbol"].as_str().unwrap()).collect();
    assert_eq!(symbols, ["AAPL"]);
    assert_eq!(client.get("/v1/markets/LEDGER.CANARY").expect(200)["last"], "1");
    exports_leave_it_out(client);
    server.stop();
    home.verify();

    let server = home.serve();
    let text = server.client.get("/metrics").body;
    assert_eq!(value(&text, done), 0.0, "it is off unless asked for");
    server.stop();
}

#[test]
fn nobody_else_trades_in_the_canarys_market_or_for_its_accounts() {
    let home = Home::embedded();
    let server = home.serve();
    let client = &server.client;
    let order =
        |symbol: &str| json!({"symbol": symbol, "side": "buy", "orderType": "limit", "quantity": 1, "price": "1"});
    let money = json!({"asset": "USD", "amount": "1", "reason": "x"});
    let refused = |path: &str, body: &Value, field: &str| {
        let problem = client.post(path, body).send().expect_problem(422, "invalid-request");
        let errors = problem["errors"].to_string();
        assert!(errors.contains(field) && errors.contains("the ledger's own"), "{path}: {problem}");
    };
    for path in ["/v1/accounts/ann/orders", "/v1/accounts/ann/orders?dryRun=true"] {
        refused(path, &order("LEDGER.CANARY"), "symbol");
    }
    for call in ["orders", "deposits", "withdrawals", "adjustments"] {
        let body = if call == "orders" { order("AAPL") } else { money.clone() };
        refused(&format!("/v1/accounts/ledger.canary-3/{call}"), &body, "userId");
    }
    let mut items = [("ann", "LEDGER.CANARY"), ("ledger.canary-1", "AAPL")].map(|(user, symbol)| {
        let mut item = order(symbol);
        item["userId"] = json!(user);
        item
    });
    let answer = client.post("/v1/bulk/orders", &json!({"orders": items})).send().expect(200);
    let is_refused = |row: &Value| row["status"] == 422 && row.to_string().contains("the ledger's own");
    assert!(answer["data"].as_array().unwrap().iter().all(is_refused), "{answer}");
    items[1]["userId"] = json!("ledger.canaries");
    let answer = client.post("/v1/bulk/orders", &json!({"orders": items})).send().expect(202);
    assert!(!is_refused(&answer["data"][1]), "{answer}");
    server.stop();
}

/// Files of the day have what others did, and nothing of the canary.
fn exports_leave_it_out(client: &Client) {
    client.deposit("bob", "USD", "1000");
    let bought = client.order("bob", "buy", "AAPL", 1, "150");
    client.get_at("/v1/analytics/symbols", &bought["position"]);
    let until_some = |path: &str| {
        until(|| client.get(path).expect(200), |page| page["data"].as_array().is_some_and(|rows| !rows.is_empty()))
    };
    until_some("/v1/markets/AAPL/trades");
    let fills = until_some("/v1/accounts/bob/fills");
    let fill = &fills["data"][0];
    client.get_at("/v1/analytics/symbols", &fill["position"]);
    let day = fill["time"].as_str().unwrap().split('T').next().unwrap();
    for (kind, name, expected) in [
        ("trades", "symbol", &["AAPL"][..]),
        ("orders", "userId", &["ann", "bob"]),
        ("postings", "account", &["ann:available", "bob:available"]),
    ] {
        let answer = client.get(format!("/v1/analytics/export/{kind}?day={day}&waitMs=10000"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let names: BTreeSet<String> = answer
            .body
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()[name].as_str().unwrap().to_owned())
            .collect();
        assert!(expected.iter().all(|wanted| names.contains(*wanted)), "{kind}: {names:?}");
        let is_canarys = |name: &String| name.to_ascii_lowercase().contains("canary");
        assert!(!names.iter().any(is_canarys), "{kind}: {names:?}");
    }
}
