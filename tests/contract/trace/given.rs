//! What callers send as trace context.

use std::io::{Read, Write};
use std::net::TcpStream;

use orderledger_domain::trace::TraceContext;

use super::*;

/// The trace that an answer says the call belongs to.
fn told(traceresponse: &str) -> TraceContext {
    TraceContext::parse(traceresponse.as_bytes()).unwrap_or_else(|| panic!("{traceresponse}"))
}

/// A call with exactly these lines as headers; the status, and the trace that the answer names.
fn raw(client: &Client, headers: &str) -> (u16, Option<TraceContext>) {
    let mut stream = TcpStream::connect(client.base().trim_start_matches("http://")).unwrap();
    write!(stream, "GET /v1/markets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let named = answer.lines().find_map(|line| line.strip_prefix("traceresponse: "));
    (answer[9..12].parse().unwrap(), named.map(told))
}

#[test]
fn a_call_is_in_the_trace_that_its_caller_names_or_else_in_a_new_one() {
    let home = Home::embedded();
    let server = home.serve();
    let client = &server.client;
    let good = format!("traceparent: {}\r\n", traceparent(TRACE, "01"));
    let (status, named) = raw(client, &good);
    let named = named.unwrap();
    assert_eq!((status, named.trace.to_string(), named.is_sampled()), (200, TRACE.to_owned(), true));
    assert_ne!(named.span.to_string(), SPAN, "the call has a span of its own");
    let unsampled = raw(client, &format!("TraceParent: {}\r\n", traceparent(TRACE, "00"))).1.unwrap();
    assert!(unsampled.trace.to_string() == TRACE && !unsampled.is_sampled());

    let mut seen = BTreeSet::new();
    for bad in [
        String::new(),
        "traceparent: \r\n".to_owned(),
        format!("traceparent: {}\r\n", traceparent(TRACE, "zz")),
        format!("traceparent: {}\r\n", traceparent(&TRACE.to_uppercase(), "01")),
        format!("traceparent: {}\r\n", traceparent(&"0".repeat(32), "01")),
        format!("traceparent: {}-and-more\r\n", traceparent(TRACE, "01")),
        format!("traceparent: ff{}\r\n", &traceparent(TRACE, "01")[2..]),
        format!("traceparent: {}\r\n", "0".repeat(5000)),
        "traceparent: \u{e9}\u{1f600}\r\n".to_owned(),
        good.repeat(2),
        good.repeat(60),
    ] {
        let (status, named) = raw(client, &bad);
        let trace = named.unwrap().trace.to_string();
        assert!(status == 200 && trace != TRACE && seen.insert(trace), "{bad:?}");
    }
    // More lines than a server reads of a request: refused as any flood of headers is, before anybody looks at what they say.
    assert_eq!(raw(client, &good.repeat(150)).0, 431);
    assert!(client.get("/metrics").body.lines().all(|line| !line.contains(TRACE)), "a trace is no label");
    server.stop();
}

#[test]
fn the_same_key_in_another_trace_is_the_same_request() {
    let home = Home::embedded();
    let server = home.serve();
    let client = &server.client;
    client.deposit("alice", "USD", "10000");
    let key = new_key();
    let order = |trace: Option<&str>| {
        let request = client.request("POST", "/v1/accounts/alice/orders").key(&key);
        let request = request.json(&limit("buy", "AAPL", 1, "150")).wait();
        match trace {
            Some(trace) => request.header("traceparent", traceparent(trace, "01")).send(),
            None => request.send(),
        }
    };
    let first = order(Some(TRACE));
    first.expect(200);
    for trace in [Some("11111111111111111111111111111111"), None] {
        let again = order(trace);
        assert_eq!((again.expect(200), &again.headers["idempotency-replayed"]), (first.json(), &"true".to_owned()));
        assert_ne!(told(&again.headers["traceresponse"]).trace.to_string(), TRACE);
    }
    let orders = client.get("/v1/accounts/alice/orders").expect(200);
    assert_eq!(orders["data"].as_array().unwrap().len(), 1, "{orders}");
    server.stop();
    home.verify();
}

#[test]
fn orders_in_bulk_are_in_the_trace_of_their_call() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "1"]);
    let client = &server.client;
    let mut item = limit("buy", "AAPL", 1, "150");
    item["userId"] = "alice".into();
    let bulk = client.post("/v1/bulk/orders", &json!({ "orders": [item, item] }));
    bulk.header("traceparent", traceparent(TRACE, "00")).send().expect(202);
    server.stop();
    let (_, dump) = home.run(&["log", "dump"]);
    let asked = dump.lines().filter(|line| line.contains("OrderCreated"));
    assert_eq!(asked.clone().count(), 2, "{dump}");
    assert!(dump.lines().all(|line| line.contains(&format!("\"value\":\"00-{TRACE}-"))), "{dump}");
}
