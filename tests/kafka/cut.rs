//! Records deleted from the beginning of topics: a server that has read them goes on, and so does a start with its data; what
//! needs them is refused with words.

use orderledger_domain::position::Topic;
use orderledger_store::event_log::EventLog;
use orderledger_store::event_log::kafka::KafkaLog;
use orderledger_tests::kafka;
use orderledger_tests::server::Home;

use crate::change::{Topics, change};

#[test]
fn records_that_are_deleted_are_missed_only_by_those_who_need_them() {
    let Some(brokers) = kafka::shared() else { return };
    let Some(topics) = Topics::new("cut") else { return };
    let home = Home::on(topics.0.clone());
    let server = home.serve();
    let trade = |rounds: u64| {
        for _ in 0..rounds {
            server.client.order("u", "sell", "AAPL", 1, "10");
            server.client.order("v", "buy", "AAPL", 1, "10");
        }
        server.client.order("v", "buy", "AAPL", 1, "1")["position"].clone()
    };
    server.client.deposit("u", "AAPL", "1000");
    server.client.deposit("v", "USD", "1000");
    let at = trade(10);
    server.client.get_at("/v1/audit/events", &at);
    let cut = |topic: Topic| vec!["before".to_owned(), topics.name(topic.name()), "4".to_owned()];
    if !change(&brokers, &[cut(Topic::Orders), cut(Topic::Books), cut(Topic::Trades)]) {
        return;
    }
    let log = KafkaLog::open(topics.0.clone(), None).unwrap();
    let firsts = |topic: Topic| (0..3).map(|at| log.first_offset(topic.at(at)).unwrap()).max();
    assert_eq!((firsts(Topic::Orders), firsts(Topic::Books)), (Some(4), Some(4)));
    let at = trade(3);
    assert_eq!(server.client.balances("u", &at)["AAPL"][0], "987");
    assert_eq!(server.client.get("/readyz").status, 200);
    server.stop();
    // With its data.
    let server = home.serve();
    let at = server.client.deposit("u", "USD", "1");
    let rebuild = server.client.post("/v1/projections/settlement/rebuild", &serde_json::json!({})).send();
    rebuild.expect_problem(409, "log-truncated");
    assert_eq!(server.client.balances("u", &at)["USD"][0], "131" /* 13 shares at 10, and 1 */);
    server.stop();
    let refused = |what: &str, (code, said): (Option<i32>, String)| {
        assert_eq!(code, Some(3), "{what}: {said}");
        assert!(said.contains("first offset") || said.contains("begins at offset"), "{what}: {said}");
    };
    refused("rebuild", home.run(&["rebuild", "all"]));
    let backups = home.data().with_file_name("backups");
    refused("a backup", home.run(&["backup", "--to", backups.to_str().unwrap()]));
    assert_eq!(std::fs::read_dir(backups).unwrap().count(), 0);
    // Views alone are gone: they need every record.
    let views = home.data().join("views");
    std::fs::rename(&views, home.data().with_file_name("views")).unwrap();
    refused("a start without views", home.serve_refused(&[]));
    std::fs::remove_dir_all(&views).unwrap();
    std::fs::rename(home.data().with_file_name("views"), &views).unwrap();
    // And with them again.
    home.serve().stop();
    std::fs::rename(home.data().join("stages"), home.data().with_file_name("stages")).unwrap();
    refused("a start without snapshots", home.serve_refused(&[]));
    std::fs::remove_dir_all(home.data()).unwrap();
    refused("a start without data", home.serve_refused(&[]));
}
