//! Calls that are made again late, under keys that others have used since, and servers with another key.

use orderledger_tests::client::{Answer, Client, until};
use orderledger_tests::receiver::Receiver;
use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::{QUICK, serve};

fn post(client: &Client, path: &str, key: &str, body: &Value) -> Answer {
    client.request("POST", path).key(key).json(body).send()
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

#[test]
fn a_late_retry_changes_nothing_and_no_key_is_used_twice() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let server = serve(&home, &QUICK);
    let client = &server.client;
    let hook = json!({"url": receiver.url()});
    let webhook = post(client, "/v1/webhooks", "k-register", &hook).expect(201);
    let path = format!("/v1/webhooks/{}", webhook["webhookId"].as_str().unwrap());
    let (rotate, resend) = (format!("{path}/rotate"), format!("{path}/resend"));
    let first = client.deposit("ann", "USD", "1");
    let second = client.deposit("ann", "USD", "2");
    receiver.until(2);

    let rotated = client.request("POST", &rotate).key("k-rotate").send().expect(200);
    post(client, &resend, "k-resend", &json!({"from": first})).expect(202);
    receiver.until(3);
    let late = client.request("POST", &rotate).key("k-rotate").send();
    assert!(is_replayed(&late), "another call came after it");
    let late = late.expect(200);
    assert_eq!((&late["secret"], &late["position"]), (&rotated["secret"], &rotated["position"]));
    assert_eq!(client.get(path.clone()).expect(200)["secretVersion"], 2);
    let again = post(client, &resend, "k-resend", &json!({"from": first}));
    assert!(is_replayed(&again));
    // Used for something else, a key is refused: nothing says that it was done.
    for (key, body) in [
        ("k-register", json!({"from": first})),
        ("k-rotate", json!({"from": first})),
        ("k-resend", json!({"from": second})),
        ("k-resend", json!({"from": first, "userId": "ann"})),
    ] {
        post(client, &resend, key, &body).expect_problem(422, "idempotency-key-reused");
    }
    client.request("POST", &rotate).key("k-resend").send().expect_problem(422, "idempotency-key-reused");
    client.request("DELETE", path.clone()).key("k-rotate").send().expect_problem(422, "idempotency-key-reused");
    post(client, "/v1/webhooks", "k-rotate", &hook).expect_problem(422, "idempotency-key-reused");
    let at = client.deposit("ann", "USD", "3");
    let seen = receiver.until(4);
    assert_eq!((seen.len(), seen[3].position()), (4, at.as_str().unwrap().to_owned()), "nothing else was sent");

    // A user's preferences, too.
    let preferences = "/v1/accounts/ann/notifications/preferences";
    let set =
        |key: &str, muted: Value| client.request("PUT", preferences).key(key).json(&json!({"muted": muted})).send();
    set("p-1", json!(["AccountCredited"])).expect(200);
    set("p-2", json!([])).expect(200);
    assert!(is_replayed(&set("p-1", json!(["AccountCredited"]))));
    assert_eq!(client.get(preferences).expect(200)["muted"], json!([]), "the later call is in force");
    set("p-1", json!([])).expect_problem(422, "idempotency-key-reused");
    server.stop();
    home.verify();
}

#[test]
fn a_server_with_another_key_tells_nothing_and_shows_no_secret_until_it_is_rotated() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let server = serve(&home, &QUICK);
    let hook = json!({"url": receiver.url()});
    let webhook = post(&server.client, "/v1/webhooks", "hook", &hook).expect(201);
    server.stop();
    // A directory whose key is lost gets another one.
    std::fs::remove_file(home.data().join("webhooks.key")).unwrap();
    let server = serve(&home, &QUICK);
    let client = &server.client;
    let path = format!("/v1/webhooks/{}", webhook["webhookId"].as_str().unwrap());
    let at = client.deposit("ann", "USD", "1");
    let shown = until(|| client.get(path.clone()).expect(200), |shown| shown["error"].is_string());
    assert_eq!((&shown["state"], &shown["sent"]), (&json!("key-unknown"), &json!(0)), "{shown}");
    let again = post(client, "/v1/webhooks", "hook", &hook);
    assert!(is_replayed(&again));
    assert_eq!(again.expect(201)["secret"], Value::Null, "what it would show signs nothing");
    let rotated = client.request("POST", format!("{path}/rotate")).key("turn").send().expect(200);
    let seen = receiver.until(1);
    assert_eq!((seen.len(), seen[0].position(), seen[0].signatures.len()), (1, at.as_str().unwrap().to_owned(), 1));
    assert!(seen[0].is_signed_with(rotated["secret"].as_str().unwrap()));
    let shown = until(|| client.get(path.clone()).expect(200), |shown| shown["state"] == "active");
    assert_eq!((&shown["state"], &shown["error"]), (&json!("active"), &Value::Null), "{shown}");
    server.stop();
}
