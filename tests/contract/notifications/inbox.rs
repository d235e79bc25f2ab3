//! `GET /v1/accounts/{userId}/notifications`: what happened, page by page; read, muted, anew.

use orderledger_tests::client::{Client, until};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::{QUICK, serve};
use crate::streams::listener::Listener;

fn types(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|row| row["eventType"].as_str().unwrap()).collect()
}

/// Two accounts trade; the position of the last event of the seller.
fn trade(client: &Client) -> Value {
    client.deposit("ann", "AAPL", "10");
    client.deposit("bob", "USD", "1000");
    client.order("ann", "sell", "AAPL", 5, "10");
    client.order("bob", "buy", "AAPL", 5, "10");
    let fills = || client.get("/v1/accounts/ann/fills").expect(200);
    until(fills, |page| !page["data"].as_array().unwrap().is_empty())["data"][0]["position"].clone()
}

#[test]
fn a_user_is_told_what_happened_reads_it_and_mutes_what_is_too_much() {
    let home = Home::new();
    let server = serve(&home, &QUICK);
    let client = &server.client;
    let filled = trade(client);
    let inbox = |query: &str| client.get_at(&format!("/v1/accounts/ann/notifications{query}"), &filled);
    let page = inbox("");
    assert_eq!(types(&page), ["OrderFilled", "AccountCredited"], "{page}");
    let newest = &page["data"][0];
    assert_eq!((&newest["position"], &newest["read"]), (&filled, &json!(false)));
    assert_eq!(newest["event"]["payload"]["quantity"], 5);
    assert!(page["asOf"]["positions"].is_object() && page["nextCursor"].is_null());
    // Page by page, by type, and the other way round.
    let first = inbox("?limit=1&order=asc");
    let second = inbox(&format!("?limit=1&order=asc&cursor={}", first["nextCursor"].as_str().unwrap()));
    assert_eq!((types(&first), types(&second)), (vec!["AccountCredited"], vec!["OrderFilled"]));
    assert_eq!(types(&inbox("?type=OrderFilled")), ["OrderFilled"]);
    client.get("/v1/accounts/ann/notifications?type=OrderAccepted").expect_problem(422, "invalid-request");
    client.get("/v1/accounts/ann/notifications?limit=0").expect_problem(422, "invalid-request");
    client.get("/v1/accounts/nobody/notifications").expect_problem(404, "unknown-account");

    // Read up to there; less never makes anything unread, and a retry is the same call.
    let read = |key: &str, up_to: &Value| {
        let request = client.request("POST", "/v1/accounts/ann/notifications/read").key(key);
        request.json(&json!({"upTo": up_to})).send()
    };
    let done = read("r1", &page["data"][1]["position"]).expect(200);
    assert_eq!(types(&inbox("?unread=true")), ["OrderFilled"]);
    assert_eq!(read("r1", &page["data"][1]["position"]).headers["idempotency-replayed"], "true");
    assert_eq!(done["readUpTo"], page["data"][1]["position"]);
    read("r1", &filled).expect_problem(422, "idempotency-key-reused");
    read("r2", &filled).expect(200);
    let back = read("r3", &page["data"][1]["position"]).expect(200);
    assert_eq!((&back["readUpTo"], types(&inbox("?unread=true")).len()), (&filled, 0));
    read("r4", &json!("orders-0@99999")).expect_problem(422, "invalid-request");
    read("r4", &json!("trades-0@0")).expect_problem(422, "invalid-request");

    // What is muted is not told from then on, and again once it isn't.
    let path = "/v1/accounts/ann/notifications/preferences";
    let set = |muted: Value| {
        client.request("PUT", path).key(&muted.to_string().replace(' ', "")).json(&json!({"muted": muted})).send()
    };
    set(json!(["AccountCredited"])).expect(200);
    assert_eq!(client.get(path).expect(200)["muted"], json!(["AccountCredited"]));
    let muted = client.deposit("ann", "USD", "1");
    set(json!([])).expect(200);
    let told = client.deposit("ann", "USD", "2");
    let page = client.get_at("/v1/accounts/ann/notifications", &told);
    assert_eq!(types(&page), ["AccountCredited", "OrderFilled", "AccountCredited"]);
    assert_eq!(page["data"][0]["position"], told);
    assert_ne!(page["data"][0]["position"], muted);
    set(json!(["OrderAccepted"])).expect_problem(422, "invalid-request");
    set(json!(["OrderFilled", "OrderFilled"])).expect_problem(422, "invalid-request");

    // A stream tells each once, live and to who comes back.
    let mut live = Listener::open(client.base(), "notifications:ann", None);
    let last = client.deposit("ann", "USD", "3");
    let heard = live.take(1);
    assert_eq!((&heard[0].data["position"], &heard[0].data["eventType"]), (&last, &json!("AccountCredited")));
    let all = Listener::open(client.base(), "notifications:ann", Some("orders-0@-")).take(4);
    let told: Vec<&Value> = all.iter().map(|event| &event.data["position"]).collect();
    let page = client.get_at("/v1/accounts/ann/notifications?order=asc", &last);
    let listed: Vec<&Value> = page["data"].as_array().unwrap().iter().map(|row| &row["position"]).collect();
    assert_eq!(told, listed);
    let missed = Listener::open(client.base(), "notifications:ann", Some(&all[2].id)).take(1);
    assert_eq!(missed[0].data["position"], last);
    let told = last;

    // A view that is lost, or made anew, says the same.
    let rows = |client: &Client| client.get_at("/v1/accounts/ann/notifications", &told)["data"].clone();
    let before = rows(client);
    client.post("/v1/projections/notifications/rebuild", &json!({})).send().expect(202);
    let state =
        until(|| client.get("/v1/projections/notifications/rebuild").expect(200), |state| !state["endedAt"].is_null());
    assert_eq!(state["phase"], "done", "{state}");
    assert_eq!(rows(client), before);
    server.stop();
    home.verify();
    std::fs::remove_dir_all(home.data().join("views")).unwrap();
    let server = serve(&home, &QUICK);
    assert_eq!(rows(&server.client), before);
    server.stop();
}
