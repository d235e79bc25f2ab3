//! Lag is told everywhere alike: one group stands still, and everybody says so, of this group alone.

use orderledger_tests::client::{Client, until};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::listener::Listener;

/// All groups, by their names.
fn groups(client: &Client) -> Vec<Value> {
    let all = client.get("/v1/projections").expect(200);
    ["data", "stages"].into_iter().flat_map(|part| all[part].as_array().unwrap().clone()).collect()
}

fn group(all: &[Value], name: &str) -> Value {
    all.iter().find(|row| row["name"] == name).unwrap().clone()
}

#[test]
fn one_group_is_frozen_and_every_place_says_so_of_it_alone() {
    let home = Home::embedded();
    let held = home.data().with_extension("held");
    let mut server = home.start_faulty(&[], &[("ORDERLEDGER_HANG_FILE", held.to_str().unwrap())]);
    server.wait_until_ready();
    let client = &server.client;
    client.deposit("ann", "USD", "1");
    std::fs::write(&held, "settlement").unwrap();
    for _ in 0..5 {
        client.deposit("ann", "USD", "1");
    }
    let is_as_expected = |row: &Value| match row["name"].as_str() {
        Some("settlement") => row["state"] == "frozen",
        _ => row["state"] == "live" && row["lagRecords"] == 0,
    };
    let all = until(|| groups(client), |all| all.iter().all(is_as_expected));
    let settlement = group(&all, "settlement");
    assert_eq!(settlement["state"], "frozen", "{settlement}");
    assert!(settlement["lagMs"].as_u64() >= Some(1900) && settlement["overTarget"] == true, "{settlement}");
    assert_eq!((&settlement["class"], &settlement["targetMs"]), (&json!("critical"), &json!(100)));
    assert_eq!(settlement["etaMs"], Value::Null, "{settlement}");
    let partitions = settlement["partitions"].as_object().unwrap();
    let frozen: Vec<&String> =
        partitions.iter().filter(|(_, row)| row["state"] == "frozen").map(|(of, _)| of).collect();
    let [frozen] = frozen.as_slice() else { panic!("{settlement}") };
    for name in ["market", "audit", "intake", "matching"] {
        let other = group(&all, name);
        assert_eq!((&other["state"], &other["lagRecords"]), (&json!("live"), &json!(0)), "{other}");
    }

    // Nothing more comes, so all figures stay: readyz, the channel, the metrics and the command agree.
    let (records, next) = (settlement["lagRecords"].clone(), partitions[*frozen]["consumed"].clone());
    let problem = client.get("/readyz").expect_problem(503, "not-ready");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.starts_with(&format!("settlement is frozen at {frozen}@")) && !detail.contains("market"),
        "{detail} {next}"
    );
    let mut channel = Listener::open(client.base(), "lag", None);
    // It tells what was found last, mostly a quarter of a second ago.
    let is_frozen = |row: &Value| row["name"] == "settlement" && row["state"] == "frozen";
    let told = channel.until(|event| is_frozen(&event.data)).pop().unwrap().data;
    assert_eq!((&told["state"], &told["lagRecords"]), (&json!("frozen"), &records), "{told}");
    let metrics = client.get("/metrics").body;
    let (topic, partition) = frozen.split_once('-').unwrap();
    let labels = format!("{{group=\"settlement\",topic=\"{topic}\",partition=\"{partition}\"}}");
    for line in [
        format!("orderledger_lag_frozen{labels} 1.0"),
        format!("orderledger_lag_records{labels} {records}.0"),
        "orderledger_group_state{group=\"settlement\",state=\"frozen\"} 1.0".to_owned(),
        "orderledger_group_state{group=\"settlement\",state=\"live\"} 0.0".to_owned(),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
    let frozen_ones =
        metrics.lines().filter(|line| line.starts_with("orderledger_lag_frozen") && line.ends_with(" 1.0"));
    assert_eq!(frozen_ones.count(), 1);
    let shown = orderledger_tests::run(&["status", "--server", client.base()]).unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.lines().any(|line| line.starts_with("settlement") && line.contains("frozen")), "{shown}");
    assert!(shown.lines().any(|line| line.trim_start().starts_with(frozen.as_str())), "{shown}");
    let said = until(|| server.said(), |said| said.contains("the group is frozen"));
    assert!(said.contains("the group is frozen") && said.contains(frozen.as_str()), "{said}");

    std::fs::remove_file(&held).unwrap();
    let is_there = |row: &Value| row["state"] == "live" && row["lagRecords"] == 0;
    let all = until(|| groups(client), |all| is_there(&group(all, "settlement")));
    let settlement = group(&all, "settlement");
    assert_eq!((&settlement["lagRecords"], &settlement["state"]), (&json!(0), &json!("live")), "{settlement}");
    assert_eq!(client.get("/readyz").status, 200);
    server.stop();
    home.verify();
}
