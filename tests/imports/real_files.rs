//! Files of real markets. The figures and where the files come from are in docs/TESTING.md.

use std::path::Path;
use std::process::{Command, Stdio};

use orderledger_tests::{run, run_json, shared_data};
use serde_json::{Value, json};

const LOBSTER: &str = "lobster_aapl_1000_l10/AAPL_2012-06-21_34200000_57600000";

fn import_lobster(data: &Path, with_rows: bool) -> Option<Value> {
    let messages = shared_data(&format!("{LOBSTER}_message_10.csv"))?;
    let rows = shared_data(&format!("{LOBSTER}_orderbook_10.csv"))?;
    let mut arguments = vec!["import", "lobster", messages.to_str()?, "--symbol", "AAPL", "--json", "--data"];
    arguments.push(data.to_str()?);
    if with_rows {
        arguments.extend(["--orderbook", rows.to_str()?]);
    }
    Some(run_json(&arguments).unwrap())
}

pub(crate) fn verify(data: &Path) {
    let verified = run(&["verify", "--data", data.to_str().unwrap()]).unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn every_execution_of_a_lobster_file_happens_again_with_the_order_that_the_file_names() {
    let dir = tempfile::tempdir().unwrap();
    let Some(report) = import_lobster(dir.path(), false) else { return };
    assert_eq!(report["executions"], json!({"inFile": 98, "reproduced": 98, "atNamedOrder": 98}));
    verify(dir.path());
    // The same file once more: the same report, and nothing happens twice.
    assert_eq!(import_lobster(dir.path(), false), Some(report));
    verify(dir.path());
}

#[test]
fn the_book_equals_the_rows_of_the_lobster_file_level_by_level() {
    let dir = tempfile::tempdir().unwrap();
    let Some(report) = import_lobster(dir.path(), true) else { return };
    let equal = [998, 998, 998, 998, 998, 998, 998, 998, 998, 984];
    assert_eq!(report["levels"], json!({"rows": 998, "equal": equal}));
    assert_eq!(report["executions"], json!({"inFile": 98, "reproduced": 98, "atNamedOrder": 98}));
    verify(dir.path());
}

#[test]
fn the_trades_and_remainders_of_a_bitstamp_feed_are_the_exchange_s() {
    let Some(packed) = shared_data("bitstamp_20150501/2015-05-01.log.xz") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut unpacked = Command::new("xz").arg("-dc").arg(packed).stdout(Stdio::piped()).spawn().unwrap();
    let import = Command::new(orderledger_tests::program())
        .args(["import", "bitstamp", "-", "--json", "--data", dir.path().to_str().unwrap()])
        .stdin(unpacked.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(unpacked.wait().unwrap().success());
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let report: Value = serde_json::from_slice(&import.stdout).unwrap();
    let of = |group: &str, name: &str| report[group][name].as_u64().unwrap();
    assert!(of("deletes", "equal") >= 24_292, "{report}");
    assert!(of("deletes", "compared") <= 24_338, "{report}");
    assert!(of("trades", "equalInOrder") >= 505, "{report}");
    assert_eq!(of("trades", "exchange"), 575);
    verify(dir.path());
}
