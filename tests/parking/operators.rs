//! What operators may decide, and what they are told when it can't be.

use orderledger_tests::client::until;
use serde_json::json;

use crate::ground::{Ground, after, parked};

#[test]
fn a_decision_names_the_record_that_it_is_about_and_counts_once() {
    let ground = Ground::new();
    let server = ground.serve();
    let client = &server.client;
    let first = client.deposit("alice", "USD", "100");
    let (second, third) = (after(&first, 2), after(&first, 4));
    ground.poison(&[format!("settlement:{second}"), format!("settlement:{third}")]);
    client.deposit("alice", "USD", "50");
    client.deposit("alice", "USD", "7");
    let last = client.deposit("alice", "USD", "1");
    until(|| parked(client, "user:alice"), |row| row["waiting"].as_u64() >= Some(5));

    let discard = |key: &str, position: &str, reason: &str| {
        let body = json!({"position": position, "reason": reason, "actor": "ann"});
        client.request("POST", "/v1/parked/user:alice/discard").key(key).json(&body).send()
    };
    client.post("/v1/parked/user:nobody/retry", &json!({"position": second})).send().expect_problem(404, "not-parked");
    client.post("/v1/parked/alice/retry", &json!({"position": second})).send().expect_problem(422, "invalid-request");
    client.post("/v1/parked/user:alice/retry", &json!({"position": third})).send().expect_problem(409, "head-moved");
    client
        .post("/v1/parked/user:alice/discard", &json!({"position": second}))
        .send()
        .expect_problem(422, "invalid-request");
    client
        .request("POST", "/v1/parked/user:alice/retry")
        .json(&json!({"position": second}))
        .send()
        .expect_problem(400, "idempotency-key-required");

    // Retried without a fix: tried once more, nothing else.
    let answer = client.post("/v1/parked/user:alice/retry", &json!({"position": second})).send().expect(202);
    assert_eq!((&answer["state"], &answer["firstPosition"]), (&json!("parked"), &json!(second)), "{answer}");
    assert_eq!(parked(client, "user:alice")["attempts"], 2);

    // Discarded: the next one that can't be applied is the head now, what stands between them is applied.
    let answer = discard("k1", &second, "paid twice").expect(202);
    assert_eq!((&answer["state"], &answer["firstPosition"]), (&json!("parked"), &json!(third)), "{answer}");
    let again = discard("k1", &second, "paid twice");
    assert_eq!(again.headers.get("idempotency-replayed").map(String::as_str), Some("true"), "{again:?}");
    assert_eq!(again.expect(202)["position"], answer["position"]);
    discard("k1", &third, "paid twice").expect_problem(422, "idempotency-key-reused");
    discard("k2", &second, "late").expect_problem(409, "head-moved");
    let answer = discard("k3", &third, "paid twice").expect(202);
    assert_eq!(answer["state"], "released", "{answer}");
    let balances = client.balances("alice", &last);
    assert!(balances["USD"][0].starts_with("101"), "{balances:?}");

    // The decisions stand in the log, with who and why.
    let events = client.get_at("/v1/audit/events?topic=dead-letters&type=ParkedDiscarded", &answer["position"]);
    let said = &events["data"][0]["event"]["payload"];
    assert_eq!(
        (&said["reason"], &said["actor"], &said["position"]),
        (&json!("paid twice"), &json!("ann"), &json!(second))
    );
    server.stop();

    // And hold for ever: with the poison gone, a rebuild still leaves out what was discarded.
    ground.poison(&[]);
    ground.home().verify();
    let (code, said) = ground.home().run(&["rebuild", "all"]);
    assert_eq!(code, Some(0), "{said}");
}
