//! What operators may decide, and what they are told when it can't be.

use orderledger_tests::client::until;
use orderledger_tests::run;
use serde_json::{Value, json};

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
    let again = discard("k3", &third, "paid twice");
    assert_eq!((again.status, again.headers.get("location")), (202, None), "nothing is there any more: {again:?}");
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

#[test]
fn one_key_decides_about_one_entity_even_where_two_ask_at_once() {
    let ground = Ground::new();
    let server = ground.serve();
    let client = &server.client;
    // Of partitions of their own.
    let users = ["alice", "bob"];
    let poisoned = users.map(|user| after(&client.deposit(user, "USD", "100"), 2));
    ground.poison(&poisoned.each_ref().map(|at| format!("settlement:{at}")));
    for user in users {
        client.deposit(user, "USD", "7");
        until(|| parked(client, &format!("user:{user}")), |row| row["waiting"].as_u64() >= Some(1));
    }
    let together = std::sync::Barrier::new(2);
    let statuses = std::thread::scope(|scope| {
        let asked = [0, 1].map(|which| {
            let (user, at, together) = (users[which], &poisoned[which], &together);
            scope.spawn(move || {
                let body = json!({"position": at, "reason": "paid twice"});
                let path = format!("/v1/parked/user:{user}/discard");
                client.get("/livez");
                together.wait();
                client.request("POST", &path).key("one-key").json(&body).send().status
            })
        });
        asked.map(|asked| asked.join().unwrap())
    });
    let still = users.map(|user| !parked(client, &format!("user:{user}")).is_null());
    assert!(statuses == [202, 422] || statuses == [422, 202], "{statuses:?}");
    assert_eq!(still, statuses.map(|status| status == 422), "who was refused waits as before");
    server.stop();
    ground.home().verify();
}

#[test]
fn what_waits_is_shown_to_the_last_digit() {
    let ground = Ground::new();
    let server = ground.serve();
    let client = &server.client;
    let at = after(&client.deposit("alice", "USD", "100"), 2);
    ground.poison(&[format!("settlement:{at}")]);
    client.deposit("alice", "USD", "12345678901234.5678");
    until(|| parked(client, "user:alice"), |row| row["waiting"].as_u64() >= Some(1));
    for json in [&["--json"][..], &[]] {
        let output = run(&[&["parked", "show", "user:alice", "--server", client.base()], json].concat()).unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("12345678901234.5678") && said.contains("it is poisoned"), "{said}");
    }
    let output = run(&["parked", "retry", "user:alice", "--all", "--server", client.base()]).unwrap();
    assert_eq!(output.status.code(), Some(2), "one or all: {output:?}");
    server.stop();
}

#[test]
fn all_are_retried_at_once_and_each_answer_says_how_its_entity_stands_then() {
    let ground = Ground::new();
    let server = ground.serve();
    let client = &server.client;
    let users = ["alice", "bob", "carol"];
    let poisoned = users.map(|user| after(&client.deposit(user, "USD", "100"), 2));
    let entries = poisoned.each_ref().map(|at| format!("settlement:{at}"));
    ground.poison(&entries);
    let last = users.map(|user| [client.deposit(user, "USD", "7"), client.deposit(user, "USD", "1")][1].clone());
    for user in users {
        until(|| parked(client, &format!("user:{user}")), |row| row["waiting"].as_u64() >= Some(3));
    }
    // One of the three still can't be applied.
    ground.poison(&entries[1..2]);
    let output = run(&["parked", "retry", "--all", "--json", "--server", client.base()]).unwrap();
    assert_eq!(output.status.code(), Some(1), "one waits on: {output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("2 of 3 are released"), "{output:?}");
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stands = |user: &str| {
        let entity = format!("user:{user}");
        let answer = answers.as_array().unwrap().iter().find(|answer| answer["entity"] == entity).unwrap().clone();
        (answer["state"].clone(), answer["waiting"].as_u64().unwrap(), answer["firstPosition"].clone())
    };
    assert_eq!(answers.as_array().unwrap().len(), 3, "{answers}");
    for user in ["alice", "carol"] {
        assert_eq!(stands(user), (json!("released"), 0, Value::Null), "{answers}");
    }
    let (state, waiting, first) = stands("bob");
    assert_eq!((state, first), (json!("parked"), json!(poisoned[1])), "{answers}");
    assert_eq!(parked(client, "user:bob")["waiting"], waiting, "{answers}");
    for (user, at) in [("alice", &last[0]), ("carol", &last[2])] {
        assert!(client.balances(user, at)["USD"][0].starts_with("108"), "{user}");
    }

    // Who doesn't want to wait is answered once the decision is heard, whatever becomes of it.
    ground.poison(&[]);
    let body = json!({"position": poisoned[1]});
    let decided = client.post("/v1/parked/user:bob/retry", &body).header("Prefer", "respond-async").send().expect(202);
    assert!(decided["position"].as_str().unwrap().starts_with("dead-letters-"), "{decided}");
    until(|| parked(client, "user:bob"), Value::is_null);
    server.stop();
    ground.home().verify();
}
