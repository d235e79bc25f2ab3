//! Topics with one thing wrong each: found by `topics check`, and refused or warned of by `serve`.

use orderledger_tests::client::until;
use orderledger_tests::server::Home;
use orderledger_tests::{kafka, run, run_json};
use serde_json::Value;

use crate::change::{Topics, change};

/// One thing that is wrong: how it comes about, and how it is found.
struct Wrong {
    step: &'static [&'static str],
    property: &'static str,
    is: &'static str,
    refused: bool,
}

const fn wrong(step: &'static [&'static str], property: &'static str, is: &'static str, refused: bool) -> Wrong {
    Wrong { step, property, is, refused }
}

/// All are of the topic `books`.
const WRONG: [Wrong; 10] = [
    wrong(&["delete"], "topic", "missing", true),
    wrong(&["set", "retention.ms", "604800000"], "retention.ms", "604800000", true),
    wrong(&["set", "retention.bytes", "1000000000"], "retention.bytes", "1000000000", true),
    wrong(&["set", "cleanup.policy", "compact"], "cleanup.policy", "compact", true),
    wrong(&["set", "message.timestamp.type", "CreateTime"], "message.timestamp.type", "CreateTime", true),
    wrong(&["partitions", "4"], "partitions", "4", true),
    wrong(&["cut"], "first offset", "1", true),
    wrong(&["set", "unclean.leader.election.enable", "true"], "unclean.leader.election.enable", "true", false),
    wrong(&["set", "max.message.bytes", "1000"], "max.message.bytes", "1000", true),
    wrong(&["set", "min.insync.replicas", "2"], "min.insync.replicas", "2", false),
];

fn findings(topics: &Topics, severity: &str) -> Vec<Value> {
    let mut arguments = vec!["topics", "check", "--json"];
    arguments.extend(topics.options());
    let output = run(&arguments).unwrap();
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    let refused = checked["refused"].as_u64().unwrap();
    assert_eq!(output.status.code(), Some(if refused > 0 { 3 } else { 0 }), "{checked}");
    let all = checked["findings"].as_array().unwrap();
    all.iter().filter(|finding| finding["severity"] == severity).cloned().collect()
}

#[test]
fn each_wrong_property_is_found_and_what_loses_records_is_refused() {
    let Some(brokers) = kafka::shared() else { return };
    let made: Vec<Topics> = WRONG.iter().filter_map(|_| Topics::new("wrong")).collect();
    let steps = made.iter().zip(&WRONG).map(|(topics, wrong)| {
        let (what, with) = wrong.step.split_first().unwrap();
        let mut step = vec![(*what).to_owned(), topics.name("books")];
        step.extend(with.iter().map(|word| (*word).to_owned()));
        step
    });
    if !change(&brokers, &steps.collect::<Vec<_>>()) {
        return;
    }
    for (topics, Wrong { property, is, refused, .. }) in made.iter().zip(&WRONG) {
        let severity = if *refused { "refused" } else { "warning" };
        // A broker tells of what was changed a moment later.
        let found =
            until(|| findings(topics, severity), |found| found.iter().any(|finding| finding["property"] == *property));
        let of_books: Vec<&Value> = found.iter().filter(|finding| finding["property"] == *property).collect();
        let [finding] = of_books.as_slice() else { panic!("{property}: {found:?}") };
        assert_eq!(finding["of"], topics.name("books").as_str());
        assert_eq!(finding["is"], *is);
        assert!(!finding["whatToDo"].as_str().unwrap().is_empty());
        let home = Home::on(topics.0.clone());
        if *refused {
            let (code, said) = home.serve_refused(&[]);
            assert_eq!(code, Some(3), "{property}: {said}");
            assert!(said.starts_with("orderledger: ") && said.contains(&format!("{property} is {is}")), "{said}");
        } else {
            home.serve().stop();
        }
    }
}

#[test]
fn topics_are_made_once_and_right() {
    let Some(topics) = Topics::missing("made") else { return };
    let mut arguments = vec!["topics", "create", "--partitions", "3", "--json"];
    arguments.extend(topics.options());
    let first = run_json(&arguments).unwrap();
    let names = ["orders", "books", "trades", "dead-letters", "notifications"].map(|topic| topics.name(topic));
    assert_eq!(first["created"], serde_json::json!(names));
    assert_eq!(first["refused"], 0);
    // One broker can't hold three replicas.
    assert!(findings(&topics, "warning").iter().all(|finding| finding["property"] == "replicas"));
    assert_eq!(run_json(&arguments).unwrap()["created"], serde_json::json!([]));
    let other = ["topics", "create", "--partitions", "4", "--json"].into_iter().chain(topics.options());
    let output = run(&other.collect::<Vec<_>>()).unwrap();
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn more_replicas_than_brokers_are_refused_in_words() {
    let Some(topics) = Topics::missing("replicas") else { return };
    let arguments = ["topics", "create", "--replication", "3"].into_iter().chain(topics.options());
    let output = run(&arguments.collect::<Vec<_>>()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("there are fewer brokers; use a smaller --replication"), "{said}");
}
