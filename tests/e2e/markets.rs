//! What trades make of a market: figures, tape, candles, book.

use serde_json::{Value, json};

use orderledger_tests::server::Home;

/// An outside record of version 2.0.
fn record(number: u32, time: &str, event_type: &str, payload: &Value) -> String {
    format!(
        r#"{{"eventId":"00000000-0000-4000-8000-{number:012}","eventType":"{event_type}","timestamp":"2025-01-15T{time}Z","payload":{payload},"metadata":{{"version":"2.0","source":"test"}}}}"#
    )
}

fn order(number: u32, time: &str, user: &str, side: &str, quantity: u64, price: &str) -> String {
    let price: serde_json::Number = price.parse().unwrap();
    let payload = json!({
        "orderId": format!("o{number}"), "userId": user, "symbol": "AAPL", "side": side, "orderType": "limit",
        "quantity": quantity, "price": price,
    });
    record(number, time, "OrderCreated", &payload)
}

fn deposit(number: u32, user: &str, asset: &str) -> String {
    record(number, "10:00:00", "DepositMade", &json!({"userId": user, "asset": asset, "amount": 100_000}))
}

/// A morning with four hundred trades of `b` with `s`.
pub(crate) fn busy_morning() -> Home {
    let home = Home::new();
    let mut records = vec![deposit(1, "b", "USD"), deposit(2, "s", "AAPL")];
    for number in 3..403 {
        records.push(order(number, "10:30:00", "s", "sell", 1, "100"));
        records.push(order(number + 400, "10:30:00", "b", "buy", 1, "100"));
    }
    home.import(&records.iter().map(String::as_str).collect::<Vec<_>>());
    home
}

/// A morning with four trades.
fn morning() -> Home {
    let home = Home::new();
    let records = [
        deposit(1, "b", "USD"),
        deposit(2, "s", "AAPL"),
        order(3, "10:30:00", "s", "sell", 10, "100"),
        order(4, "10:30:00", "s", "sell", 5, "101"),
        order(5, "10:30:10", "b", "buy", 4, "100"),
        order(6, "10:30:50", "b", "buy", 8, "101"),
        order(7, "10:32:00", "b", "buy", 1, "102"),
        order(8, "10:33:00", "b", "buy", 3, "99.5"),
    ];
    home.import(&records.iter().map(String::as_str).collect::<Vec<_>>());
    home
}

#[test]
fn trades_make_the_figures_of_a_day() {
    let home = morning();
    let server = home.serve();
    let mut market = server.client.get("/v1/markets/AAPL").expect(200);
    market.as_object_mut().unwrap().remove("asOf");
    let expected = json!({
        "symbol": "AAPL", "last": "101", "bid": "99.5", "bidSize": 3, "ask": "101", "askSize": 2, "open": "100",
        "high": "101", "low": "100", "volume": 13, "vwap": "100.2308", "tradeCount": 4, "change": "1",
    });
    assert_eq!(market, expected);
    let listed = server.client.get("/v1/markets").expect(200)["data"].clone();
    assert_eq!(listed, json!([expected]));
}

#[test]
fn the_tape_shows_every_trade_with_its_taker() {
    let home = morning();
    let server = home.serve();
    let tape = server.client.get("/v1/markets/AAPL/trades?order=asc").expect(200)["data"].clone();
    let row = |trade: &Value| {
        let text = |field: &str| trade[field].as_str().unwrap().to_owned();
        let quantity = trade["quantity"].as_u64().unwrap();
        format!("{} {quantity} at {}, {} at {}", text("tradeId"), text("price"), text("takerSide"), text("time"))
    };
    let rows: Vec<String> = tape.as_array().unwrap().iter().map(row).collect();
    let expected = [
        "AAPL-1 4 at 100, buy at 2025-01-15T10:30:10Z",
        "AAPL-2 6 at 100, buy at 2025-01-15T10:30:50Z",
        "AAPL-3 2 at 101, buy at 2025-01-15T10:30:50Z",
        "AAPL-4 1 at 101, buy at 2025-01-15T10:32:00Z",
    ];
    assert_eq!(rows, expected);
    let within = "/v1/markets/AAPL/trades?from=2025-01-15T10:30:50Z&to=2025-01-15T10:32:00Z";
    assert_eq!(server.client.get(within).expect(200)["data"].as_array().unwrap().len(), 2);
}

#[test]
fn candles_hold_what_was_traded_in_their_interval() {
    let home = morning();
    let server = home.serve();
    let candles = |interval: &str| {
        let path = format!("/v1/markets/AAPL/candles?interval={interval}&order=asc");
        server.client.get(path).expect(200)["data"].clone()
    };
    let first = json!({
        "openTime": "2025-01-15T10:30:00Z", "open": "100", "high": "101", "low": "100", "close": "101", "volume": 12,
        "tradeCount": 3, "vwap": "100.1667",
    });
    let second = json!({
        "openTime": "2025-01-15T10:32:00Z", "open": "101", "high": "101", "low": "101", "close": "101", "volume": 1,
        "tradeCount": 1, "vwap": "101",
    });
    assert_eq!(candles("1m"), json!([first, second]));
    for (interval, open_time) in [("5m", "10:30"), ("15m", "10:30"), ("1h", "10:00"), ("1d", "00:00")] {
        let rows = candles(interval);
        assert_eq!(rows.as_array().unwrap().len(), 1, "{interval}: {rows}");
        assert_eq!(rows[0]["openTime"], format!("2025-01-15T{open_time}:00Z"));
        assert_eq!((&rows[0]["volume"], &rows[0]["vwap"]), (&json!(13), &json!("100.2308")));
    }
}

#[test]
fn the_book_shows_what_rests_best_first() {
    let home = morning();
    let server = home.serve();
    let client = &server.client;
    let better = client.order("b", "buy", "AAPL", 2, "99.75");
    let third = client.order("b", "buy", "AAPL", 5, "99.5");
    let book = client.get_at("/v1/markets/AAPL/book", &third["position"]);
    let bids = json!([{"price": "99.75", "quantity": 2, "orders": 1}, {"price": "99.5", "quantity": 8, "orders": 2}]);
    assert_eq!(book["bids"], bids);
    assert_eq!(book["asks"], json!([{"price": "101", "quantity": 2, "orders": 1}]));
    let top = client.get_at("/v1/markets/AAPL/book?depth=1", &third["position"]);
    assert_eq!(top["bids"].as_array().unwrap().len(), 1);
    for depth in ["0", "1001", "x"] {
        client.get(format!("/v1/markets/AAPL/book?depth={depth}")).expect_problem(422, "invalid-request");
    }
    assert_eq!(better["status"], "new");
}
