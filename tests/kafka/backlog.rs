//! A group has a backlog when the server starts, and then the brokers go away: how far it is behind is said as before.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use orderledger_tests::client::{Client, until};
use orderledger_tests::kafka::{Broker, Setup};
use orderledger_tests::server::{Home, Server};
use rustix::process::Signal;
use serde_json::Value;

use crate::outage::with_topics;

/// Those who write the backlog, and how much each does: more than one poll gives in two of three partitions, so that of one the
/// group that stands still has nothing in its hands.
const WRITERS: u64 = 8;
const DEPOSITS: u64 = 500;
/// An answer that waits for nobody, on a loaded machine.
const AT_ONCE: Duration = Duration::from_secs(2);
const HELD: &str = "settlement";

#[test]
fn the_lag_of_a_backlog_is_told_after_a_restart_while_the_broker_hangs() {
    check(|broker| broker.signal(Signal::STOP).unwrap(), |broker| broker.signal(Signal::CONT).unwrap());
}

#[test]
fn the_lag_of_a_backlog_is_told_after_a_restart_while_there_is_no_broker() {
    check(|broker| broker.kill().unwrap(), |broker| broker.start().unwrap());
}

fn check(goes: impl FnOnce(&Broker), comes_back: impl FnOnce(&Broker)) {
    let Some(broker) = Setup::default().start().unwrap() else { return };
    let home = Home::on(with_topics(&broker));
    let held = home.data().with_extension("held");
    let start = || home.start_faulty(&[], &[("ORDERLEDGER_HANG_FILE", held.to_str().unwrap())]);
    let mut server = start();
    server.wait_until_ready();
    deposit_everywhere(&server, "first");
    until_nobody_is_behind(&server);
    std::fs::write(&held, HELD).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let client = &server.client;
            scope.spawn(move || {
                (0..DEPOSITS).for_each(|number| drop(client.deposit(&format!("u{}", writer + number), "USD", "1")));
            });
        }
    });
    until_only_one_is_behind(&server);
    server.kill();

    let mut server = start();
    until_only_one_is_behind(&server);
    // What is written from now on everybody else reads, in every partition.
    deposit_everywhere(&server, "last");
    until_only_one_is_behind(&server);
    let records = row(&server.client)["lagRecords"].clone();
    let mut channel = Channel::open(&server);
    goes(&broker);
    let quick = Client::within(server.client.base().to_owned(), AT_ONCE);
    loop {
        let behind = row(&quick);
        assert_eq!(behind["lagRecords"], records, "{behind}");
        for (of, partition) in behind["partitions"].as_object().unwrap() {
            let waits = partition["lagRecords"].as_u64() > Some(0);
            assert_eq!(waits, partition["lagMs"].as_u64() > Some(0), "{of}: {partition}");
        }
        let metrics = quick.get("/metrics");
        assert!(metrics.status == 200 && metrics.body.contains("orderledger_lag_seconds{group=\"settlement\""));
        assert_eq!(quick.get("/v1/accounts/first-0/balances").status, 200);
        assert_eq!(channel.next()["lagRecords"], records);
        let readyz = quick.get("/readyz");
        assert_eq!(readyz.status, 503, "{}", readyz.body);
        if readyz.body.contains("log-unreachable") {
            break;
        }
    }
    let asked = Instant::now();
    let shown = orderledger_tests::run(&["status", "--server", server.client.base()]).unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.lines().any(|line| line.starts_with(HELD) && line.contains(&records.to_string())), "{shown}");
    assert!(asked.elapsed() < AT_ONCE, "it took {:?}", asked.elapsed());
    assert!(quick.get("/metrics").body.lines().any(|line| line == "orderledger_log_reachable 0.0"));

    comes_back(&broker);
    std::fs::remove_file(&held).unwrap();
    server.wait_until_ready();
    let rest = until(|| row(&server.client), |row| row["lagRecords"] == 0);
    assert_eq!(rest["lagRecords"], 0, "{rest}");
    server.client.deposit("u1", "USD", "1");
    server.stop();
    home.verify();
}

/// What is said of the group that is held.
fn row(client: &Client) -> Value {
    let all = client.get("/v1/projections").expect(200);
    all["data"].as_array().unwrap().iter().find(|row| row["name"] == HELD).unwrap().clone()
}

/// A record or more in each partition.
fn deposit_everywhere(server: &Server<'_>, who: &str) {
    for number in 0..12 {
        server.client.deposit(&format!("{who}-{number}"), "USD", "1");
    }
}

fn until_nobody_is_behind(server: &Server<'_>) {
    until_behind(server, |_| false);
}

fn until_only_one_is_behind(server: &Server<'_>) {
    until_behind(server, |name| name == HELD);
}

fn until_behind(server: &Server<'_>, is_behind: impl Fn(&str) -> bool) {
    // One that has only just been started doesn't answer yet.
    let rows = || {
        let all = server.client.try_get("/v1/projections").ok().filter(|answer| answer.status == 200);
        let all = all.map(|answer| answer.json()).unwrap_or_default();
        ["data", "stages"].into_iter().filter_map(|part| all[part].as_array().cloned()).flatten().collect::<Vec<_>>()
    };
    let is_right = |row: &Value| (row["lagRecords"] != 0) == is_behind(row["name"].as_str().unwrap());
    let rows = until(rows, |rows| !rows.is_empty() && rows.iter().all(is_right));
    assert!(!rows.is_empty() && rows.iter().all(is_right), "{rows:#?}");
}

/// The channel `lag`, as a client reads it with nothing but a socket.
struct Channel(BufReader<TcpStream>);

impl Channel {
    fn open(server: &Server<'_>) -> Channel {
        let host = server.client.base().strip_prefix("http://").unwrap();
        let mut socket = TcpStream::connect(host).unwrap();
        socket.set_read_timeout(Some(AT_ONCE)).unwrap();
        write!(socket, "GET /v1/stream?channels=lag HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        Channel(BufReader::new(socket))
    }

    /// What it tells next of the group that is held.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the channel has ended");
            if let Some(data) = line.strip_prefix("data: ") {
                let row: Value = serde_json::from_str(data).unwrap();
                if row["name"] == HELD {
                    return row;
                }
            }
        }
    }
}
