//! `benchmark`: each runs, tiny, and prints ours beside the bare loops. Figures are no test.

use std::io::Write as _;

use orderledger_tests::{kafka, run_json};
use serde_json::Value;

fn is_positive(value: &Value) -> bool {
    value.as_u64().is_some_and(|figure| figure > 0)
}

#[test]
fn matching_prints_the_book_beside_both_loops() {
    let said = run_json(&["benchmark", "matching", "--records", "1000", "--rounds", "1", "--json"]).unwrap();
    let rows = said["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert!(["perSecond", "copyPerSecond", "priceTreePerSecond"].iter().all(|name| is_positive(&row[*name])));
    }
    assert_eq!(said["trades"], 1000);
}

#[test]
fn rebuild_reads_the_same_records_in_every_pass() {
    let said = run_json(&["benchmark", "rebuild", "--records", "1000", "--rounds", "1", "--json"]).unwrap();
    let rows = said["rows"].as_array().unwrap();
    assert_eq!(passes(rows), ["read", "read and parse", "fold", "rebuild"]);
    check_rebuild(rows);
}

#[test]
fn rebuild_on_kafka_compares_with_the_bare_client() {
    let Some(brokers) = kafka::shared() else { return };
    let on_kafka = ["--log", "kafka", "--kafka-brokers", &brokers, "--records", "1000", "--rounds", "1", "--json"];
    let said = run_json(&[&["benchmark", "rebuild"][..], &on_kafka].concat()).unwrap();
    let rows = said["rows"].as_array().unwrap();
    assert_eq!(passes(rows), ["bare", "read", "read and parse", "fold", "rebuild"]);
    assert_eq!(rows[0]["bytes"], rows[1]["bytes"]);
    check_rebuild(rows);
}

fn passes(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["pass"].as_str().unwrap()).collect()
}

/// All have read the same, and are compared with the first.
fn check_rebuild(rows: &[Value]) {
    for row in rows {
        assert!(row["records"] == rows[0]["records"] && is_positive(&row["recordsPerSecond"]));
        for (ratio, of) in [("recordsPerSecondPerMille", "recordsPerSecond"), ("peakPerMille", "peakBytes")] {
            let (figure, bare) = (row[of].as_u64().unwrap(), rows[0][of].as_u64().unwrap());
            assert_eq!(row["ofBare"][ratio].as_u64(), Some(figure * 1000 / bare), "{row}");
        }
        let cpu = row["cpuMillis"].as_u64().unwrap() * 1000;
        assert_eq!(row["ofBare"]["cpuPerMille"].as_u64(), cpu.checked_div(rows[0]["cpuMillis"].as_u64().unwrap()));
    }
    assert!(is_positive(&rows[rows.len() - 1]["viewsOfLogPerMille"]));
}

#[test]
fn priorities_send_orders_alone_and_beside_all_that_may_lag() {
    let tiny = ["--rate", "50", "--samples", "10", "--seconds", "1", "--pairs", "1", "--json"];
    let small = ["--records", "1000", "--connections", "4", "--users", "4"];
    let said = run_json(&[&["benchmark", "priorities"][..], &tiny, &small].concat()).unwrap();
    let halves = said["pairs"][0].as_array().unwrap();
    assert_eq!(halves.len(), 2);
    assert!(halves.iter().all(|half| half["accepted"] == 50 && half["failed"] == 0 && half["unseen"] == 0));
    assert!(said["ratios"].as_array().unwrap().iter().all(|of| is_positive(&of["medianPerMille"])));
}

#[test]
fn ids_fills_an_index_and_finds_what_is_in_it_and_nothing_else() {
    let kept = tempfile::tempdir().unwrap();
    let data = kept.path().join("ids");
    let tiny = ["--ids", "40000", "--users", "50", "--look-ups", "1000", "--json", "--data", data.to_str().unwrap()];
    let said = run_json(&[&["benchmark", "ids"][..], &tiny].concat()).unwrap();
    assert_eq!((&said["ids"], &said["filled"][2]["ids"]), (&40_000.into(), &40_000.into()));
    let figures =
        ["fileBytes", "perSecond", "appendPerSecond", "fillingPeakBytes", "openMicros", "openAfterKillMicros"];
    assert!(figures.iter().all(|name| is_positive(&said[*name])), "{said}");
    let rows = said["lookUps"].as_array().unwrap();
    assert!(rows.iter().all(|row| is_positive(&row["coldPerSecond"]) && is_positive(&row["warmPerSecond"])));
    let left: Vec<_> = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["ids.redb"]);
}

