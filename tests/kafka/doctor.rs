//! `doctor` on a cluster: one line each for brokers, topics, retention and replicas.

use orderledger_tests::client::until;
use orderledger_tests::{kafka, run};
use serde_json::Value;

use crate::change::{Topics, change};

/// The exit code, and the lines by their names.
fn examined(topics: &Topics) -> (Option<i32>, Value) {
    let nowhere = tempfile::tempdir().unwrap();
    let data = nowhere.path().join("data");
    let mut arguments = vec!["doctor", "--json", "--log", "kafka", "--server", "http://127.0.0.1:1"];
    arguments.extend(["--data", data.to_str().unwrap()]);
    arguments.extend(topics.options());
    let output = run(&arguments).unwrap();
    assert!(!data.exists(), "it only looks");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn line<'a>(found: &'a Value, check: &str) -> &'a Value {
    let mut lines = found["checks"].as_array().unwrap().iter();
    lines.find(|line| line["check"] == check).unwrap_or_else(|| panic!("no {check}: {found}"))
}

#[test]
fn a_finite_retention_fails_and_a_lone_broker_is_a_warning() {
    let Some(topics) = Topics::new("doctor") else { return };
    let (code, found) = examined(&topics);
    assert_eq!(code, Some(0), "{found}");
    for (check, state) in
        [("brokers", "ok"), ("topics", "ok"), ("retention", "ok"), ("replicas", "warning"), ("stream key", "warning")]
    {
        assert_eq!(line(&found, check)["state"], state, "{found}");
    }
    assert!(line(&found, "topics")["detail"].as_str().unwrap().contains("5 topics of 3 partitions"), "{found}");
    let step = ["set", &topics.name("books"), "retention.ms", "604800000"].map(str::to_owned);
    if !change(&kafka::shared().unwrap(), &[step.to_vec()]) {
        return;
    }
    // A broker tells of a change a moment after it was made.
    let (code, found) = until(|| examined(&topics), |(code, _)| *code == Some(3));
    let line = line(&found, "retention");
    assert_eq!((code, &line["state"]), (Some(3), &"failed".into()), "{found}");
    assert!(line["detail"].as_str().unwrap().contains("books: retention.ms is 604800000"), "{found}");
    assert!(line["whatToDo"].as_str().unwrap().starts_with("kafka-configs.sh"), "{found}");
}

#[test]
fn missing_topics_are_told_with_the_command_that_makes_them() {
    let Some(topics) = Topics::missing("doctor") else { return };
    let (code, found) = examined(&topics);
    assert_eq!(code, Some(3), "{found}");
    assert!(line(&found, "topics")["whatToDo"].as_str().unwrap().contains("orderledger topics create"), "{found}");
}
