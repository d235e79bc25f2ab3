//! A history that no page holds: constant memory, readers that hang up or are slow, a swap in the middle, the server's end.

use std::fs;
use std::io::Read;

use orderledger_tests::client::{Client, until};
use orderledger_tests::server::{Home, Server};
use serde_json::{Value, json};

use super::{LINES, lines, open, rows_of_pages, stream};

const LIST: &str = "/v1/accounts/u/transactions?order=asc";
/// Intake says something of each deposit.
const DEPOSITS: u32 = 25_000;
/// As many as may run at once (docs/OPERATING.md).
const EXPORTS_MAX: usize = 16;
/// By so much the server's memory may grow at most while it streams more than that.
const GROWTH_BYTES_MAX: usize = 12 << 20;

fn deposit(number: u32) -> String {
    let id = format!("00000000-0000-4000-8000-{number:012}");
    let payload = r#"{"userId":"u","asset":"USD","amount":1}"#;
    let blanks = " ".repeat(600);
    format!(
        r#"{{"eventId":"{id}","eventType":"DepositMade","timestamp":"2025-01-15T10:00:00Z","payload":{payload},{blanks}"metadata":{{"version":"2.0"}}}}"#
    )
}

/// What `/proc` says of the server's memory, in bytes.
fn memory(server: &Server<'_>, what: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

/// Reads about so many bytes, then to the end of a line.
fn read_some(list: &mut impl Read, bytes: usize) -> String {
    let mut some = vec![0; bytes];
    list.read_exact(&mut some).unwrap();
    let mut byte = [0];
    while some.last() != Some(&b'\n') {
        list.read_exact(&mut byte).unwrap();
        some.push(byte[0]);
    }
    String::from_utf8(some).unwrap()
}

fn streams_in_constant_memory(server: &Server<'_>) -> String {
    // The view's cache is as full afterwards as it gets: what grows then is the stream's.
    let once = stream(&server.client, LIST, LINES);
    fs::write(format!("/proc/{}/clear_refs", server.pid().as_raw_nonzero()), "5").unwrap();
    let before = memory(server, "VmRSS:");
    let whole = stream(&server.client, LIST, LINES);
    let growth = memory(server, "VmHWM:").saturating_sub(before);
    assert!(whole.len() > 2 * GROWTH_BYTES_MAX, "{} bytes are too few to show anything", whole.len());
    assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes for {}", whole.len());
    assert!(once == whole, "the same list has other bytes the second time");
    whole
}

fn goes_on_behind_the_last_line(client: &Client, whole: &str) {
    let begun = read_some(&mut open(client, LIST, LINES), 3_000_000);
    let last: Value = serde_json::from_str(begun.lines().last().unwrap()).unwrap();
    let rest = stream(client, &format!("{LIST}&after={}", last["position"].as_str().unwrap()), LINES);
    assert!(begun + &rest == whole, "the rest does not begin behind what was read");
}

fn ends_where_it_began_though_the_view_is_swapped(client: &Client, whole: &str) {
    let mut list = open(client, LIST, LINES);
    let mut read = read_some(&mut list, 1_000_000);
    let new = client.deposit("u", "USD", "1");
    client.get_at("/v1/accounts/u/transactions?limit=1", &new);
    client.post("/v1/projections/audit/rebuild", &json!({})).send().expect(202);
    let look = || client.get("/v1/projections/audit/rebuild");
    let ended = until(look, |answer| answer.status == 200 && !answer.json()["endedAt"].is_null()).expect(200);
    assert_eq!((&ended["error"], &ended["generation"]), (&json!(null), &json!(2)), "{ended}");
    list.read_to_string(&mut read).unwrap();
    assert!(read == whole, "{} bytes instead of {}", read.len(), whole.len());
}

fn slow_readers_hold_up_nobody(client: &Client) {
    let slow: Vec<_> = (0..EXPORTS_MAX).map(|_| open(client, LIST, LINES)).collect();
    let ask = || client.request("GET", format!("{LIST}&limit=1000")).header("accept", LINES).send();
    let refused = ask();
    refused.expect_problem(503, "too-many-exports");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    client.get("/v1/accounts/u/balances").expect(200);
    client.get(LIST).expect(200);
    client.deposit("u", "USD", "1");
    drop(slow);
    assert_eq!(until(ask, |answer| answer.status == 200).status, 200);
}

#[test]
fn a_long_history_streams_in_constant_memory_whatever_its_readers_do() {
    let home = Home::embedded();
    let deposits: Vec<String> = (0..DEPOSITS).map(deposit).collect();
    home.import(&deposits.iter().map(String::as_str).collect::<Vec<_>>());
    let mut server = home.serve();
    let client = &server.client;
    client.get_at(LIST, &json!(format!("orders-0@{}", 2 * DEPOSITS - 1)));
    let whole = streams_in_constant_memory(&server);
    assert!(whole == lines(&rows_of_pages(client, LIST, 1000)), "the pages have other bytes");
    goes_on_behind_the_last_line(client, &whole);
    ends_where_it_began_though_the_view_is_swapped(client, &whole);
    slow_readers_hold_up_nobody(client);
    // Told to stop while somebody reads slowly, it ends by itself; what was read so far is no whole list.
    let mut open = open(client, LIST, LINES);
    server.send_sigterm();
    assert_eq!(server.wait().code(), Some(0), "{}", server.said());
    assert!(open.read_to_string(&mut String::new()).is_err(), "a list that was cut off looks whole");
}
