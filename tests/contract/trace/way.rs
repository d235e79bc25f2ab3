//! One order's whole way.

use std::collections::{BTreeMap, BTreeSet};

use orderledger_domain::position::Position;
use orderledger_domain::trace::TraceContext;
use orderledger_tests::client::until;

use super::*;

/// The spans that were told as over, of that trace.
fn spans(home: &Home, trace: &str) -> Vec<Value> {
    let over = |line: &Value| ["answered", "decided", "taken"].iter().any(|message| line["message"] == *message);
    let told = lines(home).into_iter().filter(over).map(|line| line["span"].clone());
    told.filter(|span| span["trace_id"] == trace).collect()
}

fn step(span: &Value) -> String {
    let text = |field: &str| span[field].as_str().unwrap_or_default().to_owned();
    match span["name"].as_str() {
        Some("call") => format!("call {} {}", text("method"), text("route")),
        _ => format!("{} {}", text("worker"), text("event")),
    }
}

fn steps(spans: &[Value]) -> BTreeSet<String> {
    spans.iter().map(step).collect()
}

#[test]
fn one_orders_whole_way_is_under_one_trace_id_in_the_lines_and_in_the_log() {
    let home = Home::new();
    let server = home.serve_logging(STEPS, &["--partitions", "2"]);
    trade(&server.client, &traceparent(TRACE, "01"));
    until(|| spans(&home, TRACE), |spans| steps(spans).is_superset(&expected_steps()));
    server.stop();
    let spans = spans(&home, TRACE);
    assert_eq!(steps(&spans), expected_steps());

    // Each span has its own id, and its parent is one of them; the call's is the caller's.
    let ids: BTreeSet<&str> = spans.iter().map(|span| span["span_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), spans.len(), "{spans:?}");
    for span in &spans {
        let parent = span["parent_id"].as_str().unwrap();
        let is_call = span["name"] == "call";
        assert!(if is_call { parent == SPAN } else { ids.contains(parent) }, "{span}");
        assert!(span["sampled"] == true, "{span}");
        let ended = [("call", "status"), ("decide", "outputs"), ("take", "fate")];
        assert!(ended.iter().any(|(name, field)| span["name"] == *name && !span[field].is_null()), "{span}");
    }
    assert_eq!(spans.iter().filter(|span| span["name"] == "call").count(), 1);
    check_log(&home, &spans);
}

/// In the log, what a stage made of a record has the span in which it was made, and that follows from the record.
fn check_log(home: &Home, spans: &[Value]) {
    let (code, dump) = home.run(&["log", "dump"]);
    assert_eq!(code, Some(0), "{dump}");
    let mut named = BTreeMap::new();
    let mut causes = BTreeMap::new();
    for line in dump.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let position = format!("{}-{}@{}", record["topic"].as_str().unwrap(), record["partition"], record["offset"]);
        let headers = record["headers"].as_array().unwrap();
        assert!(headers.len() == 1 && headers[0]["name"] == "traceparent", "every record here was asked for: {line}");
        let context = TraceContext::parse(headers[0]["value"].as_str().unwrap().as_bytes()).unwrap();
        named.insert(position.clone(), context);
        let event: Value = serde_json::from_str(record["value"].as_str().unwrap()).unwrap();
        let cause = &event["metadata"]["cause"];
        if let Some(topic) = cause["topic"].as_str() {
            causes.insert(position, format!("{topic}-{}@{}", cause["partition"], cause["offset"]));
        }
    }
    // Two credits, two orders accepted, each once more for the book, a trade and its two fills.
    assert!(causes.len() >= 7, "{dump}");
    for (position, cause) in &causes {
        let at: Position = cause.parse().unwrap();
        let stage = if cause.starts_with("books") { "matching" } else { "intake" };
        assert_eq!(named[position], named[cause].handled_by(stage, at), "{position} from {cause}");
    }
    let of_trace: BTreeSet<&str> =
        named.iter().filter(|(_, context)| context.trace.to_string() == TRACE).map(|(at, _)| at.as_str()).collect();
    let told: BTreeSet<&str> = spans.iter().filter_map(|span| span["position"].as_str()).collect();
    assert_eq!(told, of_trace, "audit alone takes each of them");
    // Two fills: of the other's order, too, for this one caused it.
    assert_eq!(of_trace.len(), 1 + 2 + 2 + 1, "{of_trace:?}");
}

#[test]
fn no_step_is_said_unless_it_is_asked_for_and_a_format_that_is_none_is_refused() {
    let home = Home::embedded();
    let server = home.serve_logging("warn", &[]);
    trade(&server.client, &traceparent(TRACE, "01"));
    server.stop();
    assert_eq!(lines(&home), Vec::<Value>::new());
    let refused = home.serve_refused(&["--log-format", "xml"]);
    assert!(refused.0 == Some(2), "{refused:?}");
}

/// Which span each worker handled each record in.
fn handlings(spans: &[Value]) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut handlings = BTreeMap::<_, BTreeSet<String>>::new();
    for span in spans.iter().filter(|span| span["name"] != "call") {
        let text = |field: &str| span[field].as_str().unwrap().to_owned();
        handlings.entry((text("worker"), text("position"))).or_default().insert(text("span_id"));
    }
    handlings
}

#[test]
fn what_is_handled_again_after_a_kill_has_the_same_spans_and_a_rebuild_has_none() {
    let home = Home::new();
    let server = home.serve_logging(STEPS, &["--partitions", "1"]);
    trade(&server.client, &traceparent(TRACE, "01"));
    until(|| spans(&home, TRACE), |spans| steps(spans).is_superset(&expected_steps()));
    server.kill();
    let before = spans(&home, TRACE);
    let server = home.serve_logging(STEPS, &["--partitions", "1"]);
    let client = &server.client;
    client.order("bob", "buy", "AAPL", 1, "1");
    let rows = || client.get("/v1/projections").expect(200);
    let has_read_all = |rows: &Value| rows["data"].as_array().unwrap().iter().all(|row| row["lagRecords"] == 0);
    let caught_up = until(rows, has_read_all);
    assert!(has_read_all(&caught_up), "{caught_up}");
    let after = spans(&home, TRACE);
    let (first, all) = (handlings(&before), handlings(&after));
    // Stages fold again from the last snapshot. What they send again stands at another place, and is handled there.
    let again = after.len().saturating_sub(before.len()).saturating_sub(all.len().saturating_sub(first.len()));
    assert!(again > 0, "nothing was handled again: {after:?}");
    assert!(all.values().all(|spans| spans.len() == 1), "{all:?}");
    assert!(first.iter().all(|(handling, span)| all.get(handling) == Some(span)), "{first:?} {all:?}");

    let (code, said) = home.run(&["rebuild", "all", "--server", client.base()]);
    assert_eq!(code, Some(0), "{said}");
    server.stop();
    assert_eq!(spans(&home, TRACE).len(), after.len());
    home.verify();
}
