//! A data directory goes with one log: not with another cluster's or prefix's, nor with topics that were made anew.

use orderledger_store::event_log::kafka::{KafkaSettings, topics};
use orderledger_tests::run;
use orderledger_tests::server::Home;

use crate::away::until_readyz_says;
use crate::change::Topics;

/// A directory in which a server has run.
fn used(settings: &KafkaSettings) -> Home {
    let home = Home::on(settings.clone());
    let server = home.serve();
    server.client.deposit("u", "USD", "1000");
    let order = server.client.order("u", "buy", "AAPL", 1, "10");
    server.client.get_at("/v1/audit/events", &order["position"]);
    server.stop();
    home
}

#[test]
fn another_log_is_refused() {
    let Some(own) = Topics::new("own") else { return };
    let Some(other) = Topics::new("other") else { return };
    let home = used(&own.0);
    let data = home.data();
    let data = data.to_str().unwrap();
    for log in [vec!["--log", "embedded"], [&["--log", "kafka"][..], &other.options()].concat()] {
        for command in ["serve", "verify"] {
            let output = run(&[&[command, "--data", data][..], &log].concat()).unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{command} {log:?}: {said}");
            assert!(said.contains("it belongs to the Kafka cluster"), "{said}");
        }
    }
    home.serve().stop();
    home.verify();
}

#[test]
fn a_directory_of_the_embedded_log_stays_one_whether_the_brokers_answer_or_not() {
    let embedded = tempfile::tempdir().unwrap();
    let data = embedded.path().to_str().unwrap();
    let output = run(&["import", "events", "/dev/null", "--data", data]).unwrap();
    assert_eq!(output.status.code(), Some(0));
    let output = run(&["serve", "--data", data, "--log", "kafka", "--kafka-brokers", "127.0.0.1:1"]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("it belongs to the embedded log"), "{said}");
}

#[test]
fn topics_that_were_made_anew_are_refused() {
    let Some(topics) = Topics::new("anew") else { return };
    let home = used(&topics.0);
    topics::delete(&topics.0).unwrap();
    let (code, said) = home.serve_refused(&[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("topic is missing"), "{said}");
    topics::create(&topics.0, 3, None).unwrap();
    let (code, said) = home.serve_refused(&[]);
    assert_eq!(code, Some(3), "{said}");
}

#[test]
fn topics_that_are_deleted_under_a_server_stop_its_workers_in_words() {
    let Some(topics) = Topics::new("deleted") else { return };
    let home = Home::on(topics.0.clone());
    let server = home.serve();
    server.client.deposit("u", "USD", "1000");
    topics::delete(&topics.0).unwrap();
    let said = until_readyz_says(&server, "is gone from the cluster");
    assert!(said.contains("restore it from a copy"), "{said}");
    let body = serde_json::json!({"asset": "USD", "amount": "1"});
    let answer = server.client.post("/v1/accounts/u/deposits", &body).send();
    assert_eq!(answer.status, 503, "{}", answer.body);
    server.stop();
    let (code, said) = home.serve_refused(&[]);
    assert_eq!(code, Some(3), "{said}");
}

#[test]
fn the_log_alone_can_be_looked_at_without_a_data_directory() {
    let Some(topics) = Topics::new("look") else { return };
    let home = used(&topics.0);
    let elsewhere = tempfile::tempdir().unwrap();
    let missing = elsewhere.path().join("missing");
    let arguments = ["log", "dump", "--log", "kafka", "--topic", "orders", "--data", missing.to_str().unwrap()];
    let output = run(&[&arguments[..], &topics.options()].concat()).unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.lines().count() >= 4 && lines.contains("AccountCredited"), "{lines}");
    assert!(!missing.exists());
    drop(home);
}
