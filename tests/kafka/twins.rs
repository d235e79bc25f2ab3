//! Two servers on the same topics: nothing is booked twice, and each says that it sees the other. One server alone sees none.

use std::time::{Duration, Instant};

use orderledger_store::event_log::kafka::KafkaSettings;
use orderledger_tests::client::{limit, new_key};
use orderledger_tests::server::{Home, Server};
use rustix::process::Signal;
use serde_json::Value;

use crate::change::Topics;

const PATIENCE: Duration = Duration::from_secs(60);

fn trade(server: &Server<'_>, rounds: u64) -> Value {
    for number in 0..rounds {
        let price = (100 + number % 3).to_string();
        server.client.order("seller", "sell", "AAPL", 1 + number % 4, &price);
        server.client.order("buyer", "buy", "AAPL", 1 + number % 3, &price);
    }
    server.client.order("buyer", "buy", "AAPL", 1, "1")["position"].clone()
}

fn twin(server: &Server<'_>) -> Option<Value> {
    let stages = server.client.get("/v1/projections").expect(200)["stages"].clone();
    let intake = stages.as_array().unwrap().iter().find(|row| row["name"] == "intake").unwrap().clone();
    intake.get("twin").cloned()
}

fn until_it_sees_a_twin(server: &Server<'_>, other: &Server<'_>) -> Value {
    let begun = Instant::now();
    loop {
        if let Some(twin) = twin(server) {
            return twin;
        }
        assert!(begun.elapsed() < PATIENCE, "it sees no twin: {}", server.said());
        trade(other, 1);
    }
}

fn balances(server: &Server<'_>, at: &Value) -> Vec<Value> {
    let of = |user: &str| server.client.get_at(&format!("/v1/accounts/{user}/balances"), at)["data"].clone();
    ["buyer", "seller"].map(of).to_vec()
}

fn fund(server: &Server<'_>) {
    for user in ["buyer", "seller"] {
        server.client.deposit(user, "USD", "1000000");
        server.client.deposit(user, "AAPL", "1000");
    }
}

#[test]
fn two_servers_on_the_same_topics_see_each_other_and_book_once() {
    let Some(topics) = Topics::new("twins") else { return };
    let (first, second) = (Home::on(topics.0.clone()), Home::on(topics.0.clone()));
    let (one, two) = (first.serve(), second.serve());
    fund(&one);
    let sees = until_it_sees_a_twin(&one, &two);
    assert!(sees["seenAt"].as_str().unwrap().starts_with("orders-") && sees["records"].as_u64() >= Some(1), "{sees}");
    until_it_sees_a_twin(&two, &one);
    assert!(one.said().contains("another server with another data directory"), "{}", one.said());
    // A zombie: stopped while the other goes on, then continued.
    two.signal(Signal::STOP);
    trade(&one, 20);
    // What it is asked now lies in its socket.
    let late = std::thread::scope(|scope| {
        let (key, body) = (new_key(), limit("buy", "AAPL", 1, "1"));
        let asked = two.client.request("POST", "/v1/accounts/buyer/orders").key(&key).json(&body).wait();
        let late = scope.spawn(|| asked.send());
        trade(&one, 5);
        two.signal(Signal::CONT);
        late.join().unwrap()
    });
    // It was late for its deadline, or not.
    assert!([200, 503].contains(&late.status), "{late:?}");
    let at = trade(&two, 5);
    assert_eq!(balances(&one, &at), balances(&two, &at));
    one.stop();
    two.stop();
    first.verify();
    second.verify();
}

#[test]
fn a_server_that_is_killed_restarted_and_older_than_the_log_is_no_twin_of_itself() {
    let Some((home, KafkaSettings { .. })) = Home::on_kafka() else { return };
    let server = home.serve();
    fund(&server);
    trade(&server, 10);
    let kept = home.data().with_file_name("kept");
    server.stop();
    copy(&home.data(), &kept);
    let server = home.serve();
    trade(&server, 10);
    server.kill();
    for round in 0..3 {
        let server = home.serve();
        trade(&server, 10);
        assert_eq!(twin(&server), None, "round {round}: {}", server.said());
        server.kill();
    }
    // As from last week's backup.
    std::fs::remove_dir_all(home.data()).unwrap();
    copy(&kept, &home.data());
    let server = home.serve();
    trade(&server, 10);
    assert_eq!(twin(&server), None, "{}", server.said());
    server.kill();
    std::fs::remove_dir_all(home.data()).unwrap();
    let server = home.serve();
    trade(&server, 10);
    assert_eq!(twin(&server), None, "{}", server.said());
    server.stop();
    home.verify();
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}
