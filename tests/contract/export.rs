//! The full history in every form: pages, lines and tables say the same, whole or not at all, at any length.

use std::collections::BTreeMap;
use std::io::Read;

use orderledger_tests::client::Client;
use serde_json::value::RawValue;
use ureq::Agent;

mod cursors;
mod forms;
mod long;

const LINES: &str = "application/x-ndjson";
const TABLE: &str = "text/csv";

/// The rows of all pages as they stand in the bodies.
fn rows_of_pages(client: &Client, list: &str, limit: usize) -> Vec<String> {
    let join = if list.contains('?') { '&' } else { '?' };
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = client.get(format!("{list}{join}limit={limit}{cursor}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let page: BTreeMap<String, &RawValue> = serde_json::from_str(&answer.body).unwrap();
        let data: Vec<&RawValue> = serde_json::from_str(page["data"].get()).unwrap();
        rows.extend(data.into_iter().map(|row| row.get().to_owned()));
        match serde_json::from_str::<Option<String>>(page["nextCursor"].get()).unwrap() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

/// A list in that form.
fn stream(client: &Client, list: &str, form: &str) -> String {
    let mut text = String::new();
    open(client, list, form).read_to_string(&mut text).unwrap();
    text
}

/// A list in that form, to be read at leisure; dropping it hangs up.
fn open(client: &Client, list: &str, form: &str) -> impl Read + use<> {
    let agent: Agent = Agent::config_builder().proxy(None).build().into();
    let answer = agent.get(format!("{}{list}", client.base())).header("accept", form).call().unwrap();
    answer.into_body().into_with_config().limit(u64::MAX).reader()
}

fn lines(rows: &[String]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}
