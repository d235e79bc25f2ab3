//! Figures of 24 hours that move, candles in UTC, and candles without gaps.

use serde_json::{Value, json};

use orderledger_tests::client::Client;
use orderledger_tests::server::Home;

use super::{column, every};

/// An outside record of version 2.0.
fn record(number: u32, time: &str, event_type: &str, payload: &Value) -> String {
    format!(
        r#"{{"eventId":"00000000-0000-4000-8000-{number:012}","eventType":"{event_type}","timestamp":"{time}","payload":{payload},"metadata":{{"version":"2.0","source":"test"}}}}"#
    )
}

/// A home with these trades of AAPL: when, how many, at what price.
fn traded(trades: &[(&str, u64, &str)]) -> Home {
    let home = Home::new();
    let pay = |number, user: &str, asset: &str| {
        let paid = json!({"userId": user, "asset": asset, "amount": 1_000_000});
        record(number, "2025-01-01T00:00:00Z", "DepositMade", &paid)
    };
    let mut records = vec![pay(1, "b", "USD"), pay(2, "s", "AAPL")];
    for (number, (time, quantity, price)) in (10_u32..).step_by(10).zip(trades) {
        for (side, user, number) in [("sell", "s", number), ("buy", "b", number + 1)] {
            let price: serde_json::Number = price.parse().unwrap();
            let payload = json!({
                "orderId": format!("o{number}"), "userId": user, "symbol": "AAPL", "side": side, "orderType": "limit",
                "quantity": quantity, "price": price,
            });
            records.push(record(number, time, "OrderCreated", &payload));
        }
    }
    home.import(&records.iter().map(String::as_str).collect::<Vec<_>>());
    home
}

fn market(client: &Client) -> Value {
    let mut market = client.get("/v1/markets/AAPL").expect(200);
    market.as_object_mut().unwrap().remove("asOf");
    assert_eq!(client.get("/v1/markets").expect(200)["data"], json!([market]), "one call has them all");
    market
}

#[test]
fn the_figures_of_24_hours_move_with_the_last_trade() {
    let trades = [
        ("2025-01-15T10:00:00Z", 5, "90"),
        ("2025-01-15T10:00:00.000001Z", 1, "100"),
        ("2025-01-15T23:59:59.999999Z", 2, "130.5"),
        ("2025-01-16T10:00:00Z", 3, "101.25"),
    ];
    let home = traded(&trades[..3]);
    let server = home.serve();
    let expected = json!({
        "symbol": "AAPL", "last": "130.5", "bid": null, "bidSize": null, "ask": null, "askSize": null, "open": "90",
        "high": "130.5", "low": "90", "volume": 8, "vwap": "101.375", "tradeCount": 3, "change": "40.5",
    });
    assert_eq!(market(&server.client), expected);
    // 24 hours after the first trade it is no part of the day any more.
    let home = traded(&trades);
    let server = home.serve();
    let expected = json!({
        "symbol": "AAPL", "last": "101.25", "bid": null, "bidSize": null, "ask": null, "askSize": null, "open": "100",
        "high": "130.5", "low": "100", "volume": 6, "vwap": "110.7917", "tradeCount": 3, "change": "1.25",
    });
    assert_eq!(market(&server.client), expected);
}

#[test]
fn a_day_begins_at_midnight_of_utc() {
    let home = traded(&[
        ("2025-01-15T23:59:59.999999Z", 1, "10"),
        ("2025-01-16T00:00:00Z", 2, "11"),
        // The same moment in another zone's words is still the 16th in UTC.
        ("2025-01-17T01:30:00+02:00", 4, "12"),
        ("2025-01-18T12:00:00Z", 8, "13"),
    ]);
    let server = home.serve();
    let rows = server.client.get("/v1/markets/AAPL/candles?interval=1d&order=asc").expect(200)["data"].clone();
    let opens = ["15", "16", "18"].map(|day| json!(format!("2025-01-{day}T00:00:00Z")));
    assert_eq!(column(&rows, "/openTime"), opens);
    assert_eq!(column(&rows, "/volume"), [1, 6, 8].map(Value::from));
    let filled = "/v1/markets/AAPL/candles?interval=1d&order=asc&fill=previous&to=2025-01-20T00:00:00Z";
    let rows = server.client.get(filled).expect(200)["data"].clone();
    let opens = ["15", "16", "17", "18", "19"].map(|day| json!(format!("2025-01-{day}T00:00:00Z")));
    assert_eq!(column(&rows, "/openTime"), opens);
    assert_eq!(column(&rows, "/volume"), [1, 6, 0, 8, 0].map(Value::from));
}

#[test]
fn an_interval_without_a_trade_is_left_out_or_on_demand_a_row_at_the_price_before() {
    let home = traded(&[
        ("2025-01-15T10:00:30Z", 1, "10"),
        ("2025-01-15T10:00:40Z", 1, "12"),
        ("2025-01-15T10:05:00Z", 3, "11"),
    ]);
    let server = home.serve();
    let client = &server.client;
    let path = "/v1/markets/AAPL/candles?to=2025-01-15T10:08:00Z";
    let plain = client.get(format!("{path}&order=asc")).expect(200);
    assert_eq!(column(&plain["data"], "/openTime"), ["2025-01-15T10:00:00Z", "2025-01-15T10:05:00Z"].map(Value::from));
    let empty = |minute: u32, price: &str| {
        json!({
            "openTime": format!("2025-01-15T10:{minute:02}:00Z"), "open": price, "high": price, "low": price,
            "close": price, "volume": 0, "tradeCount": 0, "vwap": null,
        })
    };
    let (first, sixth) = (plain["data"][0].clone(), plain["data"][1].clone());
    let expected =
        [first, empty(1, "12"), empty(2, "12"), empty(3, "12"), empty(4, "12"), sixth, empty(6, "11"), empty(7, "11")];
    // The gap lies across pages of every size, in both directions.
    for limit in [1, 2, 3, 5, 8, 100] {
        let ascending = every(client, &format!("{path}&fill=previous&order=asc&limit={limit}"));
        assert_eq!(ascending, expected, "{limit}");
        let mut descending = every(client, &format!("{path}&fill=previous&limit={limit}"));
        descending.reverse();
        assert_eq!(descending, expected, "{limit}");
    }
    let within = format!("{path}&fill=previous&order=asc&from=2025-01-15T10:02:00.5Z");
    assert_eq!(every(client, &within), expected[3..]);
    assert_eq!(
        every(client, &format!("{path}&fill=previous&from=2025-01-15T09:00:00Z")).len(),
        8,
        "none before the first"
    );

    // Without an end they go on to the present, a page at a time.
    let newest = client.get("/v1/markets/AAPL/candles?fill=previous&limit=1000").expect(200);
    assert_eq!(newest["data"].as_array().unwrap().len(), 1000);
    assert!(newest["nextCursor"].is_string() && column(&newest["data"], "/close").iter().all(|close| close == "11"));
    client.get(format!("{path}&fill=zero")).expect_problem(422, "invalid-request");
    // A cursor belongs to its list: with gaps or without.
    let page = client.get(format!("{path}&limit=1")).expect(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    client.get(format!("{path}&limit=1&fill=previous&cursor={cursor}")).expect_problem(422, "invalid-request");
}
