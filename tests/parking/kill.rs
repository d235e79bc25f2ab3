//! kill -9 while something is parked, and while it is being released.

use orderledger_tests::client::until;
use serde_json::json;

use crate::ground::{Ground, after, parked};

#[test]
fn what_waits_waits_after_a_kill_and_is_applied_once() {
    let ground = Ground::new();
    let server = ground.serve();
    let first = server.client.deposit("alice", "USD", "1");
    let second = after(&first, 2);
    ground.poison(&[format!("settlement:{second}")]);
    for _ in 0..20 {
        server.client.deposit("alice", "USD", "1");
    }
    let before = until(|| parked(&server.client, "user:alice"), |row| row["waiting"].as_u64() >= Some(39));
    server.kill();

    let server = ground.serve();
    let row = until(|| parked(&server.client, "user:alice"), |row| row["waiting"] == before["waiting"]);
    assert_eq!((&row["firstPosition"], &row["waiting"]), (&before["firstPosition"], &before["waiting"]), "{row}");
    ground.poison(&[]);
    let body = json!({"position": second});
    let retry = {
        let (client, body) = (server.client.clone(), body.clone());
        // Killed while it may be in the log, carried out in part, or neither: the client doesn't know.
        move || client.request("POST", "/v1/parked/user:alice/retry").key("release").json(&body).try_send().is_ok()
    };
    let asked = std::thread::spawn(retry);
    server.kill();
    let _known = asked.join().unwrap();

    let server = ground.serve();
    // The same key again: released now, or before; or the view had lost even the parking and the fixed program applied it.
    let answer = server.client.request("POST", "/v1/parked/user:alice/retry").key("release").json(&body).send();
    assert!([202, 404].contains(&answer.status), "{answer:?}");
    let last = server.client.deposit("alice", "USD", "1");
    let balances = server.client.balances("alice", &last);
    assert!(balances["USD"][0].starts_with("22"), "{balances:?}");
    server.stop();
    ground.home().verify();
}
