//! What is no stream, what can't be resumed, who is too many and who is too slow.

use std::io::{Read, Write};
use std::net::TcpStream;

use orderledger_tests::server::Home;
use serde_json::json;

use super::listener::Listener;
use super::{flow, fund};

#[test]
fn what_can_t_be_streamed_or_resumed_is_refused_with_words() {
    let home = Home::embedded();
    let server = home.serve_with(&["--stream-resume", "5", "--stream-readers", "2"]);
    let client = &server.client;
    let ask = |query: &str| client.get(format!("/v1/stream{query}"));
    for query in
        ["", "?channels=", "?channels=prices:AAPL", "?channels=trades:aapl", "?channels=lag,lag", "?channels=lag&x=1"]
    {
        ask(query).expect_problem(422, "invalid-request");
    }
    let many: Vec<String> = (0..65).map(|number| format!("trades:S{number}")).collect();
    ask(&format!("?channels={}", many.join(","))).expect_problem(422, "invalid-request");
    fund(client);
    let start = Listener::open(client.base(), "trades:AAPL,orders:buyer", None).id;
    let position = flow(client, 0..40);
    client.get_at("/v1/markets/AAPL/trades", &position);
    let resume = |id: &str| {
        let path = "/v1/stream?channels=trades:AAPL,orders:buyer";
        client.request("GET", path).header("last-event-id", id).send()
    };
    resume(&start).expect_problem(410, "resume-too-old");
    let foreign =
        [String::from("x"), start.replace('@', "@9"), format!("{start},trades-0@0"), start.replace("orders", "books")];
    for id in foreign {
        resume(&id).expect_problem(422, "invalid-request");
    }
    let open = [0, 1].map(|_| Listener::open(client.base(), "lag", None));
    ask("?channels=lag").expect_problem(503, "too-many-streams");
    drop(open);
    server.stop();
}

/// They are told to nobody, but whoever comes back would wait while all of them are passed over.
#[test]
fn muted_notifications_count_among_those_that_were_missed() {
    let home = Home::embedded();
    let server = home.serve_with(&["--stream-resume", "5"]);
    let client = &server.client;
    client.deposit("ann", "USD", "1");
    client.until_live("notifications");
    let mute = client.request("PUT", "/v1/accounts/ann/notifications/preferences").key("m");
    mute.json(&json!({"muted": ["AccountCredited"]})).send().expect(200);
    let begin = client.deposit("ann", "USD", "1").as_str().unwrap().to_owned();
    let resume =
        || client.request("GET", "/v1/stream?channels=notifications:ann").header("last-event-id", &begin).send();
    let mut last = json!(begin);
    for _ in 0..6 {
        last = client.deposit("ann", "USD", "1");
    }
    client.get_at("/v1/accounts/ann/notifications", &last);
    resume().expect_problem(410, "resume-too-old");
    server.stop();
}

#[test]
fn a_reader_that_is_too_slow_is_dropped_with_a_reason_while_another_gets_everything() {
    let home = Home::embedded();
    let server = home.serve_with(&["--stream-buffer", "8"]);
    let client = &server.client;
    fund(client);
    // One order that trades 500 times: more messages at once than eight.
    for _ in 0..500 {
        client.order("seller", "sell", "AAPL", 1, "10");
    }
    let mut slow = TcpStream::connect(client.base().strip_prefix("http://").unwrap()).unwrap();
    write!(slow, "GET /v1/stream?channels=orders:buyer,orders:seller,trades:AAPL HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut head = [0_u8; 64];
    slow.read_exact(&mut head).unwrap();
    let begin = Listener::open(client.base(), "trades:AAPL", None).id;
    client.order("buyer", "buy", "AAPL", 500, "10");
    let mut said = String::new();
    slow.read_to_string(&mut said).unwrap();
    assert!(said.contains("event: error\ndata: {"), "{said}");
    assert!(said.contains("slow-consumer"), "{said}");
    // Who reads on gets all of it: if what is told at once was too much for eight places again, it comes back.
    let (mut all, mut last) = (Vec::new(), begin);
    for _ in 0..50 {
        let mut listener = Listener::open(client.base(), "trades:AAPL", Some(&last));
        while all.len() < 500
            && let Some(event) = listener.next().filter(|event| event.channel == "trades:AAPL")
        {
            last = event.id.clone();
            all.push(event);
        }
    }
    let numbers: Vec<u64> = all.iter().map(|event| event.data["bookSeq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=500).collect::<Vec<_>>());
    server.stop();
}
