//! Who decided stands in the log, as the credential says it.

use orderledger_tests::client::until;
use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::{Keys, get, with};

fn asked(records: &Value) -> Vec<Value> {
    records["data"].as_array().unwrap().iter().map(|record| record["event"]["metadata"].clone()).collect()
}

const ASKED: &str = "/v1/audit/events?topic=orders&partition=0&type=FeeScheduleRequested";

#[test]
fn a_control_event_says_who_asked_where_that_is_known() {
    let (home, keys) = (Home::embedded(), Keys::new());
    let operator = keys.create(&["--role", "operator", "--name", "ann"]);
    let body = json!({"makerBps": 1, "takerBps": 2});
    let open = home.serve();
    open.client.request("PUT", "/v1/fees").key("k1").json(&body).send().expect(202);
    open.stop();
    let server = home.serve_with(&["--auth-keys", &keys.path]);
    let put = |key: &str| with(server.client.request("PUT", "/v1/fees"), &operator).key(key).json(&body).send();
    put("k2").expect(202);
    // The same request again is the same, whoever made it first.
    assert_eq!(put("k1").headers["idempotency-replayed"], "true");
    let records = until(
        || get(&server.client, ASKED, &operator).expect(200),
        |records| records["data"].as_array().unwrap().len() == 3,
    );
    let actors: Vec<Value> = asked(&records).iter().map(|metadata| metadata["actor"].clone()).collect();
    assert_eq!(actors, [Value::Null, json!("ann"), json!("ann")], "{records}");
    server.stop();
    home.verify();
}

#[test]
fn nobody_decides_under_another_name_than_the_credentials() {
    let (home, keys) = (Home::embedded(), Keys::new());
    let operator = keys.create(&["--role", "operator", "--name", "ann"]);
    let server = home.serve_with(&["--auth-keys", &keys.path]);
    let body = |actor: &str| json!({"position": "orders-0@0", "reason": "why", "actor": actor});
    let ask = |actor: &str| with(server.client.post("/v1/parked/user:u1/discard", &body(actor)), &operator).send();
    let problem = ask("bob").expect_problem(422, "invalid-request");
    assert_eq!(problem["errors"][0]["pointer"], "/actor", "{problem}");
    ask("ann").expect_problem(404, "not-parked");
}
