//! A cluster of three brokers with `min.insync.replicas=2`: one may die at any moment, of two nothing is taken, and what was
//! acknowledged stands.

use std::io::Write as _;

use orderledger_domain::position::Topic;
use orderledger_store::event_log::kafka::{KafkaSettings, topics};
use orderledger_tests::client::new_key;
use orderledger_tests::kafka::Cluster;
use orderledger_tests::run_json;
use orderledger_tests::server::Home;
use serde_json::json;

use crate::flow;

/// It takes a minute or two, most of it until three brokers are up on two cores: `./test --long` runs it.
#[test]
fn a_leader_that_dies_loses_nothing_and_two_that_die_stop_writes_until_they_are_back() {
    if std::env::var_os("ORDERLEDGER_LONG").is_none() {
        writeln!(std::io::stderr(), "skipped: three brokers take a minute (./test --long)").unwrap();
        return;
    }
    let Some(cluster) = Cluster::start().unwrap() else { return };
    let settings = KafkaSettings { brokers: cluster.bootstrap(), ..KafkaSettings::default() };
    let made =
        run_json(&["topics", "create", "--partitions", "1", "--kafka-brokers", &settings.brokers, "--json"]).unwrap();
    assert_eq!((&made["refused"], made["created"].as_array().unwrap().len()), (&json!(0), 4), "{made}");
    let findings = topics::check(&settings, Some(1)).unwrap();
    let found = |property: &str| -> Vec<&str> {
        findings.iter().filter(|finding| finding.property == property).map(|finding| finding.is.as_str()).collect()
    };
    assert_eq!((found("replicas"), found("min.insync.replicas")), (vec!["3"; 4], vec!["2"; 4]));
    let home = Home::on(settings.clone());
    let server = home.serve_with(&["--partitions", "1", "--answer-timeout-ms", "2000"]);
    let leader = || topics::leader(&settings, Topic::Orders.at(0)).unwrap();
    let judged = flow::run(&server.client, |flow| {
        flow.wait_judged(100);
        let first = leader();
        cluster.node(first).unwrap().kill().unwrap();
        flow.wait_judged(100);
        let second = leader();
        assert_ne!(first, second, "nobody else leads");
        // Two of three gone: no majority, and no second copy.
        cluster.node(second).unwrap().kill().unwrap();
        flow.wait_unknown(8);
        cluster.start_again(&[first, second]).unwrap();
        flow.wait_judged(100);
    });
    // The outcome of a deposit that nobody could copy is unknown, and then it stands there once.
    let dead = [leader() % 3 + 1, (leader() + 1) % 3 + 1];
    for node in dead {
        cluster.node(node).unwrap().kill().unwrap();
    }
    let (key, body) = (new_key(), json!({"asset": "USD", "amount": "5"}));
    let ask = || server.client.request("POST", "/v1/accounts/u/deposits").key(&key).json(&body).send();
    ask().expect_problem(503, "outcome-unknown");
    assert_eq!(server.client.get("/v1/accounts/w0/balances").status, 200);
    cluster.start_again(&dead).unwrap();
    let answer = orderledger_tests::client::until(ask, |answer| answer.status == 201);
    let position = answer.expect(201)["position"].clone();
    assert_eq!(server.client.balances("u", &position)["USD"][0], "5");
    server.stop();
    home.verify();
    let server = home.serve_with(&["--partitions", "1"]);
    flow::check(&server.client, &judged);
    server.stop();
}
