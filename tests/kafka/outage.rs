//! The broker dies or hangs in the middle of flow: nothing lost, nothing twice, and every answer says what is known.

use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_store::event_log::EventLog;
use orderledger_store::event_log::kafka::{KafkaLog, KafkaSettings, topics};
use orderledger_tests::client::until;
use orderledger_tests::kafka::{Broker, Setup};
use orderledger_tests::proxy::{Mode, Proxy};
use orderledger_tests::server::Home;
use rustix::process::Signal;

use crate::flow::{self, Flow};

const PATIENCE: Duration = Duration::from_secs(180);
/// How long the broker is away.
const OUTAGE: Duration = Duration::from_secs(8);
/// With `ORDERLEDGER_LONG` set.
const OUTAGE_LONG: Duration = Duration::from_secs(60);
/// What clients of either kind have in their names.
const KINDS: [&str; 2] = ["#producer-", "#consumer-"];
const PARTITIONS: u32 = 3;

pub(crate) fn with_topics(broker: &Broker) -> KafkaSettings {
    let settings = KafkaSettings { brokers: broker.bootstrap(), ..KafkaSettings::default() };
    topics::create(&settings, PARTITIONS, None).unwrap();
    settings
}

/// Writers that insist, and something that happens to the broker while they do; all that was judged must stand there once.
fn check_flow(home: &Home, arguments: &[&str], happens: impl FnOnce(&Flow)) {
    let server = home.serve_with(arguments);
    let judged = flow::run(&server.client, happens);
    server.stop();
    home.verify();
    let server = home.serve();
    flow::check(&server.client, &judged);
    server.stop();
}

fn outage() -> Duration {
    if std::env::var_os("ORDERLEDGER_LONG").is_some() { OUTAGE_LONG } else { OUTAGE }
}

#[test]
fn a_broker_that_dies_in_the_middle_of_flow_costs_nothing_but_time() {
    let Some(broker) = Setup::default().start().unwrap() else { return };
    check_flow(&Home::on(with_topics(&broker)), &[], |flow| {
        flow.wait_judged(200);
        broker.kill().unwrap();
        let gone = Instant::now();
        flow.wait_unknown(1);
        std::thread::sleep(outage().saturating_sub(gone.elapsed()));
        broker.start().unwrap();
        flow.wait_judged(200);
    });
}

/// Longer than a request may take: the client breaks off, asks again, and the broker finds what it got before it hung.
#[test]
fn a_broker_that_hangs_longer_than_a_request_may_take_costs_nothing_but_time() {
    let Some(broker) = Setup::default().start().unwrap() else { return };
    let short = ["--answer-timeout-ms", "500", "--kafka-property", "request.timeout.ms=1500"];
    let sockets = ["--kafka-property", "socket.timeout.ms=1500"];
    check_flow(&Home::on(with_topics(&broker)), &[&short[..], &sockets[..]].concat(), |flow| {
        for _ in 0..2 {
            flow.wait_judged(100);
            broker.signal(Signal::STOP).unwrap();
            let hangs = Instant::now();
            flow.wait_unknown(8);
            std::thread::sleep((outage() / 2).saturating_sub(hangs.elapsed()));
            broker.signal(Signal::CONT).unwrap();
        }
        flow.wait_judged(100);
    });
}

fn has_forgotten(said: &str, kind: &str) -> bool {
    said.lines().any(|line| line.contains("has forgotten all brokers") && line.contains(kind))
}

/// A broker of which its controller hears nothing is fenced, and names no broker any more, not even itself. Clients that hear so
/// forget it, and now and then for ever (librdkafka's #5301); those that may not begin again do so each time.
#[test]
fn clients_that_have_forgotten_all_brokers_are_made_anew() {
    let setup = Setup::default();
    let proxy = Proxy::to(setup.controller()).unwrap();
    let Some(broker) = setup.advertise_controller(proxy.port()).start().unwrap() else { return };
    let home = Home::on(with_topics(&broker));
    let forgetful = ["--kafka-property", "metadata.recovery.strategy=none", "--log-level", "warn"];
    let server = home.serve_with(&[&["--answer-timeout-ms", "500"], &forgetful[..]].concat());
    let judged = flow::run(&server.client, |flow| {
        flow.wait_judged(100);
        proxy.set(Mode::Gone);
        flow.wait_unknown(50);
        until(|| server.said(), |said| KINDS.iter().all(|kind| has_forgotten(said, kind)));
        proxy.set(Mode::Pass);
        flow.wait_judged(100);
    });
    let said = server.said();
    for kind in KINDS {
        assert!(has_forgotten(&said, kind), "{kind}: {said}");
    }
    until(|| server.client.request("GET", "/readyz").send(), |answer| answer.status == 200).expect(200);
    server.stop();
    home.verify();
    let server = home.serve();
    flow::check(&server.client, &judged);
    server.stop();
}

#[test]
fn a_broker_that_is_restarted_during_an_import_loses_no_record_of_the_file() {
    const RECORDS: u64 = 6_000;
    let Some(broker) = Setup::default().start().unwrap() else { return };
    let settings = with_topics(&broker);
    let home = Home::on(settings.clone());
    let deposit = |number: u64| {
        format!(
            r#"{{"eventId":"{}","eventType":"DepositMade","timestamp":"2026-01-01T00:00:00Z","payload":{{"userId":"u{}","asset":"USD","amount":1}},"metadata":{{"version":"2.0","source":"test"}}}}"#,
            uuid::Uuid::from_u128((4 << 76) | (2 << 62) | u128::from(number)),
            number % 50
        )
    };
    let file = home.data().with_file_name("records.jsonl");
    std::fs::write(&file, (0..RECORDS).map(|number| deposit(number) + "\n").collect::<String>()).unwrap();
    let log = KafkaLog::open(settings, None).unwrap();
    let ends = || (0..PARTITIONS).map(|at| log.end_offset(Topic::Orders.at(at)).unwrap()).sum::<u64>();
    std::thread::scope(|scope| {
        let import = scope.spawn(|| home.run(&["import", "events", file.to_str().unwrap()]));
        let begun = Instant::now();
        while ends() < RECORDS / 4 {
            assert!(begun.elapsed() < PATIENCE && !import.is_finished(), "the import did not begin");
        }
        broker.kill().unwrap();
        broker.start().unwrap();
        let (code, said) = import.join().unwrap();
        assert_eq!(code, Some(0), "{said}");
    });
    home.verify();
    let server = home.serve();
    let total: u64 = (0..50)
        .map(|user| server.client.get(format!("/v1/accounts/u{user}/balances")).expect(200))
        .map(|balances| balances["data"][0]["total"].as_str().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(total, RECORDS);
    server.stop();
}
