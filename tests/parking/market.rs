//! A symbol parked in market.

use orderledger_tests::client::until;
use serde_json::json;

use crate::ground::{Ground, parked, projection};

#[test]
fn a_discarded_trade_leaves_its_number_and_the_next_ones_go_on() {
    let ground = Ground::new();
    let server = ground.serve();
    let client = &server.client;
    client.deposit("seller", "AAPL", "100");
    client.deposit("buyer", "USD", "100000");
    let trade = |price: &str| {
        client.order("seller", "sell", "AAPL", 1, price);
        client.order("buyer", "buy", "AAPL", 1, price);
    };
    let tape = |many: usize| {
        let read = || client.get("/v1/markets/AAPL/trades").expect(200)["data"].clone();
        until(read, |rows| rows.as_array().unwrap().len() == many)
    };
    trade("10");
    let poisoned = crate::ground::after(&tape(1)[0]["position"], 1);
    ground.poison(&[format!("market:{poisoned}")]);
    trade("11");
    trade("12");
    until(|| parked(client, "symbol:AAPL"), |row| row["waiting"] == 2);
    let decision = json!({"position": poisoned, "reason": "busted"});
    let answer = client.post("/v1/parked/symbol:AAPL/discard", &decision).send().expect(202);
    assert_eq!(answer["state"], "released", "{answer}");
    trade("13");
    let rows = tape(3);
    let numbers: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["tradeId"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["AAPL-4", "AAPL-3", "AAPL-1"]);
    let market = client.get("/v1/markets/AAPL").expect(200);
    assert_eq!((&market["tradeCount"], market.get("state")), (&json!(3), None), "{market}");
    server.stop();
    ground.poison(&[]);
    ground.home().verify();
    let (code, said) = ground.home().run(&["rebuild", "all"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_failing_trade_parks_its_symbol_alone() {
    let ground = Ground::new();
    let server = ground.serve();
    let client = &server.client;
    client.deposit("seller", "AAPL", "100");
    client.deposit("seller", "MSFT", "100");
    client.deposit("buyer", "USD", "100000");
    let trade = |symbol: &str, price: &str| {
        client.order("seller", "sell", symbol, 1, price);
        client.order("buyer", "buy", symbol, 1, price)["position"].clone()
    };
    trade("AAPL", "10");
    let tape = until(
        || client.get("/v1/markets/AAPL/trades").expect(200),
        |tape| !tape["data"].as_array().unwrap().is_empty(),
    );
    let first = tape["data"][0]["position"].clone();
    let poisoned = crate::ground::after(&first, 1);
    ground.poison(&[format!("market:{poisoned}")]);
    trade("AAPL", "11");
    trade("AAPL", "12");
    let row = until(|| parked(client, "symbol:AAPL"), |row| row["waiting"] == 2);
    assert_eq!((&row["projection"], &row["firstPosition"]), (&json!("market"), &json!(poisoned)), "{row}");
    trade("MSFT", "20");
    for path in ["AAPL", "AAPL/trades", "AAPL/candles"] {
        let answer = client.get(format!("/v1/markets/{path}")).expect(200);
        assert_eq!((&answer["state"], &answer["waiting"]), (&json!("parked"), &json!(2)), "{path}: {answer}");
    }
    let listed = client.get("/v1/markets").expect(200)["data"].clone();
    let states: Vec<_> = listed.as_array().unwrap().iter().map(|row| (&row["symbol"], row.get("state"))).collect();
    assert_eq!(states, [(&json!("AAPL"), Some(&json!("parked"))), (&json!("MSFT"), None)], "{listed}");
    let other = until(|| client.get("/v1/markets/MSFT").expect(200), |market| market["last"].is_string());
    assert_eq!(other.get("state"), None, "{other}");
    assert_eq!(projection(client, "settlement")["parkedEntities"], 0, "money is settled all the same");
    ground.poison(&[]);
    let answer = client.post("/v1/parked/symbol:AAPL/retry", &json!({"position": poisoned})).send().expect(202);
    assert_eq!(answer["state"], "released", "{answer}");
    let market = client.get("/v1/markets/AAPL").expect(200);
    assert!(market["last"].as_str().unwrap().starts_with("12"), "{market}");
    assert_eq!(market["tradeCount"], 3, "{market}");
    server.stop();
    ground.home().verify();
}
