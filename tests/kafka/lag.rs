//! What Kafka's own tool says of the groups' lag is what the server says: at rest, and where one group stands still.

use std::collections::BTreeMap;
use std::process::Command;

use orderledger_store::event_log::kafka::KafkaSettings;
use orderledger_tests::client::{Client, until};
use orderledger_tests::kafka;
use orderledger_tests::server::Home;
use serde_json::Value;

const GROUPS: [&str; 7] = ["settlement", "market", "audit", "notifications", "analytics", "intake", "matching"];

/// Where each group stands in each partition, and how many records it is behind.
type Lags = BTreeMap<(String, String), (u64, u64)>;

/// What `kafka-consumer-groups.sh --describe` says. A partition without a record has no committed offset worth a word.
fn told_by_kafka(jars: &str, settings: &KafkaSettings) -> Lags {
    let mut tool = Command::new("java");
    tool.args(["-cp", jars, "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--describe"]);
    tool.args(["--bootstrap-server", &settings.brokers]);
    for group in GROUPS {
        tool.args(["--group", &format!("{}{group}", settings.prefix)]);
    }
    let output = tool.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [group, topic, partition, current, end, lag, ..] = words.as_slice() else { return None };
        let strip = |name: &str| name.strip_prefix(&settings.prefix).map(str::to_owned);
        let place = (strip(group)?, format!("{}-{partition}", strip(topic)?));
        let is_empty = end.parse() == Ok(0_u64);
        (!is_empty).then_some((place, (current.parse().ok()?, lag.parse().ok()?)))
    };
    said.lines().filter_map(row).collect()
}

fn told_by_server(client: &Client) -> Lags {
    let all = client.get("/v1/projections").expect(200);
    let mut lags = Lags::new();
    for row in ["data", "stages"].into_iter().flat_map(|part| all[part].as_array().unwrap()) {
        for (of, partition) in row["partitions"].as_object().unwrap() {
            let next = row["positions"].get(of).and_then(Value::as_u64).map_or(0, |last| last + 1);
            let lag = partition["lagRecords"].as_u64().unwrap();
            lags.insert((row["name"].as_str().unwrap().to_owned(), of.clone()), (next, lag));
        }
    }
    lags
}

#[test]
fn kafkas_own_tool_shows_the_same_lag() {
    let (Some(jars), Some((home, settings))) = (kafka::jars(), Home::on_kafka()) else { return };
    let jars = jars.join("*").to_str().unwrap().to_owned();
    let held = home.data().with_extension("held");
    let mut server = home.start_faulty(&[], &[("ORDERLEDGER_HANG_FILE", held.to_str().unwrap())]);
    server.wait_until_ready();
    let client = &server.client;
    for user in ["ann", "bob", "eve"] {
        client.deposit(user, "USD", "1000");
        client.deposit(user, "AAPL", "10");
    }
    client.order("ann", "sell", "AAPL", 1, "10");
    client.order("bob", "buy", "AAPL", 1, "10");
    let both = || (told_by_kafka(&jars, &settings), told_by_server(client));
    let agree = |(kafka, server): &(Lags, Lags)| kafka == server && server.values().all(|(_, lag)| *lag == 0);
    let rest = until(both, agree);
    assert!(agree(&rest) && rest.1.len() > 10, "{rest:#?}");

    std::fs::write(&held, "settlement").unwrap();
    for _ in 0..5 {
        client.deposit("eve", "USD", "1");
    }
    let behind = |(place, _): &(&(String, String), &(u64, u64))| place.0 == "settlement";
    let agree = |(kafka, server): &(Lags, Lags)| {
        kafka == server
            && server.iter().all(|lag| (lag.1.1 > 0) <= behind(&lag))
            && server.values().any(|(_, lag)| *lag > 0)
    };
    let frozen = until(both, agree);
    assert!(agree(&frozen), "{frozen:#?}");
    std::fs::remove_file(&held).unwrap();
    let rest = until(|| told_by_server(client), |lags| lags.values().all(|(_, lag)| *lag == 0));
    assert!(rest.values().all(|(_, lag)| *lag == 0), "{rest:#?}");
    server.stop();
}
