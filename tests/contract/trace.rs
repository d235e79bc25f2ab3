//! Traces: one order's whole way is found under one trace id, in the log of events, in the lines that a server says of itself and
//! in what a collector is sent; and what callers send as trace context is believed only where it is one.

mod collector;
mod exported;
mod given;
mod way;

use std::collections::BTreeSet;

use orderledger_tests::client::{Client, limit, new_key};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

/// What makes a server say each step of a trace.
const STEPS: &str = "warn,steps=debug";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn traceparent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{SPAN}-{flags}")
}

/// An account with shares offers some, another buys them in that trace; the id of the second order.
fn trade(client: &Client, traceparent: &str) -> String {
    client.deposit("bob", "AAPL", "10");
    client.deposit("alice", "USD", "10000");
    client.order("bob", "sell", "AAPL", 10, "150");
    let bought = client.post("/v1/accounts/alice/orders", &limit("buy", "AAPL", 10, "150")).wait();
    let order = bought.header("traceparent", traceparent).send().expect(200);
    assert_eq!(order["status"], "filled", "{order}");
    order["orderId"].as_str().unwrap().to_owned()
}

/// Every step that an order of [`trade`] takes: its call, who handles which event, and how often.
fn expected_steps() -> BTreeSet<String> {
    let steps = [
        "call POST /v1/accounts/{userId}/orders",
        "intake OrderCreated",
        "intake OrderAccepted",
        "intake OrderFilled",
        "matching OrderAccepted",
        "settlement OrderCreated",
        "notifications OrderCreated",
        "notifications OrderAccepted",
        "notifications OrderFilled",
        "analytics OrderCreated",
        "analytics OrderAccepted",
        "analytics OrderFilled",
        "analytics TradeExecuted",
        "settlement OrderAccepted",
        "settlement OrderFilled",
        "market TradeExecuted",
        "audit OrderCreated",
        "audit OrderAccepted",
        "audit OrderFilled",
        "audit TradeExecuted",
    ];
    steps.map(str::to_owned).into()
}

/// The lines that servers have said here, but for one that isn't there whole yet.
fn lines(home: &Home) -> Vec<Value> {
    let said = home.said();
    let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}
