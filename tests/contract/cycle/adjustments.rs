//! Corrections: entries of their own, with a reason, that never take what isn't there.

use orderledger_tests::client::{Answer, Client, new_key};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

const PATH: &str = "/v1/accounts/ann/adjustments";

fn adjust(client: &Client, body: &Value) -> Answer {
    client.post(PATH, body).send()
}

/// Sets the version of the rules, and waits until the server has seen it for the account.
fn set_rules(client: &Client, version: u32) {
    let put = client.request("PUT", "/v1/rules").key(&new_key()).json(&json!({ "rulesVersion": version }));
    let position = put.send().expect(202)["position"].clone();
    client.get_at("/v1/rules", &position);
}

#[test]
fn a_correction_is_an_entry_with_a_reason_and_shows_everywhere() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "1"]);
    let client = &server.client;
    client.deposit("ann", "USD", "100");
    let twice = client.deposit("ann", "USD", "100");
    let body =
        json!({"asset": "USD", "amount": "-100.00", "reason": "the deposit of 9:30 was told twice", "corrects": twice});
    let refused = adjust(client, &body).expect_problem(409, "rules-too-old");
    assert!(refused["detail"].as_str().unwrap().contains("PUT /v1/rules"), "{refused}");
    set_rules(client, 4);

    let key = new_key();
    let ask = |body: &Value| client.request("POST", PATH).key(&key).json(body).send();
    let booked = ask(&body).expect(201);
    assert_eq!((&booked["status"], &booked["amount"]), (&json!("booked"), &json!("-100")), "{booked}");
    assert_eq!((&booked["reason"], &booked["corrects"]), (&body["reason"], &twice));
    let again = ask(&body);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(201), booked);
    let mut other = body.clone();
    other["amount"] = json!("100.00");
    ask(&other).expect_problem(422, "idempotency-key-reused");
    let given = adjust(client, &json!({"asset": "AAPL", "amount": 7, "reason": "a split"})).expect(201);
    assert_eq!(client.balances("ann", &given["position"])["AAPL"], ["7", "7", "0"]);
    assert_eq!(client.balances("ann", &given["position"])["USD"], ["100", "100", "0"]);

    let list = |path: &str| client.get_at(&format!("/v1/accounts/ann/{path}"), &given["position"]);
    let rows = list("adjustments?order=asc")["data"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
    for (name, value) in booked.as_object().unwrap() {
        assert_eq!(&rows[0][name], value, "{name}");
    }
    assert_eq!((&rows[1]["amount"], &rows[1]["corrects"]), (&json!("7"), &Value::Null));
    let posting = list("postings?reason=adjustment&asset=USD")["data"].clone();
    assert_eq!(posting.as_array().unwrap().len(), 1, "{posting}");
    assert_eq!((&posting[0]["debit"], &posting[0]["position"]), (&json!("100"), &booked["position"]));
    let explained = list("balances/USD/explain");
    assert_eq!(explained["addsUp"], true, "{explained}");
    assert_eq!(explained["adjustments"], json!([rows[0]]), "{explained}");
    let group = explained["groups"].as_array().unwrap().iter().find(|group| group["reason"] == "adjustment").unwrap();
    assert_eq!((&group["count"], &group["debit"]), (&json!(1), &json!("100")));
    // As it was before, nothing is said of it.
    let then = list(&format!("balances/USD/explain?asOfPosition={}", twice.as_str().unwrap()));
    assert_eq!((&then["adjustments"], &then["balance"]["total"]), (&json!([]), &json!("200")));
    let statement = list("statement?limit=1000");
    assert_eq!(statement["addsUp"], true, "{statement}");
    assert_eq!(statement["balances"][1]["debit"], "100");
    let said = list("transactions?type=AdjustmentRequested,AccountAdjusted&order=asc")["data"].clone();
    assert_eq!(said[0]["event"]["payload"]["reason"], body["reason"], "{said}");
    assert_eq!(said[1]["event"]["payload"]["direction"], "debit");
    // What was refused for the rules stands nowhere.
    let log = client.get_at("/v1/audit/events?topic=orders&limit=1000", &given["position"])["data"].clone();
    let types = log.as_array().unwrap().iter().map(|record| record["event"]["eventType"].as_str().unwrap());
    let first: Vec<&str> = types.take(8).collect();
    let deposit = ["DepositMade", "AccountCredited"];
    let (rules, booked) = (["RulesVersionRequested", "RulesVersionSet"], ["AdjustmentRequested", "AccountAdjusted"]);
    assert_eq!(first, [deposit, deposit, rules, booked].concat(), "{log}");

    // The view, made anew, says the same.
    client.post("/v1/projections/settlement/rebuild", &json!({})).send().expect(202);
    let look = || client.get("/v1/projections/settlement/rebuild").expect(200);
    let done = orderledger_tests::client::until(look, |state: &Value| !state["endedAt"].is_null());
    assert_eq!(done["phase"], "done", "{done}");
    assert_eq!(list("adjustments?order=asc")["data"], rows);
    server.stop();
    home.verify();
}

