//! What was traded and asked for, by day, symbol and account, over HTTP and as files.

mod figures;
mod files;
mod full;

use orderledger_tests::client::{Client, until};
use orderledger_tests::server::{Home, Server};
use serde_json::Value;

/// `orderledger demo --orders 100 --users 10 --seed 7` of version 0.1.0: a day in January that is over for ever.
const PACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/fixtures/data-0.1.tar.xz");
const DAY: &str = "2025-01-15";

/// A server on the log of a day that is over, with all of its views.
fn old_day(home: &Home) -> Server<'_> {
    std::fs::create_dir_all(home.data()).unwrap();
    let mut unpack = std::process::Command::new("tar");
    unpack.args(["--extract", "--xz", "--strip-components=1", "--file", PACKED, "--directory"]).arg(home.data());
    assert!(unpack.status().unwrap().success());
    let server = home.serve();
    let projections = || server.client.get("/v1/projections").expect(200);
    let is_live = |row: &Value| row["state"] == "live" && row["lagRecords"] == 0;
    let all = until(projections, |all| all["data"].as_array().unwrap().iter().all(is_live));
    assert!(all["data"].as_array().unwrap().iter().all(is_live), "{all}");
    server
}

/// Every row of a list, oldest first.
fn rows(client: &Client, path: &str) -> Vec<Value> {
    let join = if path.contains('?') { '&' } else { '?' };
    // The log has one order.
    let order = if path.starts_with("/v1/audit/") { "" } else { "order=asc&" };
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(format!("{path}{join}{order}limit=7{cursor}")).expect(200);
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// 1/10000 of what a decimal says.
fn units(decimal: &Value) -> i128 {
    let text = decimal.as_str().unwrap();
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    sign * (whole.parse::<i128>().unwrap() * 10_000 + format!("{part:0<4}").parse::<i128>().unwrap())
}
