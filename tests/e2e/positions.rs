//! Reading what one wrote: `minPosition`, `asOf`, and answers that did not change.

use serde_json::json;

use orderledger_tests::server::Home;

#[test]
fn a_view_waits_for_a_position_or_says_that_it_is_not_there() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let at = client.deposit("u", "USD", "100");
    let balances = "/v1/accounts/u/balances";
    let shown = client.get_at(balances, &at);
    let (partition, offset) = at.as_str().unwrap().split_once('@').unwrap();
    assert!(shown["asOf"]["positions"][partition].as_u64().unwrap() >= offset.parse().unwrap(), "{shown}");
    let ask = |query: &str| client.get(format!("{balances}?{query}"));
    let answer = ask("minPosition=orders-0@99999999&waitMs=50");
    answer.expect_problem(409, "position-not-reached");
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    ask("minPosition=trades-0@0").expect_problem(422, "position-not-tracked");
    ask(&format!("minPosition={partition}@{offset},trades-1@7&waitMs=10000")).expect(200);
    for malformed in ["zzz", "orders-0", "orders-0@-1", "orders-0@01", "orders-99@1", "", "orders-0@1,,orders-1@1"] {
        ask(&format!("minPosition={malformed}")).expect_problem(422, "invalid-request");
    }
    ask(&format!("minPosition={partition}@{offset}&waitMs=10001")).expect_problem(422, "invalid-request");
    ask("from=1").expect_problem(422, "invalid-request");
}

#[test]
fn what_did_not_change_is_not_sent_again() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let at = client.deposit("u", "USD", "100");
    client.get_at("/v1/accounts/u/balances", &at);
    let first = client.get("/v1/accounts/u/balances");
    let tag = first.headers["etag"].clone();
    let again = |tag: &str| client.request("GET", "/v1/accounts/u/balances").header("if-none-match", tag).send();
    let same = again(&tag);
    assert_eq!((same.status, same.body.as_str(), &same.headers["etag"]), (304, "", &tag));
    assert_eq!(again("\"other\"").status, 200);
    let at = client.deposit("u", "USD", "1");
    client.get_at("/v1/accounts/u/balances", &at);
    let changed = again(&tag).expect(200);
    assert_eq!(changed["data"][0]["total"], json!("101"));
}

#[test]
fn a_balance_can_be_asked_as_of_an_earlier_position() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let first = client.deposit("u", "USD", "100");
    let second = client.deposit("u", "USD", "50");
    let as_of = |at: &serde_json::Value| {
        client.get_at(&format!("/v1/accounts/u/balances?asOfPosition={}", at.as_str().unwrap()), &second)["data"][0]["total"]
            .clone()
    };
    assert_eq!((as_of(&first), as_of(&second)), (json!("100"), json!("150")));
}
