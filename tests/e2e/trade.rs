//! One order's whole way.

use serde_json::{Value, json};

use orderledger_tests::server::Home;

fn types(transactions: &Value) -> Vec<String> {
    let rows = transactions["data"].as_array().unwrap();
    rows.iter().map(|row| row["event"]["eventType"].as_str().unwrap().to_owned()).collect()
}

fn balance(total: &str, available: &str, reserved: &str) -> [String; 3] {
    [total, available, reserved].map(str::to_owned)
}

#[test]
fn an_order_is_placed_filled_canceled_and_still_known_after_a_kill() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("buyer", "USD", "20000.00");
    client.deposit("seller", "AAPL", "100");
    let buy = client.order("buyer", "buy", "AAPL", 100, "150.25");
    assert_eq!(buy["status"], "new");
    assert_eq!(client.balances("buyer", &buy["position"])["USD"], balance("20000", "4975", "15025"));
    let market = client.get_at("/v1/markets/AAPL", &buy["position"]);
    assert_eq!((&market["bid"], &market["bidSize"], &market["last"]), (&json!("150.25"), &json!(100), &Value::Null));

    let sell = client.order("seller", "sell", "AAPL", 60, "150.00");
    assert_eq!((&sell["status"], &sell["avgPrice"]), (&json!("filled"), &json!("150.25")));
    let seller = client.balances("seller", &sell["position"]);
    assert_eq!((&seller["AAPL"], &seller["USD"]), (&balance("40", "40", "0"), &balance("9015", "9015", "0")));
    // The buyer's leg stands in another partition: the trade's position leads to it.
    let order = buy["orderId"].as_str().unwrap();
    let path = format!("/v1/accounts/buyer/orders/{order}");
    let cancel = client.request("DELETE", &path).key("cancel").wait().send().expect(200);
    assert_eq!(
        (&cancel["status"], &cancel["cumQuantity"], &cancel["leavesQuantity"]),
        (&json!("canceled"), &json!(60), &json!(0))
    );
    let at = &cancel["position"];
    let buyer = client.balances("buyer", at);
    assert_eq!((&buyer["AAPL"], &buyer["USD"]), (&balance("60", "60", "0"), &balance("10985", "10985", "0")));

    let history = "/v1/accounts/buyer/transactions?order=asc";
    let transactions = client.get_at(history, at);
    let expected = [
        "DepositMade",
        "AccountCredited",
        "OrderCreated",
        "OrderAccepted",
        "OrderFilled",
        "OrderCancelRequested",
        "CancelAccepted",
        "OrderCanceled",
    ];
    assert_eq!(types(&transactions), expected);
    let fills = client.get_at("/v1/accounts/buyer/fills", at);
    let fill = &fills["data"][0];
    assert_eq!(
        (&fill["tradeId"], &fill["liquidity"], &fill["leavesQuantity"]),
        (&json!("AAPL-1"), &json!("maker"), &json!(40))
    );
    let postings = client.get_at("/v1/accounts/buyer/postings?order=asc", at);
    let reasons: Vec<&str> =
        postings["data"].as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["deposit", "reserve", "reserve", "trade", "trade", "release", "release"]);

    server.kill();
    let server = home.serve();
    let client = &server.client;
    assert_eq!(client.balances("buyer", at), buyer);
    assert_eq!(client.balances("seller", &sell["position"]), seller);
    assert_eq!(client.get_at(history, at)["data"], transactions["data"]);
    assert_eq!(client.get_at(&path, at)["status"], "canceled");
    assert_eq!(client.get_at("/v1/markets/AAPL/trades", &sell["position"])["data"][0]["tradeId"], "AAPL-1");
    server.stop();
    home.verify();
}

#[test]
fn an_account_without_money_is_refused_in_words() {
    let home = Home::new();
    let server = home.serve();
    let order = server.client.order("poor", "buy", "AAPL", 1, "10");
    assert_eq!((&order["status"], &order["reason"]), (&json!("rejected"), &json!("insufficient_funds")));
    let order = server.client.order("poor", "sell", "AAPL", 1, "10");
    assert_eq!((&order["status"], &order["reason"]), (&json!("rejected"), &json!("insufficient_shares")));
}
