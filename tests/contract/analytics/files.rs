//! `orderledger export parquet`: files that DuckDB reads, with every row of the API and every decimal exact; resumed, not repeated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use orderledger_domain::timestamp::Timestamp;
use orderledger_tests::server::{Home, Server};
use serde_json::{Value, json};

use super::{DAY, old_day, rows, units};
use crate::document::python;

const KINDS: [&str; 3] = ["trades", "orders", "postings"];

fn export(server: &Server<'_>, out: &Path, more: &[&str]) -> Value {
    let url = server.client.base();
    let mut arguments = vec!["export", "parquet", "--out", out.to_str().unwrap(), "--server", url, "--json"];
    arguments.extend(more);
    orderledger_tests::run_json(&arguments).unwrap()
}

fn file(out: &Path, kind: &str, day: &str) -> PathBuf {
    out.join(kind).join(format!("day={day}")).join("part-0.parquet")
}

/// The lines of a day's export, as the server gives them.
fn lines(server: &Server<'_>, kind: &str, day: &str) -> Vec<Value> {
    let path = format!("/v1/analytics/export/{kind}?day={day}&waitMs=10000");
    let answer = server.client.get(path);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The names and types of the columns, and the rows, as DuckDB reads them.
fn read(python: &Path, files: &Path) -> (BTreeMap<String, String>, Vec<BTreeMap<String, Value>>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contract/analytics/read.py");
    let output = Command::new(python).arg(script).arg(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let mut said = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let head = said.next().unwrap();
    let texts = |of: &Value| -> Vec<String> { serde_json::from_value(of.clone()).unwrap() };
    let (names, types) = (texts(&head[0]), texts(&head[1]));
    let row = |row: Value| names.iter().cloned().zip(row.as_array().unwrap().iter().cloned()).collect();
    (names.iter().cloned().zip(types).collect(), said.map(row).collect())
}

/// Whether DuckDB's value is what the API says.
fn is_same(kind: &str, found: &Value, said: &Value) -> bool {
    match (kind, said) {
        (_, Value::Null) => found.is_null(),
        ("DECIMAL(38,4)", _) => found.is_string() && units(found) == units(said),
        ("TIMESTAMP WITH TIME ZONE", _) => found == Timestamp::parse(said.as_str().unwrap()).unwrap().micros(),
        _ => found == said,
    }
}

#[test]
fn duckdb_reads_every_row_of_a_day_and_every_decimal_as_it_is() {
    let Some(python) = python("DuckDB") else { return };
    let (home, out) = (Home::embedded(), tempfile::tempdir().unwrap());
    let server = old_day(&home);
    let whole = export(&server, out.path(), &["--from", "2025-01-14", "--to", DAY]);
    assert_eq!(
        (&whole["files"], &whole["skipped"], &whole["running"]),
        (&json!(6), &json!(0), &Value::Null),
        "{whole}"
    );
    let mut all = 0;
    for kind in KINDS {
        let (types, found) = read(&python, &out.path().join(kind).join("*/*.parquet"));
        let said = lines(&server, kind, DAY);
        assert!(!said.is_empty() && found.len() == said.len(), "{kind}: {} of {}", found.len(), said.len());
        for (found, said) in found.iter().zip(&said) {
            for (name, value) in said.as_object().unwrap() {
                assert!(is_same(&types[name], &found[name], value), "{name}: {found:?} {said}");
            }
            assert_eq!((found.len(), &found["day"]), (said.as_object().unwrap().len() + 1, &json!(DAY)), "{said}");
        }
        all += said.len();
    }
    assert_eq!(whole["rows"], json!(all));
    // The other lists have the same rows.
    let mut tape = Vec::new();
    for market in rows(&server.client, "/v1/markets") {
        tape.extend(rows(&server.client, &format!("/v1/markets/{}/trades", market["symbol"].as_str().unwrap())));
    }
    assert_eq!(lines(&server, "trades", DAY), tape);
    for kind in ["orders", "postings"] {
        let exported = lines(&server, kind, DAY);
        let whose = |row: &Value| match kind {
            "orders" => row["userId"].as_str().unwrap().to_owned(),
            _ => row["account"].as_str().unwrap().split(':').next().unwrap().to_owned(),
        };
        let mut users: Vec<String> = exported.iter().map(whose).collect();
        users.dedup();
        let listed = users.iter().flat_map(|user| rows(&server.client, &format!("/v1/accounts/{user}/{kind}")));
        assert_eq!(exported, listed.collect::<Vec<_>>(), "{kind}");
    }
    server.stop();
}

#[test]
fn a_day_that_is_whole_is_not_written_again_and_what_was_cut_short_is() {
    let (home, out) = (Home::embedded(), tempfile::tempdir().unwrap());
    let server = old_day(&home);
    let days = ["--from", "2025-01-14", "--to", DAY];
    let first = export(&server, out.path(), &days);
    assert_eq!(first["files"], 6, "{first}");
    let bytes = |kind: &str| std::fs::read(file(out.path(), kind, DAY)).unwrap();
    let whole: Vec<Vec<u8>> = KINDS.iter().map(|kind| bytes(kind)).collect();
    // Orders that are open will change: their day is written anew until they don't.
    let open = lines(&server, "orders", DAY)
        .iter()
        .any(|row| !["filled", "canceled", "rejected", "expired"].contains(&row["status"].as_str().unwrap()));
    let again = export(&server, out.path(), &days);
    assert_eq!((&again["files"], &again["skipped"]), (&json!(u64::from(open)), &json!(6 - u64::from(open))), "{again}");

    // As a kill -9 leaves it, and as a disk that lost its end would.
    let trades = file(out.path(), "trades", DAY);
    std::fs::write(trades.with_file_name(".part-abc.unfinished"), b"PAR1").unwrap();
    std::fs::write(&trades, &whole[0][..whole[0].len() / 2]).unwrap();
    std::fs::remove_file(file(out.path(), "postings", DAY)).unwrap();
    let resumed = export(&server, out.path(), &days);
    assert_eq!(resumed["files"], json!(2 + u64::from(open)), "{resumed}");
    assert_eq!(KINDS.iter().map(|kind| bytes(kind)).collect::<Vec<_>>(), whole);
    assert_eq!(std::fs::read_dir(trades.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
    server.stop();
}

#[test]
fn ten_years_of_a_short_log_are_a_few_calls_and_a_file_for_every_day() {
    // Each of 7,000 files is synced: in memory that takes no time.
    let out = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let home = Home::embedded();
    let server = old_day(&home);
    let calls = || -> f64 {
        let text = server.client.get("/metrics").body;
        let of_export = text.lines().filter(|line| {
            line.starts_with("orderledger_http_requests_total{") && line.contains("/v1/analytics/export/{kind}")
        });
        of_export.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    let years = ["--from", "2016-01-01", "--to", "2026-01-01", "--kind", "trades,postings"];
    let whole = export(&server, &out.path().join("years"), &years);
    assert_eq!((&whole["files"], &whole["skipped"]), (&json!(2 * 3654), &json!(0)), "{whole}");
    // The first day and the one on which something happened, of each kind.
    assert_eq!(calls(), 4.0);
    let again = export(&server, &out.path().join("years"), &years);
    assert_eq!((&again["files"], &again["skipped"]), (&json!(0), &json!(2 * 3654)), "{again}");
    // The same files as of somebody who asks for each day alone.
    let mut rows = 0;
    for day in ["2016-01-01", "2020-02-29", DAY, "2025-01-16", "2026-01-01"] {
        let one = export(&server, &out.path().join("days"), &["--from", day, "--to", day, "--kind", "trades,postings"]);
        rows += one["rows"].as_u64().unwrap();
        for kind in ["trades", "postings"] {
            let [of_years, alone] = ["years", "days"].map(|of| std::fs::read(file(&out.path().join(of), kind, day)));
            assert!(of_years.unwrap() == alone.unwrap(), "{kind} of {day}");
        }
    }
    assert!(rows > 0 && whole["rows"] == json!(rows), "{whole}");
    server.stop();
}

fn today() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap()).day().to_string()
}

#[test]
fn the_day_that_is_running_is_left_out_unless_it_is_asked_for() {
    let (home, out) = (Home::embedded(), tempfile::tempdir().unwrap());
    let server = home.serve();
    server.client.deposit("ann", "USD", "1000");
    server.client.deposit("bob", "AAPL", "10");
    server.client.order("bob", "sell", "AAPL", 10, "9.5");
    let bought = server.client.order("ann", "buy", "AAPL", 4, "9.5");
    server.client.get_at("/v1/analytics/symbols", &bought["position"]);
    let today = today();
    let days = ["--from", &today, "--to", "2999-12-31"];
    let left_out = export(&server, out.path(), &days);
    // At midnight the day is another.
    if self::today() != today {
        return;
    }
    assert_eq!((&left_out["files"], &left_out["running"]), (&json!(0), &json!(today)), "{left_out}");
    let running = [&days[..], &["--running", "--kind", "trades,postings"]].concat();
    for _ in 0..2 {
        let taken = export(&server, out.path(), &running);
        assert_eq!((&taken["files"], &taken["skipped"]), (&json!(2), &json!(0)), "{taken}: it is written anew");
    }
    assert!(!out.path().join("orders").exists());
    let turned_round = ["export", "parquet", "--out", "x", "--from", "2025-01-02", "--to", "2025-01-01"];
    assert_eq!(orderledger_tests::run(&turned_round).unwrap().status.code(), Some(2));
    server.stop();
}
