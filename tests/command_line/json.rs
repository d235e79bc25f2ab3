//! `--json`: exactly one JSON value on stdout, of every command that has the flag. Which have it the program says itself.

use std::collections::BTreeSet;
use std::path::Path;

use orderledger_store::event_log::kafka::{KafkaSettings, topics};
use orderledger_tests::client::{Client, until};
use orderledger_tests::server::Home;
use orderledger_tests::{checkout, kafka};
use serde_json::{Value, json};

use crate::{Place, said};

/// What takes too long to be run here, too, and the files of the tests that read its one value.
const ELSEWHERE: [(&str, &str); 11] = [
    ("demo", "tests/demo/market_day.rs"),
    ("benchmark history", "tests/demo/benchmarks.rs"),
    ("benchmark ids", "tests/demo/benchmarks.rs"),
    ("benchmark inbox", "tests/demo/benchmarks.rs"),
    ("benchmark matching", "tests/demo/benchmarks.rs"),
    ("benchmark orders", "tests/demo/benchmarks.rs"),
    ("benchmark past", "tests/demo/benchmarks.rs"),
    ("benchmark priorities", "tests/demo/benchmarks.rs"),
    ("benchmark reads", "tests/demo/benchmarks.rs"),
    ("benchmark rebuild", "tests/demo/benchmarks.rs"),
    ("benchmark soak", "tests/demo/benchmarks.rs"),
];

const LOBSTER: &str = "34200.1,1,1,5,1000000,1\n34200.2,1,2,5,1010000,-1\n34200.3,3,1,5,1000000,1\n";
const BITSTAMP: &str = r#"1430438404518 order_created {"price": "236.47", "amount": "2.00000000", "datetime": "1", "id": 20, "order_type": 0}
1430438404528 order_deleted {"price": "236.47", "amount": "2.00000000", "datetime": "1", "id": 20, "order_type": 0}
"#;

/// Runs commands and remembers which.
struct Runs<'a> {
    place: &'a Place,
    ran: BTreeSet<String>,
}

impl Runs<'_> {
    /// Runs it with `--json`; it must end with that code, and its output be one value.
    fn ends_with(&mut self, code: i32, command: &str, arguments: &[&str]) -> Value {
        let words = command.split(' ').chain(arguments.iter().copied()).chain(["--json"]);
        let output = self.place.run(&words.collect::<Vec<_>>(), &[("ORDERLEDGER_LOG_LEVEL", "error")]);
        assert_eq!(output.status.code(), Some(code), "{command} {arguments:?}: {}", said(&output));
        let out = String::from_utf8(output.stdout).unwrap();
        let value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{command} {arguments:?}: {error}: {out}"));
        self.ran.insert(command.to_owned());
        value
    }

    fn json(&mut self, command: &str, arguments: &[&str]) -> Value {
        self.ends_with(0, command, arguments)
    }
}

/// Where the program of a command line is neither asked for a server nor for a log.
fn without_a_log(runs: &mut Runs<'_>) {
    runs.json("config show", &[]);
    runs.json("man", &["--dir", "pages"]);
    assert!(runs.json("schema show", &[]).as_array().unwrap().contains(&json!("OrderCreated")));
    assert_eq!(runs.json("schema show", &["OrderCreated"])["type"], "object");
    runs.json("keys create", &["--auth-keys", "keys.toml", "--role", "operator", "--name", "ann"]);
    let keys = runs.json("keys list", &["--auth-keys", "keys.toml"]);
    runs.json("keys revoke", &[keys["data"][0]["id"].as_str().unwrap(), "--auth-keys", "keys.toml"]);
    runs.place.write("lobster.csv", LOBSTER, 0o600);
    runs.json("import lobster", &["lobster.csv", "--symbol", "AAPL", "--users", "4", "--data", "lobster"]);
    runs.place.write("bitstamp.log", BITSTAMP, 0o600);
    runs.json("import bitstamp", &["bitstamp.log", "--users", "4", "--data", "bitstamp"]);
    runs.place.write("none.jsonl", "", 0o600);
    runs.json("import events", &["none.jsonl", "--data", "events"]);
}