#[test]
fn a_correction_never_takes_what_is_not_available_and_says_so() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "1"]);
    let client = &server.client;
    set_rules(client, 4);
    client.deposit("ann", "USD", "100");
    let order = client.order("ann", "buy", "AAPL", 6, "10");
    let take =
        |amount: &str| adjust(client, &json!({"asset": "USD", "amount": amount, "reason": "a fee that was forgotten"}));
    let rejected = take("-40.0001").expect(200);
    assert_eq!((&rejected["status"], &rejected["rejection"]), (&json!("rejected"), &json!("insufficient_funds")));
    let detail = rejected["detail"].as_str().unwrap();
    assert!(detail.contains("less than 40.0001 USD available") && detail.contains("cancel orders"), "{detail}");
    assert_eq!(client.balances("ann", &rejected["position"])["USD"], ["100", "40", "60"]);
    let shares = adjust(client, &json!({"asset": "MSFT", "amount": -1, "reason": "x"})).expect(200);
    assert_eq!(shares["rejection"], "insufficient_shares");
    let booked = take("-40").expect(201);
    assert_eq!(client.balances("ann", &booked["position"])["USD"], ["60", "0", "60"]);
    let id = order["orderId"].as_str().unwrap();
    client.request("DELETE", format!("/v1/accounts/ann/orders/{id}")).key(&new_key()).wait().send().expect(200);
    let rest = take("-60").expect(201);
    assert_eq!(client.balances("ann", &rest["position"])["USD"], ["0", "0", "0"]);
    let rows = client.get_at("/v1/accounts/ann/adjustments", &rest["position"])["data"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let said = rows.as_array().unwrap().iter().map(|row| text(&row["status"]) + " " + &text(&row["amount"]));
    assert_eq!(said.collect::<Vec<_>>(), ["booked -60", "booked -40", "rejected -1", "rejected -40.0001"]);

    for bad in [
        json!({"asset": "USD", "amount": "-1"}),
        json!({"asset": "USD", "amount": "-1", "reason": ""}),
        json!({"asset": "USD", "amount": "0", "reason": "x"}),
        json!({"asset": "USD", "amount": "1e3", "reason": "x"}),
        json!({"asset": "AAPL", "amount": "-0.5", "reason": "x"}),
        json!({"asset": "USD", "amount": "1", "reason": "x", "corrects": "orders-1@0"}),
        json!({"asset": "USD", "amount": "1", "reason": "x", "actor": "me"}),
    ] {
        adjust(client, &bad).expect_problem(422, "invalid-request");
    }
    let later = json!({"asset": "USD", "amount": "1", "reason": "x", "corrects": "orders-0@999999"});
    let refused = adjust(client, &later).expect_problem(422, "record-refused");
    assert!(refused["detail"].as_str().unwrap().contains("earlier position"), "{refused}");
    // Under older rules nobody knows such a record.
    set_rules(client, 3);
    adjust(client, &json!({"asset": "USD", "amount": "1", "reason": "x"})).expect_problem(409, "rules-too-old");
    server.stop();
    home.verify();
}
