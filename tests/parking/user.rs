//! A user parked in settlement.

use orderledger_tests::client::{new_key, until};
use orderledger_tests::receiver::{Receiver, Seen};
use serde_json::{Value, json};

use crate::ground::{Ground, after, parked, projection};

/// On a partition of one user, a deposit is DepositMade and AccountCredited: the credit of the next one stands 3 behind
/// the position of this one (its request first).
fn next_credit(position: &Value) -> String {
    after(position, 2)
}

#[test]
fn a_failing_record_parks_its_user_and_nobody_else() {
    let ground = Ground::new();
    let server = ground.serve();
    let client = &server.client;
    let first = client.deposit("alice", "USD", "100");
    let poisoned = next_credit(&first);
    ground.poison(&[format!("settlement:{poisoned}")]);
    let second = client.deposit("alice", "USD", "50");
    assert_eq!(second, json!(poisoned), "the answer comes from intake, which is never parked");
    let third = client.deposit("alice", "USD", "7");
    let row = until(|| parked(client, "user:alice"), |row| row["waiting"].as_u64() >= Some(3));
    assert_eq!((&row["firstPosition"], &row["projection"]), (&second, &json!("settlement")), "{row}");
    assert_eq!(row["attempts"], 1, "{row}");

    // Reads tell the truth: what there is, up to where it is right, and how much waits.
    let balances = client.get_at("/v1/accounts/alice/balances", &third);
    assert!(balances["data"][0]["total"].as_str().unwrap().starts_with("100"), "{balances}");
    assert_eq!(balances["state"], "parked", "{balances}");
    assert_eq!(balances["waiting"], row["waiting"], "{balances}");
    assert!(balances["lastGoodPosition"].is_string(), "{balances}");
    for path in ["orders", "fills", "postings", "withdrawals", "transactions"] {
        let answer = client.get(format!("/v1/accounts/alice/{path}")).expect(200);
        assert_eq!(answer["state"], "parked", "{path}: {answer}");
    }

    // Everyone else goes on, and the worker is live and ready.
    let bobs = client.deposit("bob", "USD", "5");
    let balances = client.get_at("/v1/accounts/bob/balances", &bobs);
    assert_eq!(balances.get("state"), None, "{balances}");
    assert_eq!(client.get("/readyz").status, 200);
    let settlement = projection(client, "settlement");
    assert_eq!((&settlement["state"], &settlement["parkedEntities"]), (&json!("parked"), &json!(1)), "{settlement}");
    let sum: u64 = ["applied", "duplicate", "rejected", "parked", "ignored"]
        .map(|of| settlement[of].as_u64().unwrap())
        .iter()
        .sum();
    assert_eq!(settlement["consumed"].as_u64(), Some(sum), "{settlement}");
    let partitions = settlement["partitions"].as_object().unwrap();
    let here = &partitions[poisoned.split_once('@').unwrap().0];
    assert_eq!(here["parked"], row["waiting"], "{settlement}");
    let consumed: u64 = partitions.values().map(|partition| partition["consumed"].as_u64().unwrap()).sum();
    assert_eq!(consumed, sum, "{settlement}");

    // The queue shows the very records, in order, the first with its error.
    let queue = client.get("/v1/parked/user:alice").expect(200);
    let waiting = queue["data"].as_array().unwrap();
    assert_eq!(waiting.len() as u64, queue["waiting"].as_u64().unwrap(), "{queue}");
    assert_eq!(waiting[0]["position"], second, "{queue}");
    assert!(waiting[0]["error"].is_string() && waiting[1]["error"].is_null(), "{queue}");
    assert_eq!(waiting[0]["event"]["eventType"], "AccountCredited", "{queue}");

    // Fixed, but not retried: still parked. Retried: all of it is there, in order.
    ground.poison(&[]);
    let body = json!({"position": second});
    let trial = client.post("/v1/parked/user:alice/retry?dryRun=true", &body).send().expect(200);
    assert_eq!((trial["wouldApply"].as_u64(), &trial["stopsAt"]), (queue["waiting"].as_u64(), &Value::Null), "{trial}");
    assert_eq!(parked(client, "user:alice")["waiting"], queue["waiting"], "a trial changes nothing");
    let answer = client.post("/v1/parked/user:alice/retry", &body).send().expect(202);
    assert_eq!(answer["state"], "released", "{answer}");
    let balances = client.get_at("/v1/accounts/alice/balances", &third);
    assert!(balances["data"][0]["total"].as_str().unwrap().starts_with("157"), "{balances}");
    assert_eq!(balances.get("state"), None, "{balances}");
    server.stop();
    ground.home().verify();
    let (code, said) = ground.home().run(&["rebuild", "all"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_waits_is_told_once_and_its_replay_calls_no_webhook() {
    let (ground, receiver) = (Ground::new(), Receiver::start());
    let server = ground.serve_with(&["--webhooks-allow-private", "--partitions", "1", "--canary=false"]);
    let client = &server.client;
    let first = client.deposit("alice", "USD", "100");
    client.until_live("notifications");
    let webhook = client.post("/v1/webhooks", &json!({"url": receiver.url()})).send().expect(201);
    ground.poison(&[format!("settlement:{}", next_credit(&first))]);
    let second = client.deposit("alice", "USD", "50");
    let third = client.deposit("alice", "USD", "7");
    let row = until(|| parked(client, "user:alice"), |row| row["waiting"].as_u64() >= Some(3));
    assert_eq!(row["firstPosition"], second, "{row}");
    // Notifications wait for no other projection.
    let told = |seen: &[Seen]| seen.iter().map(Seen::position).collect::<Vec<_>>();
    assert_eq!(told(&receiver.until(2)), [second.as_str().unwrap(), third.as_str().unwrap()]);
    ground.poison(&[]);
    let answer = client.post("/v1/parked/user:alice/retry", &json!({"position": second})).send().expect(202);
    assert_eq!(answer["state"], "released", "{answer}");
    let balances = client.get_at("/v1/accounts/alice/balances", &third);
    assert!(balances["data"][0]["total"].as_str().unwrap().starts_with("157"), "{balances}");
    // Of one account in its order: what comes after it is the next call.
    let fourth = client.deposit("alice", "USD", "9");
    assert_eq!(told(&receiver.until(3))[2..], [fourth.as_str().unwrap()]);
    let path = format!("/v1/webhooks/{}", webhook["webhookId"].as_str().unwrap());
    let shown = until(|| client.get(path.clone()).expect(200), |shown| shown["sent"] == 3 && shown["waiting"] == 0);
    assert_eq!((&shown["sent"], &shown["waiting"], receiver.seen().len()), (&json!(3), &json!(0), 3), "{shown}");
    server.stop();
    ground.home().verify();
}

#[test]
fn orders_of_a_parked_user_are_changed_and_answers_don_t_pass_what_waits_for_done() {
    let ground = Ground::new();
    let server = ground.serve();
    let client = &server.client;
    let first = client.deposit("alice", "USD", "1000");
    let poisoned = next_credit(&first);
    ground.poison(&[format!("settlement:{poisoned}")]);
    client.deposit("alice", "USD", "50");
    until(|| parked(client, "user:alice"), Value::is_object);
    // Accepted by intake, which is never parked; its rows wait.
    let order = json!({"symbol": "AAPL", "side": "buy", "orderType": "limit", "quantity": 4, "price": "10"});
    let placed = client.post("/v1/accounts/alice/orders", &order).wait().send().expect(202);
    let path = format!("/v1/accounts/alice/orders/{}", placed["orderId"].as_str().unwrap());
    let missing = client.get(&path).expect_problem(404, "unknown-order");
    assert_eq!((&missing["state"], missing["waiting"].is_u64()), (&json!("parked"), true), "{missing}");
    let amended =
        client.request("PATCH", &path).key(&new_key()).json(&json!({"quantity": 3})).wait().send().expect(202);
    assert_eq!((&amended["state"], amended.get("status")), (&json!("parked"), None), "{amended}");
    let canceled = client.request("DELETE", &path).key(&new_key()).wait().send().expect(202);
    assert_eq!((&canceled["orderId"], &canceled["state"]), (&placed["orderId"], &json!("parked")), "{canceled}");
    let unknown = format!("/v1/accounts/alice/orders/{}", new_key());
    client.request("DELETE", unknown).key(&new_key()).send().expect_problem(404, "unknown-order");
    // What was asked is there once what waits is applied.
    ground.poison(&[]);
    let head = parked(client, "user:alice")["firstPosition"].clone();
    client.post("/v1/parked/user:alice/retry", &json!({"position": head})).send().expect(202);
    let order = client.get_at(&path, &canceled["position"]);
    assert_eq!((&order["status"], &order["quantity"]), (&json!("canceled"), &json!(3)), "{order}");
    server.stop();
    ground.home().verify();
}
