//! The way to the broker: slow, narrow, silent in one direction or both, flapping. Answers are late or say that the outcome
//! is unknown; a retry with the same key is safe; everything goes on by itself.

use std::time::{Duration, Instant};

use orderledger_store::event_log::kafka::KafkaSettings;
use orderledger_tests::client::new_key;
use orderledger_tests::kafka::{Broker, Setup};
use orderledger_tests::proxy::{Mode, Proxy, Way};
use orderledger_tests::server::{Home, Server};
use serde_json::json;

use crate::away::until_readyz_says;
use crate::flow;
use crate::outage::with_topics;

/// How long the way flaps.
const FLAPS: Duration = Duration::from_secs(6);
/// With `ORDERLEDGER_LONG` set.
const FLAPS_LONG: Duration = Duration::from_secs(300);
/// So many clients for reading at any offset are kept once they were needed, each with at most 14 files and 6 threads.
const IDLE_READERS: usize = 4;
/// So long after the flapping at most what it has opened is closed again.
const SETTLED: Duration = Duration::from_secs(60);
/// A client that gets no answer breaks off after that.
const SHORT: [&str; 6] = [
    "--answer-timeout-ms",
    "1000",
    "--kafka-property",
    "request.timeout.ms=2000",
    "--kafka-property",
    "socket.timeout.ms=2000",
];

/// A broker that can only be reached through the proxy.
fn behind_a_proxy() -> Option<(Proxy, Broker, KafkaSettings)> {
    // The proxy's port is what the broker tells its clients; the broker's own is known before it starts.
    let port = orderledger_tests::ports::free_port();
    let proxy = Proxy::to(port).unwrap();
    let broker = Setup::on(port).advertise(proxy.port()).start().unwrap()?;
    let settings = with_topics(&broker);
    Some((proxy, broker, settings))
}

#[test]
fn a_slow_or_narrow_way_makes_answers_late_and_connections_that_break_are_made_again() {
    let Some((proxy, _broker, settings)) = behind_a_proxy() else { return };
    let home = Home::on(settings);
    let server = home.serve();
    server.client.deposit("u", "USD", "1000");
    proxy.set(Mode::Delay(Duration::from_millis(100)));
    let begun = Instant::now();
    let order = server.client.order("u", "buy", "AAPL", 1, "10");
    assert!(begun.elapsed() >= Duration::from_millis(400), "two hops of 200 ms each can't take {:?}", begun.elapsed());
    assert_eq!(server.client.balances("u", &order["position"])["USD"], ["1000", "990", "10"]);
    assert_eq!(server.client.get("/readyz").status, 200);
    // 64 kbit/s.
    proxy.set(Mode::Narrow(8_000));
    let order = server.client.order("u", "buy", "AAPL", 1, "10");
    assert_eq!(server.client.balances("u", &order["position"])["USD"], ["1000", "980", "20"]);
    proxy.set(Mode::Pass);
    for number in 0_u64..5 {
        proxy.cut();
        let order = server.client.order("u", "buy", "AAPL", 1, "10");
        let reserved = (30 + 10 * number).to_string();
        assert_eq!(server.client.balances("u", &order["position"])["USD"][2], reserved);
    }
    server.stop();
    home.verify();
}

/// A deposit while the way is like that is of unknown outcome; once the way is free, the same key gives it, once.
fn check_unknown(server: &Server<'_>, total: u64, lost: impl FnOnce(), found: impl FnOnce()) {
    let (key, body) = (new_key(), json!({"asset": "USD", "amount": "1"}));
    let ask = || server.client.request("POST", "/v1/accounts/u/deposits").key(&key).json(&body).send();
    lost();
    ask().expect_problem(503, "outcome-unknown");
    found();
    let begun = Instant::now();
    let answer = loop {
        let answer = ask();
        if answer.status != 503 {
            break answer;
        }
        answer.expect_problem(503, "outcome-unknown");
        assert!(begun.elapsed() < Duration::from_secs(60), "{answer:?}: {}", server.said());
    };
    let position = answer.expect(201)["position"].clone();
    assert_eq!(server.client.balances("u", &position)["USD"][0], total.to_string());
}

#[test]
fn acknowledgements_that_are_lost_are_of_unknown_outcome_and_a_retry_is_safe() {
    let Some((proxy, _broker, settings)) = behind_a_proxy() else { return };
    let home = Home::on(settings);
    let server = home.serve_with(&SHORT);
    flow::fund(&server.client, "u", "USD", "100");
    let free = || proxy.set(Mode::Pass);
    // The broker has the record; what it answers is lost with the connections.
    let cut = || {
        proxy.cut();
        proxy.set(Mode::Pass);
    };
    check_unknown(&server, 101, || proxy.set_way(Way::ToClient, Mode::Silent), cut);
    check_unknown(&server, 102, || proxy.set_way(Way::ToClient, Mode::Silent), free);
    // What was sent is lost with the connections, or arrives late.
    check_unknown(&server, 103, || proxy.set_way(Way::ToBroker, Mode::Silent), cut);
    check_unknown(&server, 104, || proxy.set_way(Way::ToBroker, Mode::Silent), free);
    // Longer than a request may take: the client breaks off by itself, and says that the brokers don't answer.
    let long = || {
        until_readyz_says(&server, "log-unreachable");
        proxy.set(Mode::Pass);
    };
    check_unknown(&server, 105, || proxy.set_way(Way::ToClient, Mode::Silent), long);
    server.stop();
    home.verify();
}

/// The files and threads that the server has open.
fn open(server: &Server<'_>) -> (usize, usize) {
    let count = |what: &str| {
        let path = format!("/proc/{}/{what}", server.pid().as_raw_nonzero());
        std::fs::read_dir(path).unwrap().count()
    };
    (count("fd"), count("task"))
}

#[test]
fn a_way_that_flaps_lets_the_flow_go_on_between_and_nothing_piles_up() {
    let Some((proxy, _broker, settings)) = behind_a_proxy() else { return };
    let home = Home::on(settings);
    let server = home.serve_with(&["--answer-timeout-ms", "1000"]);
    let flaps = if std::env::var_os("ORDERLEDGER_LONG").is_some() { FLAPS_LONG } else { FLAPS };
    let judged = flow::run(&server.client, |flow| {
        flow.wait_judged(50);
        let before = open(&server);
        let begun = Instant::now();
        while begun.elapsed() < flaps {
            proxy.set(Mode::Gone);
            std::thread::sleep(Duration::from_millis(200));
            proxy.set(Mode::Pass);
            std::thread::sleep(Duration::from_millis(200));
        }
        flow.wait_judged(50);
        // Threads that block stay ten seconds after their work; what was broken off is closed only then.
        let begun = Instant::now();
        let within = |(files, threads): (usize, usize)| {
            files <= before.0 + IDLE_READERS * 14 + 20 && threads <= before.1 + IDLE_READERS * 6 + 20
        };
        let mut after = open(&server);
        while !within(after) {
            assert!(begun.elapsed() < SETTLED, "files and threads: {before:?}, then {after:?}");
            std::thread::sleep(Duration::from_millis(200));
            after = open(&server);
        }
    });
    server.stop();
    home.verify();
    let server = home.serve();
    flow::check(&server.client, &judged);
    server.stop();
}
