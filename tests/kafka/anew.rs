//! A topic that is deleted and made anew under a running server, at once and filled again: the server halts with words, and
//! never goes on on another log.

use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_store::event_log::kafka::{KafkaLog, topics};
use orderledger_store::event_log::{AppenderKind, EventLog, NewRecord};
use orderledger_tests::client::until_within;
use orderledger_tests::kafka;
use orderledger_tests::server::{Home, Server};

use crate::away::until_readyz_says;
use crate::change::{Topics, change};

const PATIENCE: Duration = Duration::from_secs(60);
/// More records than any partition had.
const FILLED: usize = 100;

fn traded(home: &Home) -> Server<'_> {
    let server = home.serve();
    server.client.deposit("buyer", "USD", "1000");
    server.client.deposit("seller", "AAPL", "10");
    server.client.order("seller", "sell", "AAPL", 5, "10");
    // Refused: a dead letter.
    let order = server.client.order("buyer", "buy", "AAPL", 5, "10");
    server.client.get_at("/v1/audit/events", &order["position"]);
    server
}

/// A record that intake refuses, so that it writes a dead letter.
fn refused(topics: &Topics) {
    fill(topics, Topic::Orders, 1);
}

fn fill(topics: &Topics, topic: Topic, records: usize) {
    let log = KafkaLog::open(topics.0.clone(), None).unwrap();
    let appender = log.appender(AppenderKind::Client).unwrap();
    let (done, acknowledged) = std::sync::mpsc::channel();
    let record =
        |partition| NewRecord { to: topic.at(partition), key: None, value: Some("?".into()), headers: Vec::new() };
    let batch = (0..log.partitions()).flat_map(|of| std::iter::repeat_n(record(of), records)).collect();
    appender.append(batch, Box::new(move |result| done.send(result).unwrap())).unwrap();
    acknowledged.recv_timeout(PATIENCE).unwrap().unwrap();
}

/// Waits until the first records are known to the directory.
fn until_kept(home: &Home, topics: usize) {
    let begun = Instant::now();
    let kept = || std::fs::read_to_string(home.data().join("first-records")).unwrap_or_default();
    let named = |kept: &str| Topic::ALL.iter().filter(|topic| kept.contains(&format!("{} ", topic.name()))).count();
    while named(&kept()) < topics {
        assert!(begun.elapsed() < PATIENCE, "{}", kept());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What trading writes to.
const TRADED: [Topic; 4] = [Topic::Orders, Topic::Books, Topic::Trades, Topic::DeadLetters];

#[test]
fn a_topic_that_is_made_anew_under_a_server_halts_it_with_words() {
    let Some(brokers) = kafka::shared() else { return };
    std::thread::scope(|scope| {
        for topic in TRADED {
            let brokers = &brokers;
            scope.spawn(move || check_halts(brokers, topic));
        }
    });
}

fn check_halts(brokers: &str, topic: Topic) {
    let Some(topics) = Topics::new("under") else { return };
    let home = Home::on(topics.0.clone());
    let server = traded(&home);
    refused(&topics);
    until_kept(&home, TRADED.len());
    let name = topics.name(topic.name());
    if !change(brokers, &[vec!["delete".to_owned(), name.clone()]]) {
        return;
    }
    topics::create(&topics.0, 3, None).unwrap();
    fill(&topics, topic, FILLED);
    let begun = Instant::now();
    // Those who read the topic may find it first; then everybody stops.
    let said = until_readyz_says(&server, &format!("topic {name} "));
    let took = begun.elapsed();
    // Whoever looks before there is another topic finds that there is none.
    let is_named = said.contains("made anew") || said.contains("is gone from the cluster");
    assert!(is_named && said.contains("restore it from a copy"), "{said}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    let states = || {
        let all = server.client.get("/v1/projections").expect(200);
        let rows = [&all["data"], &all["stages"]].map(|rows| rows.as_array().unwrap().clone()).concat();
        rows.iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let have_ended = |states: &Vec<String>| states.iter().all(|state| ["halted", "stopped"].contains(&state.as_str()));
    // Who found no topic at all tries again after longer and longer pauses, for about five minutes.
    let states = until_within(Duration::from_secs(400), states, have_ended);
    assert!(have_ended(&states), "{states:?}");
    let body = serde_json::json!({"asset": "USD", "amount": "1"});
    let answer = server.client.post("/v1/accounts/buyer/deposits", &body).send();
    assert_eq!(answer.status, 503, "{}", answer.body);
    let rebuild = server.client.post("/v1/projections/settlement/rebuild", &serde_json::json!({})).send();
    let refused = rebuild.expect_problem(503, "log-unreachable");
    assert!(refused["detail"].as_str().unwrap().contains(&format!("topic {name} ")), "{refused}");
    assert_eq!(server.client.get("/v1/accounts/buyer/balances").status, 200);
    let log = KafkaLog::open(topics.0.clone(), None).unwrap();
    let ends = |log: &KafkaLog| Topic::ALL.map(|of| (0..3).map(|at| log.end_offset(of.at(at)).unwrap()).sum::<u64>());
    let before = ends(&log);
    server.stop();
    let (code, said) = home.serve_refused(&[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("made anew"), "{said}");
    assert_eq!(ends(&log), before, "something was written to another log");
}
