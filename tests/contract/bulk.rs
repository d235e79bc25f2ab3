//! Many orders in one call, an order tried without writing, all orders canceled, and the shapes that users of exchanges expect.

mod cancel_all;
mod candles;
mod dry_run;
mod orders;
mod shapes;
mod unhappy;

use serde_json::Value;

use orderledger_tests::client::{Answer, Client, limit};

/// The body of a bulk call's limit order.
fn item(user: &str, side: &str, symbol: &str, quantity: u64, price: &str) -> Value {
    let mut item = limit(side, symbol, quantity, price);
    item["userId"] = user.into();
    item
}

fn keyed(mut item: Value, key: &str) -> Value {
    item["idempotencyKey"] = key.into();
    item
}

fn bulk(client: &Client, key: &str, orders: &[Value]) -> Answer {
    client.request("POST", "/v1/bulk/orders").key(key).json(&serde_json::json!({ "orders": orders })).send()
}

/// One field of every row.
fn column(rows: &Value, path: &str) -> Vec<Value> {
    rows.as_array().unwrap().iter().map(|row| row.pointer(path).cloned().unwrap_or_default()).collect()
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").map(String::as_str) == Some("true")
}

/// Every row of a list, page by page.
fn every(client: &Client, path: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    for _ in 0..1000 {
        let join = if path.contains('?') { '&' } else { '?' };
        let page = client.get(format!("{path}{join}{cursor}")).expect(200);
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else { return rows };
        cursor = format!("cursor={next}");
    }
    panic!("{path} has no end");
}

/// A decimal in ten-thousandths.
fn units(text: &Value) -> i64 {
    let text = text.as_str().unwrap();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    whole.parse::<i64>().unwrap() * 10_000 + format!("{part:0<4}").parse::<i64>().unwrap()
}