#[test]
fn inbox_reads_and_marks_a_large_inbox_beside_a_small_one() {
    let said = run_json(&["benchmark", "inbox", "--notifications", "3000", "--samples", "10", "--json"]).unwrap();
    let inboxes = said["inboxes"].as_array().unwrap();
    assert_eq!((&inboxes[0]["entries"], &inboxes[1]["entries"]), (&100.into(), &3000.into()));
    for inbox in inboxes {
        assert!(["perSecond", "diskBytes", "bytesAnEntry"].iter().all(|name| is_positive(&inbox[*name])), "{inbox}");
        let rows = inbox["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 9);
        assert!(rows.iter().all(|row| is_positive(&row["latency"]["maxUs"])), "{inbox}");
        assert!(rows[1..].iter().all(|row| row["latency"]["count"] == 10), "{inbox}");
    }
}

#[test]
fn history_streams_every_record_of_the_log() {
    let said = run_json(&["benchmark", "history", "--records", "2000", "--users", "20", "--json"]).unwrap();
    let rows = said["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| is_positive(&row["rowsPerSecond"]) && is_positive(&row["bytes"])));
    assert_eq!((&rows[0]["rows"], &rows[1]["rows"], &rows[2]["rows"]), (&2000.into(), &200.into(), &2000.into()));
}

#[test]
fn past_asks_before_and_after_a_rebuild() {
    let kept = tempfile::tempdir().unwrap();
    let data = kept.path().join("data");
    let data = data.to_str().unwrap();
    run_json(&["demo", "--orders", "500", "--users", "10", "--data", data, "--json"]).unwrap();
    let said = run_json(&["benchmark", "past", "--data", data, "--moments", "5", "--json"]).unwrap();
    let reads = said["reads"].as_array().unwrap();
    assert_eq!(reads.len(), 9);
    let is_asked = |half: &Value| half["count"] == 5 && is_positive(&half["p99Us"]);
    assert!(reads.iter().all(|read| is_asked(&read["asFound"]) && is_asked(&read["rebuilt"])), "{said}");
}

#[test]
fn reads_compares_every_read_with_the_static_answer() {
    if std::env::var_os("ORDERLEDGER_LONG").is_none() {
        // Nobody reads it if stderr is gone.
        let _ = writeln!(std::io::stderr(), "skipped: benchmark reads takes a minute (./test --long)");
        return;
    }
    let tiny = ["--seconds", "3", "--rate", "50", "--orders", "1000", "--users", "8", "--connections", "2", "--json"];
    let said = run_json(&[&["benchmark", "reads"][..], &tiny].concat()).unwrap();
    let rows = said["reads"].as_array().unwrap();
    assert!(rows.len() > 4 && rows.iter().all(|row| is_positive(&row["idle"]["perSecond"])), "{said}");
}

#[test]
fn orders_measures_a_server_of_its_own_and_counts_what_it_accepted() {
    let tiny = ["--rate", "100", "--seconds", "2", "--connections", "4", "--users", "4", "--json"];
    let said = run_json(&[&["benchmark", "orders"][..], &tiny].concat()).unwrap();
    assert_eq!((&said["accepted"], &said["failed"], &said["unseen"]), (&200.into(), &0.into(), &0.into()));
    assert_eq!(said["acceptedInLog"].as_u64(), Some(200 + said["warmUp"].as_u64().unwrap()));
    assert!(["answered", "decided", "visible"].iter().all(|name| is_positive(&said[*name]["p99Us"])));
    assert!(["fsync", "hop", "call"].iter().all(|name| is_positive(&said["bare"][*name]["p50Us"])));
}

#[test]
fn soak_looks_at_the_server_while_the_demo_s_day_goes_on_and_verifies_it() {
    let tiny = ["--seconds", "2", "--rate", "100", "--users", "12", "--reads", "20", "--every", "1", "--json"];
    let said = run_json(&[&["benchmark", "soak"][..], &tiny].concat()).unwrap();
    assert!(is_positive(&said["accepted"]));
    assert_eq!(
        (&said["accepted"], &said["failed"], &said["verify"]["equal"]),
        (&said["acceptedInLog"], &0.into(), &true.into())
    );
    let samples = said["samples"].as_array().unwrap();
    let figures = ["records", "residentBytes", "openFiles", "threads", "diskBytes"];
    assert!(samples.iter().all(|sample| figures.iter().all(|figure| is_positive(&sample[figure]))));
    let last = samples.last().unwrap();
    assert!(is_positive(&last["restingOrders"]) && last["rows"].is_u64(), "{last}");
    assert_eq!(said["trends"].as_array().unwrap().len(), 10);
}
