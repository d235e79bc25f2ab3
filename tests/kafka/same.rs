//! The same import on Kafka and on the embedded log ends in the same balances and books.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use orderledger_tests::server::Home;
use serde_json::Value;

const MESSAGES: u64 = 3_000;

/// A day in LOBSTER's format: submits around one price, some of which cross, cancels and reductions of what may still rest.
fn day() -> String {
    let (mut text, mut state) = (String::new(), 7_u64);
    let mut dice = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for number in 0..MESSAGES {
        let (time, side) = (34_200 + number / 10, if dice(2) == 0 { 1 } else { -1 });
        let (kind, id) = match dice(10) {
            0 if number > 10 => (3, 1 + dice(number)),
            1 if number > 10 => (2, 1 + dice(number)),
            _ => (1, number + 1),
        };
        let (size, price) = (1 + dice(300), 1_000_000 + 100 * dice(40) - 2_000);
        // A String takes all that is written to it.
        let _ = writeln!(text, "{time}.{:09},{kind},{id},{size},{price},{side}", number % 10);
    }
    text
}

/// What the import said, all balances, and the book.
fn imported(home: &Home) -> (Value, BTreeMap<String, Value>, Value) {
    std::fs::create_dir_all(home.data().parent().unwrap()).unwrap();
    let file = home.data().with_file_name("day.csv");
    std::fs::write(&file, day()).unwrap();
    let (code, report) =
        home.run(&["import", "lobster", file.to_str().unwrap(), "--symbol", "AAPL", "--users", "50", "--json"]);
    assert_eq!(code, Some(0), "{report}");
    home.verify();
    let (_, dump) = home.run(&["log", "dump", "--topic", "orders"]);
    let keys = dump.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let users: BTreeSet<String> = keys.filter_map(|line| Some(line["key"].as_str()?.to_owned())).collect();
    let server = home.serve();
    let balances = users.into_iter().filter(|user| !user.starts_with('_')).map(|user| {
        let balances = server.client.get(format!("/v1/accounts/{user}/balances")).expect(200)["data"].clone();
        (user, balances)
    });
    let balances = balances.collect();
    let mut book = server.client.get("/v1/markets/AAPL/book?depth=1000").expect(200);
    book.as_object_mut().unwrap().retain(|name, _| !["asOf", "position"].contains(&name.as_str()));
    server.stop();
    (serde_json::from_str(&report).unwrap(), balances, book)
}

#[test]
fn the_same_import_ends_in_the_same_balances_and_books_on_both_logs() {
    let Some((kafka, _)) = Home::on_kafka() else { return };
    let (on_kafka, embedded) = (imported(&kafka), imported(&Home::embedded()));
    assert!(on_kafka.0["trades"].as_u64() > Some(100), "{}", on_kafka.0);
    assert_eq!(on_kafka, embedded);
}
