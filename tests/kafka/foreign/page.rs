//! The page for other people's producers, and a ledger on Kafka to run it against.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use orderledger_domain::partition::of_key;
use orderledger_domain::position::Topic;
use orderledger_store::event_log::kafka::KafkaSettings;
use orderledger_tests::client::{Client, until};
use orderledger_tests::server::{Home, Server};
use orderledger_tests::{checkout, kafka};
use serde_json::Value;
use tempfile::TempDir;

/// Whose record it is.
pub(super) const USER: &str = "67890";

/// The partitions of every topic.
pub(super) const PARTITIONS: u32 = 12;

/// The partition that the user's records belong to.
pub(super) fn partition() -> u32 {
    of_key(USER.as_bytes(), PARTITIONS)
}

/// The code below a heading of the page, in that language; `None` is the code above the first producer.
pub(super) fn code(heading: Option<&str>, language: &str) -> String {
    let page = std::fs::read_to_string(checkout().join("docs/EVENTS.md")).unwrap();
    let section = page.split("\n## Writing to `orders` yourself\n").nth(1).unwrap();
    let part = match heading {
        Some(heading) => section.split(&format!("\n### {heading}\n")).nth(1).unwrap(),
        None => section,
    };
    let code = part.split(&format!("```{language}\n")).nth(1).unwrap();
    code.split("```").next().unwrap().to_owned()
}

/// The record of the page, byte for byte.
pub(super) fn record() -> String {
    code(None, "sh").lines().find(|line| line.starts_with('{')).unwrap().to_owned()
}

/// A reader of the page: a folder with its record, and a ledger on Kafka to write to.
pub(super) struct Writer {
    dir: TempDir,
    kafka: KafkaSettings,
    jars: PathBuf,
    python: PathBuf,
}

impl Writer {
    /// Writes the record to a file as the page says; without Kafka the test is skipped.
    pub(super) fn new() -> Option<(Writer, Home)> {
        let (jars, python) = (kafka::jars()?, kafka::python()?);
        let (home, kafka) = Home::on_kafka()?;
        let writer = Writer { dir: tempfile::tempdir().unwrap(), kafka, jars, python };
        writer.shell(&code(None, "sh"));
        Some((writer, home))
    }

    /// A file of that name.
    pub(super) fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs a block of shell.
    pub(super) fn shell(&self, code: &str) -> String {
        self.run(Command::new("sh").args(["-euc", code]))
    }

    /// Runs a block of Python; what it printed.
    pub(super) fn python(&self, code: &str) -> String {
        self.run(Command::new(&self.python).args(["-c", code]))
    }

    /// Runs a block of Java, which is a class of that name, with those jars; what it printed.
    pub(super) fn java(&self, jars: &Path, class: &str, code: &str) -> String {
        let file = self.file(&format!("{class}.java"));
        std::fs::write(&file, code).unwrap();
        self.run(Command::new("java").arg("-cp").arg(jars.join("*")).arg(file))
    }

    fn run(&self, command: &mut Command) -> String {
        let output = self.output(command);
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        // A topic's name in a position carries no prefix.
        String::from_utf8(output.stdout).unwrap().trim().replace(&self.kafka.prefix, "")
    }

    /// Runs a block of Python that must fail; what it said.
    pub(super) fn python_refused(&self, code: &str) -> String {
        let output = self.output(Command::new(&self.python).args(["-c", code]));
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn output(&self, command: &mut Command) -> Output {
        let orders = self.kafka.topic(Topic::Orders);
        command.env("SCHEMAS", checkout().join("docs/schemas"));
        command.env("KAFKA", &self.kafka.brokers).env("ORDERS", orders).env("KAFKA_LIBS", &self.jars);
        command.current_dir(self.dir.path()).output().unwrap()
    }
}

/// Derives everything from the log again, twice, and starts the server anew: holes in the offsets trouble nobody.
pub(super) fn prove<'a>(home: &'a Home, server: Server<'_>) -> Server<'a> {
    server.stop();
    home.verify();
    command(home, &["rebuild", "all"]);
    home.serve()
}

/// Runs a command on the log; it must succeed. What it printed.
pub(super) fn command(home: &Home, arguments: &[&str]) -> String {
    let (code, said) = home.run(arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {said}");
    said
}

/// Waits until the page's order is open.
pub(super) fn expect_new(client: &Client) -> Value {
    let order = until(|| client.get("/v1/orders/12345").json(), |order| order["status"] == "new");
    assert_eq!(order["status"], "new", "{order}");
    order
}

/// Waits until the user's history has so many events of this type.
pub(super) fn expect_events(client: &Client, kind: &str, count: usize) {
    let path = format!("/v1/accounts/{USER}/transactions?type={kind}");
    let found = || client.get(&path).json()["data"].as_array().map_or(0, Vec::len);
    assert_eq!(until(found, |found| *found == count), count, "{kind}");
}

/// Waits until so much of the user's cash is reserved.
pub(super) fn expect_reserved(client: &Client, amount: &str) {
    let rows = || client.get(format!("/v1/accounts/{USER}/balances")).json()["data"][0]["reserved"].clone();
    assert_eq!(until(rows, |reserved| reserved == amount), amount);
}
