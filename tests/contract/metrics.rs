//! `GET /metrics`: what it counts is right, its labels are few whoever calls, and dashboard and alerts name what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use orderledger_tests::checkout;
use orderledger_tests::client::{Client, until};
use orderledger_tests::dice::Dice;
use orderledger_tests::server::Home;
use serde_json::{Value, json};

/// Every sample: its name with its labels, and its value.
fn samples(client: &Client) -> BTreeMap<String, f64> {
    let answer = client.get("/metrics");
    assert_eq!(
        (answer.status, answer.headers["content-type"].as_str()),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    let lines = answer.body.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(sample).collect()
}

/// The sum of the samples whose names begin so.
fn sum(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    samples.iter().filter(|(sample, _)| sample.starts_with(name)).map(|(_, value)| value).sum()
}

fn call(client: &Client, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(client.base().trim_start_matches("http://")).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn calls_records_and_lag_are_counted_as_they_are() {
    let home = Home::embedded();
    let server = home.serve();
    let client = &server.client;
    let before = samples(client);
    for amount in 1..=3 {
        client.deposit("metrics-user", "USD", &amount.to_string());
    }
    client.post("/v1/accounts/metrics-user/deposits", &json!({})).send().expect_problem(422, "invalid-request");
    let projections = until(
        || client.get("/v1/projections").expect(200),
        |all| {
            let groups = ["data", "stages"].into_iter().flat_map(|part| all[part].as_array().unwrap());
            groups.filter(|row| row["name"] != "audit").all(|row| row["lagRecords"] == 0 && row["state"] == "live")
        },
    );
    let after = samples(client);
    let grew = |name: &str| sum(&after, name) - sum(&before, name);
    let route = "orderledger_http_requests_total{route=\"/v1/accounts/{userId}/deposits\",method=\"POST\"";
    assert_eq!(grew(&format!("{route},status=\"2xx\"}}")), 3.0);
    assert_eq!(grew(&format!("{route},status=\"4xx\"}}")), 1.0);
    let took =
        "orderledger_http_request_duration_seconds_count{route=\"/v1/accounts/{userId}/deposits\",method=\"POST\"}";
    assert_eq!(grew(took), 4.0);
    assert_eq!(grew("orderledger_appends_total{outcome=\"acknowledged\"}"), 3.0);
    assert_eq!(grew("orderledger_append_duration_seconds_count"), 3.0);
    for row in projections["stages"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        let consumed = sum(&after, &format!("orderledger_records_total{{group=\"{name}\""));
        assert_eq!(Some(consumed), row["consumed"].as_f64(), "{row}");
        assert_eq!(after[&format!("orderledger_group_state{{group=\"{name}\",state=\"live\"}}")], 1.0);
    }
    assert_eq!(sum(&after, "orderledger_lag_records{group=\"settlement\""), 0.0);
    assert_eq!(after["orderledger_log_reachable"], 1.0);
    assert!(
        after["process_resident_memory_bytes"] > 1e6
            && after["process_open_fds"] > 3.0
            && after["process_threads"] > 3.0
    );
    assert!(after.keys().all(|name| !name.contains("metrics-user")), "a user is no label");
    server.stop();
}

#[test]
fn no_caller_makes_a_label() {
    let home = Home::embedded();
    let server = home.serve();
    let client = &server.client;
    let mut dice = Dice::new(7);
    let mut word = |letters: &str| -> String {
        let letters: Vec<char> = letters.chars().collect();
        (0..12).map(|_| *dice.choose(&letters).unwrap()).collect()
    };
    let mut made_up = BTreeSet::new();
    for round in 0..300 {
        let (method, path) = (word("ABCDEFGHXYZ"), word("abcdefghijk_%{}\"0"));
        let below = match round % 6 {
            0 => format!("/{path}"),
            1 => format!("/v1/accounts/{path}/balances"),
            2 => format!("/v1/markets/{path}/book?depth={round}"),
            3 => format!("/v1/orders/{path}"),
            4 => format!("/v1/projections/{path}/rebuild"),
            _ => format!("/docs/errors/{path}"),
        };
        let method = if round / 6 % 2 == 0 { "GET" } else { &method };
        assert!(call(client, method, &below).starts_with("HTTP/1.1 4"), "{method} {below}");
        made_up.extend([path, method.to_owned()]);
    }
    made_up.remove("GET");
    let answer = client.get("/metrics").body;
    for word in made_up {
        assert!(!answer.contains(&word), "{word}");
    }
    let series = |name: &str| answer.lines().filter(|line| line.starts_with(name)).count();
    // Six routes and the paths without one; two methods, and a few calls of the test itself.
    assert!((8..30).contains(&series("orderledger_http_requests_total")), "{answer}");
    assert!(
        answer.contains("route=\"none\",method=\"other\"")
            && answer.contains("route=\"/v1/orders/{orderId}\",method=\"GET\"")
    );
    assert!(answer.lines().count() < 5000, "{}", answer.lines().count());
    server.stop();
}

/// The names of metrics in an expression, and whatever else looks like one.
fn named(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("orderledger_") || word.starts_with("process_"))
}

/// The names of the metrics that a server exports.
fn families(answer: &str) -> impl Iterator<Item = &str> {
    answer.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split_once(' ')?.0))
}

