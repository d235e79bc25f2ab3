//! What users are told, and webhooks: once each, signed, in order, whatever happens to views, servers and receivers.

mod again;
mod inbox;
mod muted;
mod once;
mod retries;
mod unhappy;

use orderledger_tests::client::{Client, until};
use orderledger_tests::server::{Home, Server};
use serde_json::{Value, json};

/// One partition, so that positions are comparable; receivers here are at private addresses, and attempts come soon.
const QUICK: [&str; 7] = [
    "--partitions",
    "1",
    "--webhooks-allow-private",
    "--webhooks-retry-ms=50",
    "--webhooks-attempts=4",
    "--webhooks-timeout-ms=30000",
    "--canary=false",
];

/// Starts a server and waits until webhooks can be spoken of: it is ready before that.
fn serve<'a>(home: &'a Home, options: &[&str]) -> Server<'a> {
    let server = home.serve_with(options);
    server.client.until_live("notifications");
    server
}

fn register(client: &Client, url: &str) -> Value {
    client.post("/v1/webhooks", &json!({"url": url})).send().expect(201)
}

/// Waits until the webhook has so many dead letters.
fn dead_letters(client: &Client, webhook: &Value, count: usize) -> Vec<Value> {
    let path = format!("/v1/webhooks/{}/dead-letters", webhook["webhookId"].as_str().unwrap());
    let all = || client.get(path.clone()).expect(200)["data"].as_array().unwrap().clone();
    let found = until(all, |all| all.len() == count);
    assert_eq!(found.len(), count, "{found:?}");
    found
}

/// Waits until all that was told up to that position is marked in the log.
fn until_marked(client: &Client, webhook: &Value, at: &str) {
    let offset = |position: &str| position.rsplit_once('@').unwrap().1.parse::<u64>().unwrap();
    let newest = || {
        let page = client.get("/v1/audit/events?topic=notifications&limit=1000").expect(200);
        let marks = page["data"].as_array().unwrap().iter().map(|row| row["event"].clone());
        let mut own =
            marks.filter(|event| event["eventType"] == "WebhookMarked" && &event["payload"]["webhookId"] == webhook);
        own.next_back().map_or(Value::Null, |event| event["payload"].clone())
    };
    let is_marked = |mark: &Value| {
        mark["behind"].is_null() && mark["next"][0].as_str().is_some_and(|next| offset(next) > offset(at))
    };
    let mark = until(newest, is_marked);
    assert!(is_marked(&mark), "{mark}");
}
