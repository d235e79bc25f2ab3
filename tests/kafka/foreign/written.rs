//! Records that are simply written: judged once, kept byte for byte, refused where they stand wrong.

use orderledger_tests::client::{new_key, until};
use serde_json::json;

use super::page::{
    PARTITIONS, USER, Writer, code, command, expect_events, expect_new, expect_reserved, partition, prove, record,
};

/// Writes the page's record twice; it counts once.
fn check(write: impl Fn(&Writer)) {
    let Some((writer, home)) = Writer::new() else { return };
    let server = home.serve();
    let client = &server.client;
    client.deposit(USER, "USD", "20000");
    write(&writer);
    let order = expect_new(client);
    assert_eq!((&order["userId"], &order["side"]), (&USER.into(), &"buy".into()));
    write(&writer);
    expect_events(client, "DuplicateIgnored", 1);
    expect_events(client, "OrderAccepted", 1);
    expect_events(client, "OrderCreated", 2);
    expect_reserved(client, "15025");
    let history = client.get(format!("/v1/accounts/{USER}/transactions")).body;
    assert_eq!(history.matches(&format!(r#""event":{}"#, record())).count(), 2, "{history}");
    let server = prove(&home, server);
    expect_reserved(&server.client, "15025");
    server.stop();
    let dumped = command(&home, &["log", "dump", "--user", USER]);
    assert_eq!(dumped.matches(&serde_json::to_string(&record()).unwrap()).count(), 2, "{dumped}");
}

#[test]
fn the_console_producer_is_understood() {
    check(|writer| drop(writer.shell(&code(Some("From the command line"), "sh"))));
}

#[test]
fn the_python_client_with_murmur2_is_understood() {
    check(|writer| drop(writer.python(&code(Some("From Python"), "python"))));
}

#[test]
fn the_default_partitioner_of_librdkafka_is_refused_and_its_record_found() {
    let Some((writer, home)) = Writer::new() else { return };
    let server = home.serve();
    let client = &server.client;
    client.deposit(USER, "USD", "20000");
    let page = code(Some("From Python"), "python");
    let crc32 = page.replace("    \"partitioner\": \"murmur2_random\",\n", "");
    assert_ne!(crc32, page);
    let position = writer.python(&crc32);
    let (of, offset) = position.split_once('@').unwrap();
    let chosen = of.strip_prefix("orders-").unwrap();
    assert_ne!(chosen, partition().to_string());

    let notices = || client.get("/v1/audit/events?topic=dead-letters&type=RecordRefused").json()["data"].clone();
    let notices = until(notices, |rows| rows[0].is_object());
    let notice = &notices[0]["event"]["payload"];
    assert_eq!((&notice["reason"], &notice["position"]), (&"wrong_partition".into(), &position.as_str().into()));
    let found =
        until(|| client.get(format!("/v1/audit/events/orders/{chosen}/{offset}")), |answer| answer.status == 200);
    assert!(found.body.contains(&format!(r#""event":{}"#, record())), "{found:?}");
    client.get("/v1/orders/12345").expect_problem(404, "unknown-order");
    expect_reserved(client, "0");
    // The same record, in its place, is the first of its id.
    writer.python(&page);
    expect_reserved(client, "15025");
    server.stop();
    let dumped = command(&home, &["log", "dump", "--from", &position]);
    assert!(dumped.contains(&serde_json::to_string(&record()).unwrap()), "{dumped}");
}

#[test]
fn headers_of_a_record_that_nobody_can_use_stand_in_its_notice() {
    let Some((writer, home)) = Writer::new() else { return };
    let server = home.serve();
    let client = &server.client;
    let rules = client.request("PUT", "/v1/rules").key(&new_key()).json(&json!({"rulesVersion": 2})).send().expect(202);
    // In every partition, before the record comes.
    let set = || client.get("/v1/audit/events?topic=orders&type=RulesVersionSet").json()["data"].clone();
    until(set, |rows| rows.as_array().is_some_and(|rows| rows.len() == PARTITIONS as usize));
    let page = code(Some("From Python"), "python");
    let spoiled = page.replace("value=record,", r#"value=b"\xff\x00", headers=[("trace", b"7"), ("raw", b"\xff")],"#);
    assert_ne!(spoiled, page);
    let position = writer.python(&spoiled);
    let notices = || client.get("/v1/audit/events?topic=dead-letters&type=RecordRefused").json()["data"].clone();
    let notices = until(notices, |rows| rows[0].is_object());
    let notice = &notices[0]["event"]["payload"];
    assert_eq!((&notice["reason"], &notice["position"]), (&"not_utf8".into(), &position.as_str().into()), "{rules}");
    assert_eq!(notice["headers"], json!([{"name": "trace", "value": "7"}, {"name": "raw", "valueHex": "ff"}]));
    server.stop();
}
