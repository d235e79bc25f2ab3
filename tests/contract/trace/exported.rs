//! What a collector is sent, and what becomes of the server where there is none.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use orderledger_tests::client::until;

use super::collector::{Collector, Mood};
use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The spans of that trace that were sent.
fn spans(collector: &Collector, trace: &str) -> Vec<Span> {
    let scopes = collector.requests().into_iter().flat_map(|request| request.resource_spans);
    let spans = scopes.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
    spans.filter(|span| hex(&span.trace_id) == trace).collect()
}

fn attribute(span: &Span, key: &str) -> String {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()).and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn step(span: &Span) -> String {
    let worker = attribute(span, "orderledger.worker");
    if worker.is_empty() {
        format!("call {}", span.name)
    } else {
        format!("{worker} {}", attribute(span, "orderledger.event"))
    }
}

fn value(client: &Client, outcome: &str) -> f64 {
    let name = format!("orderledger_spans_total{{outcome=\"{outcome}\"}} ");
    let metrics = client.get("/metrics").body;
    metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

#[test]
fn a_collector_is_sent_one_orders_whole_way() {
    let collector = Collector::start(Mood::Takes);
    let home = Home::embedded();
    let server = home.serve_with(&["--otlp-endpoint", &collector.address]);
    trade(&server.client, &traceparent(TRACE, "01"));
    let steps = |spans: &Vec<Span>| -> BTreeSet<String> { spans.iter().map(step).collect() };
    let spans = until(|| spans(&collector, TRACE), |spans| steps(spans).is_superset(&expected_steps()));
    assert_eq!(steps(&spans), expected_steps());
    let ids: BTreeSet<String> = spans.iter().map(|span| hex(&span.span_id)).collect();
    for span in &spans {
        let (parent, is_call) = (hex(&span.parent_span_id), span.kind() == SpanKind::Server);
        assert!(if is_call { parent == SPAN } else { ids.contains(&parent) }, "{span:?}");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
    }
    let call = spans.iter().find(|span| span.kind() == SpanKind::Server).unwrap();
    assert_eq!(attribute(call, "http.response.status_code"), "200");
    assert!(!format!("{call:?}").contains("alice"), "who watches traces learns no user's name: {call:?}");
    let resource = collector.requests()[0].resource_spans[0].resource.clone().unwrap();
    assert!(format!("{resource:?}").contains("\"orderledger\""), "{resource:?}");
    // What a caller doesn't want to be recorded isn't.
    let unwanted = "22222222222222222222222222222222";
    trade(&server.client, &traceparent(unwanted, "00"));
    let exported = value(&server.client, "exported");
    assert!(exported >= 20.0);
    until(|| value(&server.client, "exported"), |now| *now > exported);
    server.stop();
    assert_eq!(super::exported::spans(&collector, unwanted), []);
    home.verify();
}

#[test]
fn of_traces_that_begin_here_only_the_part_that_is_asked_for_is_sent() {
    let collector = Collector::start(Mood::Takes);
    let home = Home::embedded();
    let server = home.serve_with(&["--otlp-endpoint", &collector.address, "--trace-sample-ratio", "0"]);
    for _ in 0..20 {
        server.client.get("/v1/markets").expect(200);
    }
    let named = server.client.request("GET", "/v1/markets").header("traceparent", traceparent(TRACE, "01"));
    named.send().expect(200);
    until(|| spans(&collector, TRACE).len(), |count| *count == 1);
    server.stop();
    let all = collector.requests().into_iter().flat_map(|request| request.resource_spans);
    let all = all.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
    assert_eq!(all.map(|span| hex(&span.trace_id)).collect::<Vec<_>>(), [TRACE]);
}

/// A server whose collector is no good takes orders as ever, counts what is lost, and ends in time.
fn check(address: &str, lost: &str) {
    let home = Home::embedded();
    let server = home.serve_with(&["--otlp-endpoint", address]);
    let client = &server.client;
    client.deposit("alice", "USD", "100000000");
    let mut item = limit("buy", "AAPL", 1, "1");
    item["userId"] = "alice".into();
    let orders: Vec<Value> = (0..500).map(|_| item.clone()).collect();
    let begun = Instant::now();
    while value(client, lost) == 0.0 {
        client.post("/v1/bulk/orders", &json!({ "orders": orders })).send().expect(202);
        assert!(begun.elapsed() < Duration::from_secs(60), "{lost}: {}", client.get("/metrics").body);
    }
    assert_eq!(value(client, "exported"), 0.0);
    server.stop();
    home.verify();
}

#[test]
fn nobody_waits_for_a_collector_that_hangs_and_what_finds_no_room_is_dropped() {
    check(&Collector::start(Mood::Hangs).address, "dropped");
}

#[test]
fn a_collector_that_refuses_or_is_not_there_costs_spans_and_nothing_else() {
    check(&Collector::start(Mood::Refuses).address, "failed");
    check("http://127.0.0.1:9", "failed");
    let home = Home::embedded();
    let (code, said) = home.serve_refused(&["--otlp-endpoint", "127.0.0.1:4318"]);
    assert!(code == Some(2), "{said}");
}
