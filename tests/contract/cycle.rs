//! The cycle of a trading day: closes, balances at its end, statements, corrections.

mod adjustments;
mod sessions;
mod statement;

use orderledger_tests::client::Client;
use serde_json::{Value, json};

/// Closes the session and gives its row, once every partition has passed it.
fn close(client: &Client, symbols: &Value) -> Value {
    let closed = client.post("/v1/sessions/close", &json!({ "symbols": symbols })).send().expect(202);
    let look = || client.get("/v1/sessions?limit=1").expect(200)["data"][0].clone();
    let is_it = |row: &Value| {
        let position = row["position"].as_str().unwrap_or_default();
        row["state"] == "closed" && position.split(',').any(|at| closed["position"] == at)
    };
    let row = orderledger_tests::client::until(look, is_it);
    assert!(is_it(&row), "{row}");
    row
}

/// 1/10000 of what a decimal says.
fn units(text: &Value) -> i128 {
    orderledger_domain::decimal::parse_units(text.as_str().unwrap()).unwrap()
}
