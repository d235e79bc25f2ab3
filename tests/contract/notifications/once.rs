//! What was told is told again only if somebody asks for it.

use std::collections::BTreeSet;

use orderledger_tests::client::until;
use orderledger_tests::receiver::{Receiver, Seen};
use orderledger_tests::server::Home;
use serde_json::json;

use super::{QUICK, register, serve, until_marked};

fn ids(seen: &[Seen]) -> BTreeSet<&str> {
    seen.iter().map(|seen| seen.id.as_str()).collect()
}

#[test]
fn a_rebuild_a_kill_a_rollback_and_lost_views_tell_nothing_again() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let server = serve(&home, &QUICK);
    let client = &server.client;
    client.deposit("ann", "USD", "1");
    let webhook = register(client, &receiver.url());
    let id = &webhook["webhookId"];
    let mut at = String::new();
    for (user, amount) in [("ann", "2"), ("bob", "3"), ("ann", "4"), ("ann", "5")] {
        at = client.deposit(user, "USD", amount).as_str().unwrap().to_owned();
    }
    // The first deposit was before the webhook.
    let seen = receiver.until(4);
    let amounts: Vec<(String, String)> = seen
        .iter()
        .map(|seen| (seen.json()["data"]["userId"].to_string(), seen.json()["data"]["amount"].to_string()))
        .collect();
    let of_ann: Vec<&str> =
        amounts.iter().filter(|(user, _)| user == "\"ann\"").map(|(_, amount)| amount.as_str()).collect();
    assert_eq!(of_ann, ["2", "4", "5"], "an account's events come in their order: {amounts:?}");
    assert!(seen.iter().all(|seen| seen.is_signed_with(webhook["secret"].as_str().unwrap())));
    assert_eq!(seen[0].json()["type"], "AccountCredited");
    until_marked(client, id, &at);

    // A rebuild and a rollback of all views.
    let ended = |name: &str| {
        let look = || client.get(format!("/v1/projections/{name}/rebuild")).expect(200);
        let state = until(look, |state| !state["endedAt"].is_null());
        assert_eq!(state["phase"], "done", "{state}");
    };
    client.post("/v1/projections/all/rebuild", &json!({})).send().expect(202);
    ["settlement", "market", "audit", "notifications", "analytics"].into_iter().for_each(ended);
    client.post("/v1/projections/notifications/rollback", &json!({})).send().expect(202);
    ended("notifications");
    let at = client.deposit("ann", "USD", "6").as_str().unwrap().to_owned();
    assert_eq!(receiver.until(5).len(), 5);
    until_marked(client, id, &at);
    server.kill();

    // Another life, and one without any view.
    let server = serve(&home, &QUICK);
    let at = server.client.deposit("ann", "USD", "7").as_str().unwrap().to_owned();
    assert_eq!(receiver.until(6).len(), 6);
    until_marked(&server.client, id, &at);
    server.kill();
    std::fs::remove_dir_all(home.data().join("views")).unwrap();
    let server = serve(&home, &QUICK);
    let client = &server.client;
    client.deposit("bob", "USD", "8");
    let seen = receiver.until(7);
    assert_eq!((seen.len(), ids(&seen).len()), (7, 7), "{seen:#?}");

    // Whoever asks for it gets it again, under the same id.
    let first = seen[0].position();
    let path = format!("/v1/webhooks/{}/resend", id.as_str().unwrap());
    let asked = client.request("POST", &path).key("again").json(&json!({"from": first})).send().expect(202);
    assert_eq!((&asked["from"], &asked["to"]), (&json!(first), &json!(first)));
    let again = receiver.until(8);
    assert_eq!((&again[7].id, again.len()), (&seen[0].id, 8));
    let retried = client.request("POST", &path).key("again").json(&json!({"from": first})).send();
    assert_eq!(retried.headers["idempotency-replayed"], "true");
    client.post(&path, &json!({"from": "orders-0@99999"})).send().expect_problem(422, "invalid-request");
    client.deposit("ann", "USD", "9");
    assert_eq!(receiver.until(9).len(), 9, "the retry sent nothing");
    server.stop();
    home.verify();
}

/// A crash between the call and the mark repeats it; the receiver knows it by its id.
#[test]
fn what_a_crash_repeats_has_the_same_id() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let server = serve(&home, &QUICK);
    register(&server.client, &receiver.url());
    let mut told = BTreeSet::new();
    let mut server = Some(server);
    for round in 1..=4_usize {
        let running = server.take().unwrap();
        let at = running.client.deposit("ann", "USD", "1").as_str().unwrap().to_owned();
        let seen = until(|| receiver.seen(), |seen| seen.iter().any(|seen| seen.position() == at));
        told.insert(at);
        // At once, whether it is marked or not.
        running.kill();
        let positions: BTreeSet<String> = seen.iter().map(Seen::position).collect();
        assert_eq!((&positions, ids(&seen).len()), (&told, round), "{seen:#?}");
        server = Some(serve(&home, &QUICK));
    }
    server.unwrap().stop();
    let seen = receiver.seen();
    assert_eq!(ids(&seen).len(), told.len());
}

#[test]
fn the_canary_s_accounts_send_no_webhooks() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let with_canary: Vec<&str> = QUICK.into_iter().filter(|option| *option != "--canary=false").collect();
    let server = serve(&home, &[&with_canary[..], &["--canary"]].concat());
    let client = &server.client;
    let webhook = register(client, &receiver.url());
    // Both ways: its accounts have been filled.
    let sung = |text: &String| {
        let rounds = |line: &&str| line.starts_with("orderledger_canary_rounds_total{outcome=\"done\"} ");
        text.lines().find(rounds).and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()) >= Some(2.0)
    };
    let text = until(|| client.get("/metrics").body, sung);
    assert!(sung(&text), "{text}");
    let inbox = client.get("/v1/accounts/ledger.canary-1/notifications").expect(200);
    assert!(inbox["data"].as_array().is_some_and(|rows| !rows.is_empty()), "{inbox}");
    let at = client.deposit("ann", "USD", "1").as_str().unwrap().to_owned();
    until_marked(client, &webhook["webhookId"], &at);
    let told: Vec<String> = receiver.seen().iter().map(Seen::position).collect();
    assert_eq!(told, [at], "of everything before it nothing is told");
    server.stop();
}
