//! Server-sent events: snapshots, increments, resuming without gap or repeat.

mod lag;
pub(crate) mod listener;
mod refusals;
mod resuming;
mod states;

use orderledger_tests::client::Client;
use serde_json::{Value, json};

fn fund(client: &Client) {
    for user in ["buyer", "seller"] {
        client.deposit(user, "USD", "1000000");
        client.deposit(user, "AAPL", "100000");
    }
}

/// Orders that trade, rest, are amended, canceled and refused, the same for the same numbers; where the last one stands.
fn flow(client: &Client, numbers: std::ops::Range<u64>) -> Value {
    let mut position = Value::Null;
    for number in numbers {
        let price = (10 + number * 7 % 5).to_string();
        let (side, user) = if number % 2 == 0 { ("sell", "seller") } else { ("buy", "buyer") };
        let order = client.order(user, side, "AAPL", 1 + number % 4, &price);
        position = order["position"].clone();
        let path = format!("/v1/accounts/{user}/orders/{}", order["orderId"].as_str().unwrap());
        if number % 5 == 3 {
            let answer = client.request("PATCH", &path).key(&format!("amend-{number}"));
            answer.wait().json(&json!({"quantity": 9})).send().expect(200);
        }
        if number % 7 == 4 {
            let answer = client.request("DELETE", &path).key(&format!("cancel-{number}")).wait().send();
            position = answer.expect(200)["position"].clone();
        }
        if number % 11 == 5 {
            client.order(user, side, "AAPL", 100_000_000, &price);
        }
    }
    position
}