/// What asks a server, which can't apply the record of a user and has a webhook.
fn of_a_server(runs: &mut Runs<'_>, client: &Client, parked: &str) {
    let server = ["--server", client.base()];
    client.until_live("notifications");
    let hook = client.post("/v1/webhooks", &json!({"url": "http://127.0.0.1:1/"})).send().expect(201);
    let hook = hook["webhookId"].as_str().unwrap();
    for command in ["status", "health", "webhooks list", "parked list"] {
        runs.json(command, &server);
    }
    runs.json("webhooks dead-letters", &[&[hook], &server[..]].concat());
    runs.json("webhooks resend", &[&[hook, "--dead-letters"], &server[..]].concat());
    runs.json("parked show", &[&["user:u1"], &server[..]].concat());
    runs.json("parked retry", &[&["user:u1", "--dry-run"], &server[..]].concat());
    // It can't be applied again, and waits on.
    runs.ends_with(1, "parked retry", &[&["user:u1"], &server[..]].concat());
    runs.json("parked discard", &[&["user:u1", "--position", parked, "--reason", "no matter"], &server[..]].concat());
    let day = ["--out", "files", "--from", "2025-01-01", "--to", "2025-01-01"];
    runs.json("export parquet", &[&day[..], &server].concat());
    runs.json("backup", &[&["--to", "backups"], &server[..]].concat());
    runs.json("log tail", &server);
    runs.json("rebuild", &[&["audit"], &server[..]].concat());
}

/// What reads a log that no server has.
fn of_a_log(runs: &mut Runs<'_>, data: &Path) {
    let data = ["--data", data.to_str().unwrap()];
    for command in ["verify", "log dump", "log tail", "schema check", "doctor"] {
        runs.json(command, &data);
    }
    runs.json("rebuild", &[&["all"], &data[..]].concat());
    runs.json("backup", &[&["--to", "backups-at-rest"], &data[..]].concat());
    runs.json("log export", &[&["--out", "log.jsonl"], &data[..]].concat());
    runs.json("log verify", &["log.jsonl"]);
    runs.json("restore", &["log.jsonl", "--data", "restored"]);
}

/// What needs a cluster; without one they are named, and skipped.
fn of_a_cluster(runs: &mut Runs<'_>, data: &Path) {
    let Some(brokers) = kafka::shared() else {
        runs.ran.extend(["topics create", "topics check", "migrate"].map(str::to_owned));
        return;
    };
    for (command, options) in
        [("topics create", &["--partitions", "1"][..]), ("migrate", &["--data", data.to_str().unwrap()])]
    {
        let prefix = kafka::unique_prefix("json");
        let cluster = ["--kafka-brokers", &brokers, "--topic-prefix", &prefix];
        runs.json(command, &[options, &cluster].concat());
        runs.json("topics check", &cluster);
        let settings = KafkaSettings { brokers: brokers.clone(), prefix, ..KafkaSettings::default() };
        topics::delete(&settings).unwrap();
    }
}

#[test]
fn every_command_with_json_prints_exactly_one_value() {
    let place = Place::new();
    let mut runs = Runs { place: &place, ran: BTreeSet::new() };
    let shown = runs.json("config show", &[]);
    let row = shown["options"].as_array().unwrap().iter().find(|row| row["option"] == "json").unwrap();
    let have: BTreeSet<String> =
        row["commands"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    without_a_log(&mut runs);
    let home = Home::embedded();
    // What intake says of the one deposit, which settlement can't apply.
    let parked = "orders-0@1";
    let options = ["--partitions", "1", "--webhooks-allow-private"];
    let mut server = home.start_faulty(&options, &[("ORDERLEDGER_POISON", &format!("settlement:{parked}"))]);
    server.wait_until_ready();
    server.client.deposit("u1", "USD", "1");
    let waits = until(|| server.client.get("/v1/parked").expect(200), |rows| rows["data"][0]["entity"] == "user:u1");
    assert_eq!(waits["data"][0]["entity"], "user:u1");
    of_a_server(&mut runs, &server.client, parked);
    server.stop();
    of_a_log(&mut runs, &home.data());
    of_a_cluster(&mut runs, &home.data());
    for (command, file) in ELSEWHERE {
        let test = std::fs::read_to_string(checkout().join(file)).unwrap();
        let words = command.split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        assert!(test.contains(&words) && test.contains("\"--json\""), "{file} doesn't run {command}");
        runs.ran.insert(command.to_owned());
    }
    assert_eq!(runs.ran, have, "run here, and those that have the flag");
}
