//! Producers that make a record of the present version and check it by its schema, in Python and in Java.

use orderledger_domain::version::{Version, corpus};
use orderledger_tests::client::{Client, new_key, until};
use orderledger_tests::kafka;
use serde_json::{Value, json};

use super::page::{PARTITIONS, USER, Writer, code, command, prove};

/// The rules that read version 2.1, in every partition.
fn set_rules(client: &Client) {
    client.request("PUT", "/v1/rules").key(&new_key()).json(&json!({"rulesVersion": 3})).send().expect(202);
    let set = || client.get("/v1/audit/events?topic=orders&type=RulesVersionSet").json()["data"].clone();
    let rows = until(set, |rows| rows.as_array().is_some_and(|rows| rows.len() == PARTITIONS as usize));
    assert_eq!(rows.as_array().map(Vec::len), Some(PARTITIONS as usize));
}

/// The record is judged and carried; what the whole log says of it.
fn check(order_id: &str, write: impl Fn(&Writer) -> String) {
    let Some((writer, home)) = Writer::new() else { return };
    let server = home.serve();
    let client = &server.client;
    set_rules(client);
    client.deposit(USER, "USD", "20000");
    let position = write(&writer);
    let order = until(|| client.get(format!("/v1/orders/{order_id}")).json(), |order| order["status"] == "new");
    assert_eq!(
        (&order["status"], &order["timeInForce"], &order["price"]),
        (&json!("new"), &json!("day"), &json!("150.25"))
    );
    let rows = until(
        || client.get(format!("/v1/orders/{order_id}/transactions?order=asc")).json()["data"].clone(),
        |rows| rows.as_array().is_some_and(|rows| rows.len() == 2),
    );
    assert_eq!(rows[0]["position"], position, "{rows}");
    let carried = |row: &Value| {
        let metadata = &row["event"]["metadata"];
        metadata["version"] == "2.1" && metadata["correlationId"] == "desk-7/4711"
    };
    assert!(rows.as_array().is_some_and(|rows| rows.len() == 2 && rows.iter().all(carried)), "{rows}");
    prove(&home, server).stop();
    let said = command(&home, &["schema", "check"]);
    assert!(said.contains("OrderAccepted") && said.contains("2.1") && said.contains("no gap"), "{said}");
}

#[test]
fn a_record_that_python_made_by_the_schema_is_understood() {
    let page = code(Some("From Python, by the schema"), "python");
    check("python-1", |writer| {
        // What the schema refuses is not sent.
        for (from, to, words) in [
            ("\"side\": \"buy\"", "\"side\": \"purchase\"", "purchase"),
            ("\"quantity\": 100", "\"quantity\": 0", "minimum"),
            ("    \"symbol\": \"AAPL\",\n", "", "symbol"),
            ("\"version\": \"2.1\"", "\"version\": \"3.0\"", "3.0"),
        ] {
            let wrong = page.replace(from, to);
            assert_ne!(wrong, page, "{from}");
            let said = writer.python_refused(&wrong);
            assert!(said.contains("ValidationError") && said.contains(words), "{said}");
        }
        writer.python(&page)
    });
}

#[test]
fn every_record_of_the_corpus_is_valid_by_its_schema_and_none_with_a_spoiled_field() {
    let Some((writer, _home)) = Writer::new() else { return };
    let lines: Vec<String> = corpus::lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line.record).unwrap();
            let event_type = record["eventType"].as_str().unwrap().to_owned();
            let is_first = line.version == Version::V1_0 && event_type == "OrderCreated";
            json!([if is_first { "OrderCreated-1.0".to_owned() } else { event_type }, record]).to_string()
        })
        .collect();
    std::fs::write(writer.file("corpus.jsonl"), lines.join("\n")).unwrap();
    let said = writer.python(
        r#"
import json, os
from jsonschema import Draft202012Validator

spoiled = 0
for line in open("corpus.jsonl"):
    name, record = json.loads(line)
    schema = json.load(open(os.path.join(os.environ["SCHEMAS"], name + ".json")))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    validator.validate(record)
    for part in ["payload", "metadata"]:
        for field in record[part]:
            wrong = {**record, part: {**record[part], field: [{}]}}
            assert not validator.is_valid(wrong), (name, part, field)
            spoiled += 1
print(spoiled)
"#,
    );
    assert!(said.parse::<u64>().is_ok_and(|spoiled| spoiled > 500), "{said}");
}

#[test]
fn a_record_that_java_made_by_the_schema_is_understood() {
    let Some(jars) = kafka::producer_jars() else { return };
    check("java-1", |writer| writer.java(&jars, "OrderProducer", &code(Some("From Java, by the schema"), "java")));
}
