//! Brokers that are away when the program starts, or while it runs.

use std::time::{Duration, Instant};

use orderledger_store::event_log::kafka::{KafkaSettings, topics};
use orderledger_tests::client::until;
use orderledger_tests::kafka::Setup;
use orderledger_tests::ports::free_port;
use orderledger_tests::run;
use orderledger_tests::server::{Home, Server};
use rustix::process::Signal;

/// How long a change may take to be noticed on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// As long as it takes until groups have told their positions: their connections then idle.
const AT_REST_AFTER: Duration = Duration::from_secs(4);
/// Clients try again several times meanwhile.
const TOLD_FOR: Duration = Duration::from_secs(30);

fn settings(brokers: String) -> KafkaSettings {
    KafkaSettings { brokers, ..KafkaSettings::default() }
}

/// Waits until `readyz` says that word.
pub(crate) fn until_readyz_says(server: &Server<'_>, word: &str) -> String {
    let begun = Instant::now();
    loop {
        if let Ok(answer) = server.client.try_get("/readyz")
            && answer.body.contains(word)
        {
            return answer.body;
        }
        assert!(begun.elapsed() < PATIENCE, "readyz doesn't say {word}: {}", server.said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ends_at_once(mut server: Server<'_>) {
    let asked = Instant::now();
    server.send_sigterm();
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{}", server.said());
    assert!(asked.elapsed() < Duration::from_secs(3), "it took {:?}", asked.elapsed());
}

#[test]
fn without_a_broker_the_server_says_what_it_waits_for_and_ends_at_once() {
    let home = Home::on(settings(format!("127.0.0.1:{}", free_port())));
    let server = home.start(&[]);
    let said = until_readyz_says(&server, "log-unreachable");
    assert!(said.contains("no Kafka broker answers at 127.0.0.1:") && said.contains("Connection refused"), "{said}");
    assert_eq!(server.client.get("/livez").status, 200);
    for path in ["/v1/markets", "/v1/accounts/u/balances", "/openapi.json"] {
        let answer = server.client.get(path);
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.body.contains("errors/log-unreachable"), "{path}: {}", answer.body);
    }
    ends_at_once(server);
}

#[test]
fn a_name_that_nobody_knows_is_named() {
    let home = Home::on(settings("no-such-host.invalid:9092".to_owned()));
    let server = home.start(&[]);
    let said = until_readyz_says(&server, "log-unreachable");
    assert!(said.contains("can't be resolved (no-such-host.invalid:9092)"), "{said}");
    ends_at_once(server);
    let output = run(&["topics", "check", "--kafka-brokers", "no-such-host.invalid:9092"]).unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_server_waits_for_its_broker_and_goes_on_when_it_comes_goes_and_comes_back() {
    let Some(broker) = Setup::default().start().unwrap() else { return };
    let settings = settings(broker.bootstrap());
    topics::create(&settings, 3, None).unwrap();
    broker.stop().unwrap();
    let home = Home::on(settings);
    let mut server = home.start(&[]);
    until_readyz_says(&server, "log-unreachable");
    broker.start().unwrap();
    server.wait_until_ready();
    server.client.deposit("u", "USD", "1000");
    broker.kill().unwrap();
    let said = until_readyz_says(&server, "log-unreachable");
    assert!(said.contains("the Kafka brokers 127.0.0.1:"), "{said}");
    assert_eq!(server.client.get("/v1/accounts/u/balances").status, 200);
    broker.start().unwrap();
    server.wait_until_ready();
    server.client.deposit("u", "USD", "1");
    broker.kill().unwrap();
    until_readyz_says(&server, "log-unreachable");
    let asked = Instant::now();
    server.stop();
    assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
    broker.start().unwrap();
    home.verify();
}

#[test]
fn a_broker_that_hangs_keeps_no_server_from_ending() {
    let Some(broker) = Setup::default().start().unwrap() else { return };
    let settings = settings(broker.bootstrap());
    topics::create(&settings, 3, None).unwrap();
    let home = Home::on(settings);
    let server = home.serve();
    server.client.deposit("u", "USD", "1000");
    broker.signal(Signal::STOP).unwrap();
    // What is on its way when the end comes is unknown to its caller, and not lost if the broker has it.
    let body = serde_json::json!({"asset": "USD", "amount": "1"});
    let asked = server.client.post("/v1/accounts/u/deposits", &body).send();
    asked.expect_problem(503, "outcome-unknown");
    let asked = Instant::now();
    server.stop();
    assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
    broker.signal(Signal::CONT).unwrap();
    let server = home.serve();
    server.client.deposit("u", "USD", "10");
    server.stop();
    home.verify();
}

/// Connections to it stay up on which nothing is asked, and the system takes new ones for it.
#[test]
fn a_broker_that_hangs_is_told_for_as_long_as_it_hangs() {
    let Some(broker) = Setup::default().start().unwrap() else { return };
    let settings = settings(broker.bootstrap());
    topics::create(&settings, 3, None).unwrap();
    let home = Home::on(settings);
    let server = home.serve_with(&["--kafka-property", "socket.timeout.ms=1500"]);
    server.client.deposit("u", "USD", "1000");
    std::thread::sleep(AT_REST_AFTER);
    broker.signal(Signal::STOP).unwrap();
    until_readyz_says(&server, "log-unreachable");
    let hangs = Instant::now();
    while hangs.elapsed() < TOLD_FOR {
        let answer = server.client.get("/readyz");
        assert_eq!(answer.status, 503, "after {:?}: {}", hangs.elapsed(), server.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    broker.signal(Signal::CONT).unwrap();
    until(|| server.client.get("/readyz"), |answer| answer.status == 200);
    server.stop();
    home.verify();
}

/// One broker can't keep three copies of the groups' offsets: they have no coordinator, and dashboards see nothing.
#[test]
fn groups_without_a_coordinator_are_no_business_of_the_server() {
    let setup = Setup::default().property("offsets.topic.replication.factor", "3");
    let Some(broker) = setup.start().unwrap() else { return };
    let settings = settings(broker.bootstrap());
    topics::create(&settings, 3, None).unwrap();
    let home = Home::on(settings);
    let server = home.serve();
    let credited = server.client.deposit("u", "USD", "1000");
    assert_eq!(server.client.balances("u", &credited)["USD"], ["1000", "1000", "0"]);
    // Longer than the pause between two reports of a group's positions.
    std::thread::sleep(Duration::from_millis(1500));
    ends_at_once(server);
    home.verify();
}

#[test]
fn what_is_refused_later_ends_the_server_too() {
    let Some(broker) = Setup::default().start().unwrap() else { return };
    broker.stop().unwrap();
    let home = Home::on(settings(broker.bootstrap()));
    let mut server = home.start(&[]);
    until_readyz_says(&server, "log-unreachable");
    broker.start().unwrap();
    let status = server.wait();
    assert_eq!(status.code(), Some(3), "{}", server.said());
    assert!(server.said().contains("topic is missing"), "{}", server.said());
}
