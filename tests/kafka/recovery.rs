//! From Kafka alone: a lost data directory is made again and repeats nothing; dashboards see how far the groups are.

use std::process::Command;

use orderledger_tests::client::until;
use orderledger_tests::kafka;
use orderledger_tests::server::{Home, Server};
use serde_json::Value;

const GROUPS: [&str; 7] = ["intake", "matching", "settlement", "market", "audit", "notifications", "analytics"];

fn trade(server: &Server<'_>) -> Value {
    for user in ["buyer", "seller"] {
        server.client.deposit(user, "USD", "100000");
        server.client.deposit(user, "AAPL", "1000");
    }
    for number in 0..20 {
        server.client.order("seller", "sell", "AAPL", 1 + number % 4, &format!("{}", 100 + number));
        server.client.order("buyer", "buy", "AAPL", 1 + number % 3, &format!("{}", 99 + number));
    }
    server.client.order("buyer", "buy", "AAPL", 2, "150")["position"].clone()
}

fn answers(server: &Server<'_>, at: &Value) -> Vec<Value> {
    let paths = [
        "/v1/accounts/buyer/balances",
        "/v1/accounts/seller/balances",
        "/v1/accounts/buyer/orders?limit=1000",
        "/v1/accounts/seller/postings?limit=1000",
        "/v1/accounts/buyer/transactions?limit=1000",
        "/v1/markets/AAPL/trades?limit=1000",
        "/v1/markets/AAPL/book?depth=1000",
    ];
    let data = |path: &str| {
        let mut answer = server.client.get_at(path, at);
        answer.as_object_mut().unwrap().retain(|name, _| !["asOf", "nextCursor"].contains(&name.as_str()));
        answer
    };
    paths.into_iter().map(data).collect()
}

#[test]
fn a_server_that_lost_its_data_directory_starts_from_kafka_alone_and_repeats_no_output() {
    let Some((home, _)) = Home::on_kafka() else { return };
    let server = home.serve();
    let at = trade(&server);
    let before = answers(&server, &at);
    server.stop();
    let (code, log) = home.run(&["log", "dump"]);
    assert_eq!(code, Some(0), "{log}");
    for round in 0..2 {
        std::fs::remove_dir_all(home.data()).unwrap();
        let server = home.serve();
        assert_eq!(answers(&server, &at), before, "round {round}");
        // The second time it is killed before it has kept anything in order.
        if round == 0 {
            server.stop()
        } else {
            server.kill()
        }
        assert_eq!(home.run(&["log", "dump"]).1, log, "the log grew by a start");
    }
    let server = home.serve();
    server.client.order("buyer", "buy", "AAPL", 1, "1");
    server.stop();
    home.verify();
}

#[test]
fn the_consumer_groups_command_shows_every_group_and_its_true_lag() {
    let (Some(jars), Some((home, settings))) = (kafka::jars(), Home::on_kafka()) else { return };
    let server = home.serve();
    trade(&server);
    let described = || {
        let output = Command::new("java")
            .arg("-cp")
            .arg(jars.join("*"))
            .arg("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand")
            .args(["--bootstrap-server", &settings.brokers, "--describe"])
            .args(GROUPS.iter().flat_map(|group| ["--group".to_owned(), format!("{}{group}", settings.prefix)]))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    // Group, topic, partition, current offset, end, lag.
    let rows = |text: &str| -> Vec<Vec<String>> {
        let ours = text.lines().filter(|line| line.starts_with(&settings.prefix));
        ours.map(|line| line.split_whitespace().take(6).map(str::to_owned).collect()).collect()
    };
    let caught_up = |text: &String| {
        let rows = rows(text);
        GROUPS.iter().all(|group| rows.iter().any(|row| row[0] == format!("{}{group}", settings.prefix)))
            && rows.iter().all(|row| row[5] == "0" && row[3] == row[4])
    };
    let shown = until(described, caught_up);
    assert!(caught_up(&shown), "{shown}");
    let read = rows(&shown)
        .iter()
        .filter(|row| row[0].ends_with("intake"))
        .map(|row| row[3].parse::<u64>().unwrap())
        .sum::<u64>();
    let stages = server.client.get("/v1/projections").expect(200)["stages"].clone();
    let intake = stages.as_array().unwrap().iter().find(|row| row["name"] == "intake").unwrap().clone();
    assert_eq!(intake["consumed"], read);
    server.stop();
}
