//! A webhook that two servers on the same topics tell, one of which is killed: repeats have one id, and nothing is missing.

use std::collections::{BTreeMap, BTreeSet};

use orderledger_tests::client::until;
use orderledger_tests::receiver::{Receiver, Seen};
use orderledger_tests::server::{Home, Server};
use serde_json::{Value, json};

use crate::change::Topics;
use crate::flow::offset;

/// What each account was told of, in its order, newest last.
fn inboxes(server: &Server<'_>) -> BTreeMap<&'static str, Vec<String>> {
    let of = |user| {
        let page = server.client.get(format!("/v1/accounts/{user}/notifications?limit=1000")).expect(200);
        let rows = page["data"].as_array().unwrap().iter();
        let mut all: Vec<String> = rows.map(|row| row["position"].as_str().unwrap().to_owned()).collect();
        all.sort_by_key(|position| offset(position));
        (user, all)
    };
    ["buyer", "seller"].map(of).into()
}

/// The positions of each account in the order in which they came first.
fn firsts(seen: &[Seen]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seen in seen {
        let told = all.entry(seen.json()["data"]["userId"].as_str().unwrap().to_owned()).or_default();
        if !told.contains(&seen.position()) {
            told.push(seen.position());
        }
    }
    all
}

fn trade(server: &Server<'_>, rounds: u64) -> Value {
    (0..rounds).for_each(|_| {
        server.client.order("seller", "sell", "AAPL", 1, "100");
        server.client.order("buyer", "buy", "AAPL", 1, "100");
    });
    server.client.order("buyer", "buy", "AAPL", 1, "1")["position"].clone()
}

#[test]
fn two_servers_tell_a_webhook_all_of_it_in_order_under_one_id_though_one_is_killed() {
    let (Some(topics), receiver) = (Topics::new("webhooks"), Receiver::start()) else { return };
    let (first, second) = (Home::on(topics.0.clone()), Home::on(topics.0.clone()));
    let key = first.data().with_file_name("webhooks-key");
    std::fs::write(&key, "5a".repeat(32)).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let key = format!("--webhooks-key-file={}", key.display());
    let options = ["--webhooks-allow-private", "--webhooks-retry-ms=50", "--canary=false", &key];
    let (one, two) = (first.serve_with(&options), second.serve_with(&options));
    one.client.until_live("notifications");
    let webhook = one.client.post("/v1/webhooks", &json!({"url": receiver.url()})).send().expect(201);
    for user in ["buyer", "seller"] {
        one.client.deposit(user, "USD", "1000000");
        one.client.deposit(user, "AAPL", "1000");
    }
    trade(&one, 10);
    let told = receiver.seen().len();
    receiver.until(told + 5);
    one.kill();
    trade(&two, 10);
    let one = first.serve_with(&options);
    trade(&one, 5);
    // Two deposits and 25 fills.
    let all = until(|| inboxes(&two), |all| all.values().all(|told| told.len() == 27));
    assert!(all.values().all(|told| told.len() == 27), "{all:?}");
    assert_eq!(until(|| inboxes(&one), |of_one| *of_one == all), all);
    // Both tell all of it, but for what either marked and a restart passes over.
    let is_told = |seen: &[Seen]| firsts(seen).values().map(Vec::len).sum::<usize>() == 54 && seen.len() > 54;
    let seen = until(|| receiver.seen(), |seen| is_told(seen));
    assert!(seen.iter().all(|seen| seen.is_signed_with(webhook["secret"].as_str().unwrap())));
    let ids: BTreeSet<(String, &str)> = seen.iter().map(|seen| (seen.position(), seen.id.as_str())).collect();
    assert_eq!(ids.len(), 54, "one id for each event: {ids:?}");
    assert!(seen.len() > 54, "nothing was repeated");
    let all: BTreeMap<String, Vec<String>> = all.into_iter().map(|(user, told)| (user.to_owned(), told)).collect();
    assert_eq!(firsts(&seen), all);
    one.stop();
    two.stop();
    first.verify();
    second.verify();
}
