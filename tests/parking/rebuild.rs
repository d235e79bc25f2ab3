//! Rebuilding a view in which an entity is parked.

use orderledger_tests::client::{Client, until};
use orderledger_tests::run;
use serde_json::{Value, json};

use crate::ground::{Ground, after, parked};

/// Asks for a rebuild of settlement; how it ended.
fn rebuilt(client: &Client, body: &Value) -> Value {
    client.post("/v1/projections/settlement/rebuild", body).send().expect(202);
    let look = || client.get("/v1/projections/settlement/rebuild").expect(200);
    until(look, |state| !state["endedAt"].is_null())
}

#[test]
fn what_is_parked_is_rebuilt_as_parked_and_what_was_fixed_meanwhile_is_a_difference_to_accept() {
    let ground = Ground::new();
    let server = ground.serve();
    let client = &server.client;
    let first = client.deposit("alice", "USD", "100");
    let (second, third) = (after(&first, 2), after(&first, 4));
    ground.poison(&[format!("settlement:{second}"), format!("settlement:{third}")]);
    client.deposit("alice", "USD", "50");
    client.deposit("alice", "USD", "7");
    let last = client.deposit("alice", "USD", "1");
    let before = until(|| parked(client, "user:alice"), |row| row["waiting"].as_u64() >= Some(5));

    // The same program parks the same; an operator's decision is repeated.
    let state = rebuilt(client, &json!({}));
    assert_eq!(state["phase"], "done", "{state}");
    let again = parked(client, "user:alice");
    assert_eq!([&again["waiting"], &again["firstPosition"]], [&before["waiting"], &before["firstPosition"]], "{again}");
    let discard = json!({"position": second, "reason": "paid twice", "actor": "ann"});
    client.post("/v1/parked/user:alice/discard", &discard).send().expect(202);
    let state = rebuilt(client, &json!({}));
    assert_eq!(state["phase"], "done", "{state}");
    assert_eq!(parked(client, "user:alice")["firstPosition"], json!(third));

    // Fixed, but not retried: the rebuilt view has what the live one has not.
    ground.poison(&[]);
    let state = rebuilt(client, &json!({}));
    assert_eq!(state["phase"], "different", "{state}");
    assert!(state["digest"] != state["liveDigest"] && state["differences"][0].is_string(), "{state}");
    assert_eq!(parked(client, "user:alice")["firstPosition"], json!(third), "the live view stays");
    let ask = run(&["rebuild", "settlement", "--server", client.base()]).unwrap();
    let said = String::from_utf8_lossy(&ask.stderr);
    assert_eq!(ask.status.code(), Some(4), "{said}");
    assert!(said.contains("retry that first") && said.contains("--accept-difference"), "{said}");
    let state = rebuilt(client, &json!({"acceptDifference": "fixed in 0.2", "actor": "ann"}));
    assert_eq!(state["phase"], "done", "{state}");
    assert!(client.balances("alice", &last)["USD"][0].starts_with("108"), "without the discarded 50");
    assert_eq!(parked(client, "user:alice"), Value::Null);
    let events =
        || client.get("/v1/audit/events?topic=dead-letters&type=DifferenceAccepted").expect(200)["data"].clone();
    let events = until(events, |events| !events.as_array().unwrap().is_empty());
    let said = &events[0]["event"]["payload"];
    assert_eq!((&said["reason"], &said["actor"]), (&json!("fixed in 0.2"), &json!("ann")), "{events}");
    let digest = state["digest"].as_str().unwrap();
    assert!(
        said["subject"].as_str().unwrap().starts_with("settlement generation") && said.to_string().contains(digest)
    );
    server.stop();
    ground.home().verify();

    // Offline the same is asked of the same program; nothing differs any more.
    let (code, said) = ground.home().run(&["rebuild", "all"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_difference_accepted_offline_is_taken_with_its_reason_on_record() {
    let ground = Ground::new();
    let server = ground.serve();
    let first = server.client.deposit("alice", "USD", "100");
    ground.poison(&[format!("settlement:{}", after(&first, 2))]);
    let last = server.client.deposit("alice", "USD", "50");
    until(|| parked(&server.client, "user:alice"), |row| !row.is_null());
    server.stop();

    // The program that runs here can apply what is parked.
    let (code, said) = ground.home().run(&["rebuild", "settlement"]);
    assert!(code == Some(4) && said.contains("--accept-difference"), "{code:?}: {said}");
    let accepting = ["rebuild", "settlement", "--accept-difference", "fixed in 0.2", "--actor", "ann"];
    // A reason for rows that were never whole is not on record: here the process ends while it writes them.
    let mut options = accepting.to_vec();
    let of_home = ground.home().options();
    options.extend(of_home.iter().map(String::as_str));
    let mut killed = std::process::Command::new(orderledger_tests::faulty_program());
    let killed = killed.args(options).env("ORDERLEDGER_FAULT_POINTS", "view.loaded=1").output().unwrap();
    assert!(!killed.status.success(), "{killed:?}");
    let (code, said) = ground.home().run(&accepting);
    assert!(code == Some(0) && said.contains("different, accepted"), "{code:?}: {said}");

    ground.poison(&[]);
    let server = ground.serve();
    let client = &server.client;
    assert!(client.balances("alice", &last)["USD"][0].starts_with("150"));
    assert_eq!(parked(client, "user:alice"), Value::Null);
    let events =
        || client.get("/v1/audit/events?topic=dead-letters&type=DifferenceAccepted").expect(200)["data"].clone();
    let events = until(events, |events| !events.as_array().unwrap().is_empty());
    assert_eq!(events.as_array().unwrap().len(), 1, "{events}");
    let said = &events[0]["event"]["payload"];
    assert_eq!((&said["reason"], &said["actor"]), (&json!("fixed in 0.2"), &json!("ann")), "{events}");
    server.stop();
    ground.home().verify();
}
