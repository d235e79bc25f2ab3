//! Versions of events from outside: what requests belong to is carried all the way, a newer program's log is refused.

use orderledger_domain::envelope::{self, Cause};
use orderledger_domain::event::{Event, RulesVersion};
use orderledger_domain::position::Topic;
use orderledger_domain::stream::{StreamId, StreamKey, StreamMark};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::embedded::{EmbeddedLog, EmbeddedOptions};
use orderledger_store::event_log::{AppenderKind, EventLog, NewRecord};
use orderledger_tests::client::{Client, limit, new_key, until};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

const PARTITIONS: u32 = 2;

fn set_rules(client: &Client, version: u32) {
    let put = client.request("PUT", "/v1/rules").key(&new_key()).json(&json!({"rulesVersion": version}));
    let position = put.send().expect(202)["position"].clone();
    client.get_at("/v1/rules", &position);
    // In every partition: a deposit anywhere is judged behind it.
    for user in ["a", "b", "c", "d"] {
        client.deposit(user, "USD", "1000");
        let at = client.deposit(user, "AAPL", "100");
        client.get_at(&format!("/v1/accounts/{user}/balances"), &at);
    }
}

/// An order that is matched, or rests, in the words of its caller; where it is decided.
fn order(client: &Client, user: &str, side: &str, headers: &[(&'static str, &str)]) -> Value {
    let path = format!("/v1/accounts/{user}/orders");
    let mut request = client.post(path, &limit(side, "AAPL", 1, "10")).wait();
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.send().expect(200)
}

/// Version and correlation of every event of an order, and of the trades.
fn carried(client: &Client, order: &Value) -> Vec<(String, String, Option<String>)> {
    let id = order["orderId"].as_str().unwrap();
    client.get_at("/v1/audit/events?topic=trades", &order["position"]);
    let rows = client.get_at(&format!("/v1/orders/{id}/transactions?order=asc"), &order["position"]);
    let of = |row: &Value| {
        let event = &row["event"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let metadata = &event["metadata"];
        (text(&event["eventType"]).unwrap(), text(&metadata["version"]).unwrap(), text(&metadata["correlationId"]))
    };
    rows["data"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn what_a_request_belongs_to_is_carried_from_rules_version_3_on() {
    let home = Home::new();
    let server = home.serve_with(&["--partitions", "2"]);
    let client = &server.client;
    set_rules(client, 2);
    let desk = [("x-correlation-id", "desk-7/4711")];
    let before = order(client, "a", "buy", &desk);
    assert!(carried(client, &before).iter().all(|(_, version, id)| version == "2.0" && id.is_none()), "{before}");

    set_rules(client, 3);
    let sold = order(client, "b", "sell", &desk);
    let rows = carried(client, &sold);
    let expected = |event: &str, id: &str| (event.to_owned(), "2.1".to_owned(), Some(id.to_owned()));
    let of_desk = ["OrderCreated", "OrderAccepted", "OrderFilled"].map(|event| expected(event, "desk-7/4711"));
    assert_eq!(rows, of_desk);
    // The order that it met belongs to nothing, but this fill of it does.
    let filled = Some(expected("OrderFilled", "desk-7/4711"));
    assert_eq!(until(|| carried(client, &before).last().cloned(), |last| *last == filled), filled);
    let tape = client.get("/v1/audit/events?topic=trades&type=TradeExecuted").expect(200);
    assert_eq!(tape["data"][0]["event"]["metadata"]["correlationId"], "desk-7/4711", "{tape}");
    // Without that header it is the request's own id; one of no use is as none.
    for headers in [&[("x-request-id", "r-1")][..], &[("x-request-id", "r-1"), ("x-correlation-id", "a b")]] {
        assert_eq!(carried(client, &order(client, "c", "buy", headers))[0], expected("OrderCreated", "r-1"));
    }

    // Back again: what is written from here on is as before.
    set_rules(client, 2);
    let after = order(client, "d", "buy", &desk);
    assert!(carried(client, &after).iter().all(|(_, version, id)| version == "2.0" && id.is_none()), "{after}");
    server.stop();
    home.verify();
    let (code, said) = home.run(&["schema", "check", "--json"]);
    let checked: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((code, &checked["complete"], &checked["present"]), (Some(0), &json!(true), &json!("2.1")), "{said}");
    let versions = |event: &str| {
        let rows = checked["read"].as_array().unwrap().iter();
        let of = rows.filter(|row| row["topic"] == "orders" && row["eventType"] == event);
        of.map(|row| row["version"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (versions("OrderAccepted"), versions("OrderFilled")),
        (vec!["2.0".into(), "2.1".into()], vec!["2.1".into()])
    );
    assert_eq!(checked["versions"][0]["way"], json!(["1.0", "2.0", "2.1"]), "{said}");
}

#[test]
fn a_record_of_version_2_1_is_refused_until_the_rules_read_it() {
    let home = Home::new();
    let file = home.data().with_file_name("events.jsonl");
    let deposit = |number: u64, version: &str| {
        format!(
            r#"{{"eventId":"00000000-0000-4000-8000-{number:012}","eventType":"DepositMade","timestamp":"2025-01-15T10:00:00Z","payload":{{"userId":"u","asset":"USD","amount":5}},"metadata":{{"version":"{version}","source":"desk","correlationId":"c-{number}"}}}}"#
        )
    };
    let server = home.serve();
    server.stop();
    let import = |number: u64, version: &str| {
        std::fs::write(&file, deposit(number, version)).unwrap();
        let (code, said) = home.run(&["import", "events", file.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{said}");
    };
    import(1, "2.1");
    let server = home.serve();
    server.client.get("/v1/accounts/u/balances").expect_problem(404, "unknown-account");
    let refused = server.client.get("/v1/audit/events?topic=orders&type=RecordRefused").expect(200);
    let payload = &refused["data"][0]["event"]["payload"];
    assert_eq!(
        (&payload["reason"], &payload["detail"]),
        (&json!("unknown_version"), &json!("version 2.1 is not 1.0 or 2.0"))
    );
    set_rules(&server.client, 3);
    server.stop();
    // The same record, and one of a version that comes after this program; a newer major one is refused as ever.
    for (number, version) in [(1, "2.1"), (2, "2.9"), (3, "3.0")] {
        import(number, version);
    }
    let server = home.serve();
    let reached = server.client.deposit("u", "USD", "1");
    assert_eq!(server.client.balances("u", &reached)["USD"][0], "11");
    server.stop();
    home.verify();
}

/// A record that a newer program's stage wrote, in that topic, as the next of its stream.
fn write_newer(home: &Home, to: Topic) {
    let log = EmbeddedLog::open(&home.data().join("log.redb"), PARTITIONS, EmbeddedOptions::default()).unwrap();
    let (key, of) = (StreamKey::default(), (0..PARTITIONS).map(|partition| to.at(partition)));
    let records = of.map(|of| (of, log.read(of, 0, 1000).unwrap())).find(|(_, records)| !records.is_empty());
    let (of, records) = records.unwrap();
    let last =
        records.into_iter().map(|record| Read::new(of, record, &key)).rfind(|read| read.stamp.is_some()).unwrap();
    let stamp = last.stamp.unwrap();
    let mark = StreamMark { sequence: stamp.sequence, digest: last.digest };
    let cause = Cause { position: StreamId::of(&stamp).0.offset(stamp.cause.position.offset), index: 9 };
    let event = Event::RulesVersionSet(RulesVersion { rules_version: 2 });
    let payload = envelope::payload_bytes(&event);
    let value =
        envelope::write_derived(event.event_type(), &payload, Timestamp::default(), &mark.next_stamp(cause), "intake");
    let value = String::from_utf8(value).unwrap().replace("\"2.0\"", "\"3.0\"");
    let record = NewRecord { to: of, key: Some("_control".into()), value: Some(value.into()), headers: Vec::new() };
    let (sender, written) = std::sync::mpsc::channel();
    let appender = log.appender(AppenderKind::Client).unwrap();
    appender.append(vec![record], Box::new(move |done| sender.send(done.map(drop)).unwrap())).unwrap();
    written.recv().unwrap().unwrap();
}

#[test]
fn a_log_that_a_newer_program_wrote_to_is_refused_at_the_start_and_named_by_the_check() {
    for topic in [Topic::Orders, Topic::Books] {
        let home = Home::embedded();
        let server = home.serve_with(&["--partitions", "2"]);
        server.client.deposit("a", "USD", "1000");
        let order = order(&server.client, "a", "buy", &[]);
        server.client.get_at("/v1/audit/events", &order["position"]);
        server.stop();
        let (code, said) = home.run(&["schema", "check"]);
        assert!(code == Some(0) && said.contains("no gap"), "{said}");
        write_newer(&home, topic);
        let (code, said) = home.serve_refused(&[]);
        assert_eq!(code, Some(3), "{said}");
        let words = ["version 3.0 is not 1.0 or 2.0", "start that program again", topic.name()];
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        let (code, said) = home.run(&["schema", "check"]);
        assert!(code == Some(4) && said.contains("GAP"), "{code:?} {said}");
        let (code, said) = home.run(&["schema", "check", "--json"]);
        assert_eq!(code, Some(4));
        assert!(said.contains(r#""complete":false"#) && said.contains(r#""count":1"#), "{said}");
    }
}