#[test]
fn dashboard_alerts_and_pages_name_what_a_server_exports() {
    let home = Home::embedded();
    let server = home.serve();
    let answer = server.client.get("/metrics").body;
    let mut exported = BTreeSet::new();
    for (name, kind) in answer.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')) {
        let parts: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        exported.extend(parts.iter().map(|part| format!("{name}{part}")));
    }
    let read = |path: &str| std::fs::read_to_string(checkout().join(path)).unwrap();
    let dashboard: Value = serde_json::from_str(&read("ops/grafana/orderledger.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut expressions: Vec<String> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    let shown: BTreeSet<&str> = expressions.iter().flat_map(|expression| named(expression)).collect();
    for name in families(&answer) {
        let is_shown = ["", "_bucket"].iter().any(|part| shown.contains(format!("{name}{part}").as_str()));
        assert!(is_shown, "the dashboard doesn't show {name}");
    }
    expressions.push(read("ops/prometheus/alerts.yml"));
    expressions.push(read("ops/prometheus/alerts.test.yml"));
    for expression in &expressions {
        for name in named(expression) {
            assert!(exported.contains(name), "no metric {name}: {expression}");
        }
    }
    let page = read("docs/OPERATING.md");
    for name in families(&answer) {
        assert!(page.contains(&format!("`{name}`")), "docs/OPERATING.md doesn't say what {name} is");
    }
    for name in named(&page) {
        let family = |of: &String| of == name || of.strip_prefix(name).is_some_and(|part| part == "_bucket");
        assert!(exported.iter().any(family), "docs/OPERATING.md names {name}");
    }
    promtool(&["check", "metrics"], &answer);
    promtool(&["check", "rules", "alerts.yml"], "");
    promtool(&["test", "rules", "alerts.test.yml"], "");
    server.stop();
}

/// Runs Prometheus' own tool; without it this is skipped.
fn promtool(arguments: &[&str], input: &str) {
    let ops = checkout().join("ops/prometheus");
    let fetched = Command::new(ops.join("fetch")).output().unwrap();
    if !fetched.status.success() {
        let why = String::from_utf8_lossy(&fetched.stderr).into_owned();
        let _ = writeln!(std::io::stderr(), "skipped: promtool {}: {why}", arguments.join(" "));
        return;
    }
    let program = format!("{}/promtool", String::from_utf8_lossy(&fetched.stdout).trim());
    let mut tool = Command::new(program);
    tool.args(arguments).current_dir(ops).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tool = tool.spawn().unwrap();
    tool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let said = tool.wait_with_output().unwrap();
    assert!(said.status.success(), "{arguments:?}: {said:?}");
}
