//! What is checked after kills: quickly at each, everything now and then.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::ground::Ground;
use super::kills::REBUILDING;
use super::{Report, clients::Clients};
use crate::auditor::{self, Keys, Log, journal, views};
use crate::client::Client;
use crate::dice::Dice;

/// How long all workers may take to have handled what stands in the log.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// No worker has ended, and what became of every record is accounted for.
pub(super) fn quick(client: &Client) -> Result<(), String> {
    let Ok(answer) = client.try_get("/v1/projections") else { return Ok(()) };
    if answer.status != 200 {
        return Ok(());
    }
    rows(&answer.json()).iter().try_for_each(check_worker)
}

fn rows(answer: &Value) -> Vec<Value> {
    let list = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    [list("data"), list("stages")].concat()
}

fn check_worker(row: &Value) -> Result<(), String> {
    let count = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or_default();
    let sum: u64 = ["applied", "duplicate", "rejected", "parked", "ignored"].iter().map(|name| count(name)).sum();
    let state = row.get("state").and_then(Value::as_str).unwrap_or_default();
    if matches!(state, "stopped" | "halted" | "parked") {
        return Err(format!("a worker is {state}: {row}"));
    }
    if sum != count("consumed") {
        return Err(format!("consumed is not the sum of the five: {row}"));
    }
    Ok(())
}

/// Waits until every worker has handled everything, and nothing more comes.
///
/// # Errors
/// A worker has ended, or it takes too long.
pub fn settle(client: &Client) -> Result<(), String> {
    let deadline = Instant::now() + SETTLED_WITHIN;
    let mut before = Value::Null;
    loop {
        let answer = client.try_get("/v1/projections").map_err(|error| error.to_string())?.json();
        let rows = rows(&answer);
        rows.iter().try_for_each(check_worker)?;
        let lags =
            |row: &Value| row.get("lagRecords") != Some(&Value::from(0)) || row.get("state") != Some(&"live".into());
        let positions = rows.iter().map(|row| row.get("positions").cloned().unwrap_or_default()).collect();
        if !rows.iter().any(lags) && before == positions {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("the workers don't settle: {answer}"));
        }
        before = positions;
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Everything that the views show of these users and symbols.
///
/// # Errors
/// An answer is missing.
pub fn shown(client: &Client, users: &[&str], symbols: &[&str]) -> Result<views::Shown, String> {
    let mut shown = views::Shown::default();
    for user in users {
        let list = |what: &str| whole(client, &format!("/v1/accounts/{user}/{what}"));
        shown.balances.insert((*user).to_owned(), list("balances")?);
        shown.orders.insert((*user).to_owned(), list("orders")?);
        shown.fills.insert((*user).to_owned(), list("fills")?);
    }
    for symbol in symbols {
        shown.trades.insert((*symbol).to_owned(), whole(client, &format!("/v1/markets/{symbol}/trades"))?);
    }
    Ok(shown)
}

/// A list, page by page, oldest first; empty where there is none.
fn whole(client: &Client, path: &str) -> Result<Vec<Value>, String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    let pages = !path.ends_with("balances");
    loop {
        let query = if pages { format!("?limit=1000&order=asc{cursor}") } else { String::new() };
        let answer = client.try_get(&format!("{path}{query}")).map_err(|error| format!("{path}: {error}"))?;
        if answer.status == 404 {
            return Ok(all);
        }
        if answer.status != 200 {
            return Err(format!("{path}: {answer:?}"));
        }
        let page = answer.json();
        all.extend(page.get("data").and_then(Value::as_array).cloned().unwrap_or_default());
        match page.get("nextCursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(all),
        }
    }
}

/// Audits the log, the journal and what each server showed, all at rest; the log must begin with what it held before.
pub(super) fn full(
    log: &Log,
    before: &Log,
    clients: &Clients,
    shown: &[views::Shown],
    report: &mut Report,
) -> Result<(), String> {
    log.begins_with(before)?;
    let mut audit = auditor::audit(log, &Keys::default());
    journal::check(&clients.journal(), &mut audit);
    for shown in shown {
        views::check(shown, &mut audit);
    }
    for (what, number) in &audit.seen {
        report.count(format!("audited: {what}"), *number);
    }
    report.count("audits", 1);
    if audit.findings.is_empty() { Ok(()) } else { Err(format!("the auditor finds:\n{}", audit.findings)) }
}

/// The program's own checks, offline: every view rebuilt from zero is equal, and `verify` finds nothing. A rebuild may be
/// killed in its middle.
pub(super) fn own(ground: &Ground, server: usize, dice: &mut Dice, report: &mut Report) -> Result<(), String> {
    if dice.percent(60) {
        let point = format!("{}={}", dice.pick(&REBUILDING), dice.range(1, 4));
        let (code, said) = ground.run(server, &["rebuild", "all"], &point)?;
        match code {
            None => report.count("rebuilds killed", 1),
            Some(0) => {}
            Some(code) => return Err(format!("rebuild ended with {code}: {said}")),
        }
    }
    for arguments in [&["rebuild", "all"][..], &["verify"]] {
        let (code, said) = ground.run(server, arguments, "")?;
        if code != Some(0) {
            return Err(format!("{arguments:?} ended with {code:?}: {said}"));
        }
    }
    report.count("rebuilt and verified", 1);
    Ok(())
}
