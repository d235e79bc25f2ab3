//! A log that moves: from the embedded one to Kafka, and from topics to other topics through a file.

use orderledger_domain::position::Topic;
use orderledger_store::event_log::kafka::KafkaRestoring;
use orderledger_store::event_log::kafka::topics::create_to_restore;
use orderledger_store::event_log::{Record, Restoring};
use orderledger_tests::client::{Client, until};
use orderledger_tests::server::Home;
use serde_json::Value;

use crate::change::Topics;
use crate::flow;

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = orderledger_tests::run(arguments).unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn succeeds(arguments: &[&str]) -> String {
    let (code, said) = run(arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {said}");
    said
}

/// Every record with its offset and append time, a line each.
fn dumped(home: &Home) -> String {
    let (code, said) = home.run(&["log", "dump"]);
    assert_eq!(code, Some(0), "{said}");
    said
}

/// Name and digest of every view, once all has been read and is on the disk.
fn digests(client: &Client) -> Vec<(Value, Value)> {
    let rows = || client.get("/v1/projections").expect(200)["data"].as_array().unwrap().clone();
    let still =
        |rows: &Vec<Value>| rows.iter().all(|row| row["lagRecords"] == 0 && row["digestPositions"] == row["positions"]);
    let rows = until(rows, still);
    assert!(still(&rows), "{rows:?}");
    rows.into_iter().map(|row| (row["name"].clone(), row["digest"].clone())).collect()
}

#[test]
fn an_embedded_log_stands_on_kafka_at_the_same_offsets_with_the_same_times_and_digests() {
    let Some(elsewhere) = Topics::missing("moved") else { return };
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "3"]);
    let judged = flow::run(&server.client, |flow| flow.wait_judged(60));
    let before = digests(&server.client);
    let data = home.data();
    let migrate = [&["migrate", "--json", "--data", data.to_str().unwrap()], &elsewhere.options()[..]].concat();
    let (code, said) = run(&migrate);
    assert_eq!(code, Some(3), "a server runs there: {said}");
    server.stop();
    let told: Value = serde_json::from_str(&succeeds(&migrate)).unwrap();
    let records = dumped(&home);
    assert_eq!(told["records"], records.lines().count(), "{told}");

    let moved = Home::on(elsewhere.0.clone());
    assert_eq!(dumped(&moved), records);
    let mut check = vec!["topics", "check"];
    check.extend(elsewhere.options());
    succeeds(&check);
    let server = moved.serve();
    assert_eq!(digests(&server.client), before);
    flow::check(&server.client, &judged);
    // It goes on, and the brokers stamp what comes.
    flow::run(&server.client, |flow| flow.wait_judged(10));
    server.stop();
    moved.verify();
    let after = dumped(&moved);
    assert!(after.lines().count() > records.lines().count());
    assert!(records.lines().all(|record| after.contains(record)));

    // Topics that hold something are never written over.
    let (code, said) = run(&migrate);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("holds records"), "{said}");
    assert_eq!(dumped(&moved), after);
}

#[test]
fn topics_come_back_from_a_file_that_was_written_while_orders_came() {
    let (Some((home, settings)), Some(elsewhere)) = (Home::on_kafka(), Topics::missing("moved")) else { return };
    let server = home.serve();
    let file = home.data().with_file_name("whole.jsonl");
    let file = file.to_str().unwrap();
    let from = ["--log", "kafka", "--kafka-brokers", &settings.brokers, "--topic-prefix", &settings.prefix];
    flow::run(&server.client, |flow| {
        flow.wait_judged(30);
        succeeds(&[&["log", "export", "--out", file], &from[..]].concat());
        flow.wait_judged(10);
    });
    server.stop();
    let there = dumped(&home);
    succeeds(&[&["restore", file, "--log", "kafka"], &elsewhere.options()[..]].concat());
    let restored = Home::on(elsewhere.0.clone());
    let here = dumped(&restored);
    assert!(here.lines().count() > 100 && here.lines().all(|record| there.contains(record)));
    let server = restored.serve();
    flow::run(&server.client, |flow| flow.wait_judged(10));
    server.stop();
    restored.verify();
}

#[test]
fn topics_that_were_filled_half_are_no_log() {
    let Some(elsewhere) = Topics::missing("moved") else { return };
    create_to_restore(&elsewhere.0, 2, None).unwrap();
    let mut restoring = KafkaRestoring::start(&elsewhere.0).unwrap();
    let record = Record { offset: 0, recorded_at_ms: 1_736_937_000_000, key: None, value: None, headers: Vec::new() };
    restoring.take(Topic::Orders.at(1), vec![record]).unwrap();
    restoring.end(Topic::Orders.at(1), 1).unwrap();
    restoring.sync().unwrap();
    drop(restoring);
    let (code, said) = Home::on(elsewhere.0.clone()).serve_refused(&[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("message.timestamp.type is CreateTime"), "{said}");
    let again = create_to_restore(&elsewhere.0, 2, None).unwrap_err();
    assert!(again.to_string().contains("delete the topics"), "{again}");
}
