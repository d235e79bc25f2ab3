//! Records inside Kafka transactions: committed ones count, aborted ones were never there, the holes trouble nobody.

use std::time::{Duration, Instant};

use orderledger_tests::client::until;
use serde_json::Value;

use super::page::{USER, Writer, code, command, expect_events, expect_new, expect_reserved, partition, prove, record};

/// Both in one test: the page's producer has one transactional id, and its second instance would fence the first.
#[test]
fn a_committed_transaction_counts_and_an_aborted_one_was_never_there() {
    let Some((writer, home)) = Writer::new() else { return };
    let committing = code(Some("Inside a Kafka transaction"), "python");
    // Flushed, so that the record stands in the log.
    let aborting =
        committing.replace("producer.commit_transaction()", "producer.flush()\nproducer.abort_transaction()");
    assert_ne!(aborting, committing);
    let of = format!("orders-{}", partition());

    // The partition is nothing but a hole: offsets 0 and 1.
    writer.python(&aborting);
    let server = home.serve();
    server.client.get("/v1/orders/12345").expect_problem(404, "unknown-order");
    server.client.get(format!("/v1/audit/events/orders/{}/0", partition())).expect(404);
    let server = prove(&home, server);
    let deposited = server.client.deposit(USER, "USD", "20000");
    assert_eq!(deposited, format!("{of}@3"), "the deposit stands behind the hole, its credit behind it");
    for reached in [deposited, format!("{of}@1").into()] {
        server.client.get_at(&format!("/v1/accounts/{USER}/balances"), &reached);
    }
    // Again, into a log that is being read.
    writer.python(&aborting);
    // What is below a hole at the partition's end is shown, and nobody waits for more.
    server.client.get_at(&format!("/v1/accounts/{USER}/balances"), &format!("{of}@5").into());
    let deposited = server.client.deposit(USER, "USD", "1");
    assert_eq!(deposited, format!("{of}@7"));
    server.client.get("/v1/orders/12345").expect_problem(404, "unknown-order");

    writer.python(&committing);
    let client = &server.client;
    assert_eq!(expect_new(client)["position"], format!("{of}@10"));
    client.get_at(&format!("/v1/accounts/{USER}/balances"), &format!("{of}@9").into());
    expect_reserved(client, "15025");
    let server = prove(&home, server);
    expect_reserved(&server.client, "15025");
    expect_events(&server.client, "OrderCreated", 1);
    let history = server.client.get(format!("/v1/accounts/{USER}/transactions")).body;
    assert!(history.contains(&format!(r#""event":{}"#, record())), "{history}");
    let projections = || server.client.get("/v1/projections").expect(200)["data"].as_array().unwrap().clone();
    let all_read = |rows: &Vec<Value>| rows.iter().all(|row| row["lagRecords"] == 0);
    let rows = until(projections, all_read);
    assert!(all_read(&rows), "{rows:?}");
    for row in rows {
        let counts = ["applied", "duplicate", "rejected", "parked", "ignored"].map(|name| row[name].as_u64().unwrap());
        assert_eq!(row["consumed"], counts.iter().sum::<u64>(), "{row}");
    }
    server.stop();
    let dumped = command(&home, &["log", "dump", "--user", USER]);
    assert_eq!(dumped.matches(&serde_json::to_string(&record()).unwrap()).count(), 1, "{dumped}");

    // What is in a transaction that nobody ends yet isn't waited for, and an export doesn't say that it has it.
    let left_open = committing.replace("producer.commit_transaction()", "producer.flush()\nos._exit(0)");
    let file = writer.file("export");
    let export = || {
        command(&home, &["log", "export", "--out", &file]);
        std::fs::read(&file).unwrap()
    };
    let (before, begun) = (export(), Instant::now());
    writer.python(&left_open);
    assert!(export() == before);
    let verified = orderledger_tests::run(&["log", "verify", &file]).unwrap();
    assert!(verified.status.success(), "{verified:?}");
    assert!(String::from_utf8_lossy(&verified.stdout).contains("intact"), "{verified:?}");
    // After the client's transaction.timeout.ms, a minute, they would.
    assert!(begun.elapsed() < Duration::from_secs(50), "the brokers may have ended the transaction by now");
}
