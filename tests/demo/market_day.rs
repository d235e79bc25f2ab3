//! `demo`: the same seed gives the same balances, whatever the threads did; another gives others.

use orderledger_tests::{run, run_json};
use serde_json::Value;

fn day(seed: &str) -> Value {
    run_json(&["demo", "--orders", "2000", "--users", "60", "--seed", seed, "--json"]).unwrap()
}

#[test]
fn the_balances_follow_from_the_seed() {
    let [first, again, other] = ["1", "1", "2"].map(day);
    assert_eq!(first["balancesSha256"], again["balancesSha256"]);
    assert_eq!(first["symbols"], again["symbols"]);
    assert_eq!((&first["trades"], &first["orders"]), (&again["trades"], &again["orders"]));
    assert_ne!(first["balancesSha256"], other["balancesSha256"]);
    assert!(first["verify"]["equal"].as_bool().unwrap());
    assert!(first["rebuild"].as_array().unwrap().iter().all(|row| row["equal"] == true));
    assert!(first["proof"].as_array().unwrap().iter().all(|row| row["holds"] == true));
    assert_eq!(first["data"], Value::Null);
}

#[test]
fn a_day_in_a_named_directory_stays_and_is_not_mixed_with_another() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("day");
    let data = data.to_str().unwrap();
    let day = ["demo", "--orders", "300", "--users", "12", "--data", data];
    let first = run(&day).unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(String::from_utf8_lossy(&first.stdout).contains(&format!("serve --data {data}")));
    assert!(run(&["verify", "--data", data]).unwrap().status.success());
    assert_eq!(run(&day).unwrap().status.code(), Some(3));
}
