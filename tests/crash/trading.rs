//! A little trading over HTTP, the same every time, and everything that can be seen of it afterwards.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orderledger_tests::auditor::{Keys, audit, views};
use orderledger_tests::client::{Client, limit};
use orderledger_tests::laboratory::{Ground, LogKind, Process, settle, shown};
use serde_json::json;

pub(crate) const READY_WITHIN: Duration = Duration::from_secs(30);
pub(crate) const USERS: [&str; 2] = ["alice", "bob"];

/// Servers that run beside many others are slow to start: those who wait for it go one after another.
pub(crate) fn one_after_another() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn ground(log: &LogKind) -> Ground {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_orderledger-faults"));
    Ground::new(&program, log, None).unwrap()
}

pub(crate) fn serve(ground: &Ground, server: usize) -> (Process, Client) {
    let mut process = ground.serve(server, "").unwrap();
    process.wait_until_ready(READY_WITHIN).unwrap();
    let client = process.client(READY_WITHIN);
    (process, client)
}

/// Deposits, and orders that partly trade; keys are the round's.
pub(crate) fn trade(client: &Client, round: u64) {
    let ask = |user: &str, what: &str, key: String, body| {
        let path = format!("/v1/accounts/{user}/{what}");
        let answer = client.request("POST", path).key(&key).json(&body).header("prefer", "wait=20").send();
        assert!(answer.status < 300, "{answer:?}");
    };
    for user in USERS {
        for (asset, amount) in [("USD", "10000"), ("AAPL", "100"), ("MSFT", "100")] {
            ask(user, "deposits", format!("d{round}-{asset}"), json!({"asset": asset, "amount": amount}));
        }
    }
    for number in 0..8 {
        let (symbol, price) = (["AAPL", "MSFT"][number % 2], format!("{}.5", 90 + number));
        ask("alice", "orders", format!("o{round}-{number}"), limit("sell", symbol, 1 + number as u64, &price));
        ask("bob", "orders", format!("o{round}-{number}"), limit("buy", symbol, 1 + number as u64 / 2, &price));
    }
}

/// Waits until all is handled, and gives what the views show.
pub(crate) fn at_rest(client: &Client) -> views::Shown {
    settle(client).unwrap();
    shown(client, &USERS, &["AAPL", "MSFT"]).unwrap()
}

/// The log and what was shown of it have no fault.
pub(crate) fn check(ground: &Ground, all: &[&views::Shown]) -> orderledger_tests::auditor::Log {
    let log = ground.dump(0).unwrap();
    let mut audited = audit(&log, &Keys::default());
    all.iter().for_each(|shown| views::check(shown, &mut audited));
    assert!(audited.findings.is_empty(), "{}", audited.findings);
    assert!(audited.seen.get("records matched").is_some_and(|count| *count > 10), "{:?}", audited.seen);
    log
}

/// Offline, every view rebuilt from zero is equal to the stored one, and `verify` finds nothing.
pub(crate) fn check_rebuilt(ground: &Ground, server: usize) {
    for arguments in [&["rebuild", "all"][..], &["verify"]] {
        let (code, said) = ground.run(server, arguments, "").unwrap();
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
    }
}

/// Per user and list what is shown, to be compared.
pub(crate) fn rows(shown: &views::Shown) -> [BTreeMap<String, Vec<serde_json::Value>>; 4] {
    [shown.balances.clone(), shown.orders.clone(), shown.fills.clone(), shown.trades.clone()]
}
