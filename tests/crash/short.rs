//! The short form of the crash laboratory; `crash-laboratory --kills N` is the long one.

use orderledger_tests::kafka;
use orderledger_tests::laboratory::{LogKind, Setup, run};

use crate::trading::one_after_another;

/// With `ORDERLEDGER_LONG` set there are so many times as many.
const LONG: u64 = 20;

fn laboratory(log: LogKind, kills: u64, audit_every: u64) {
    let _turn = one_after_another();
    let long = std::env::var_os("ORDERLEDGER_LONG").is_some();
    let setup = Setup {
        // A fresh one each time; a failure names it.
        seed: uuid::Uuid::new_v4().as_u64_pair().0,
        kills: if long { kills * LONG } else { kills },
        log,
        program: env!("CARGO_BIN_EXE_orderledger-faults").into(),
        audit_every,
        fresh_every: 2,
        planted: None,
        say: |_| {},
    };
    let report = run(&setup).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.counts["audits"] >= 2 && report.counts["answers"] > kills, "little happened: {report}");
}

#[test]
fn killed_again_and_again_on_the_embedded_log_it_keeps_every_promise() {
    laboratory(LogKind::Embedded, 14, 7);
}

#[test]
fn killed_again_and_again_on_kafka_with_a_zombie_beside_it_keeps_every_promise() {
    let Some(brokers) = kafka::shared() else { return };
    laboratory(LogKind::Kafka { brokers }, 6, 3);
}

#[test]
fn a_planted_bug_that_only_a_crash_shows_is_found() {
    let _turn = one_after_another();
    for bug in ["SequenceReset", "ViewWithoutStreamMarks"] {
        let setup = Setup {
            seed: 1,
            kills: 60,
            log: LogKind::Embedded,
            program: env!("CARGO_BIN_EXE_orderledger-faults").into(),
            audit_every: 4,
            fresh_every: 2,
            planted: Some(bug.to_owned()),
            say: |_| {},
        };
        let Err(found) = run(&setup) else { panic!("{bug} is not found") };
        let by = ["the auditor finds", "halts", "a worker is parked", "verify", "rebuild"];
        let is_seen = by.iter().any(|by| found.what.contains(by));
        assert!(found.kill > 0 && is_seen, "{bug}: {found}");
        std::fs::remove_dir_all(&found.kept).unwrap();
    }
}
