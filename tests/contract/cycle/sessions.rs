//! Closed sessions are listed with where they stand, and balances are those of a day's end.

use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::close;

#[test]
fn a_close_names_a_moment_of_every_account_and_ends_a_day() {
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "3"]);
    let client = &server.client;
    assert_eq!(client.get("/v1/sessions").expect(200)["data"], json!([]));
    let users = ["ada", "bob", "eve", "kim"];
    for user in users {
        client.deposit(user, "USD", "100");
    }
    let of_one = close(client, &json!(["AAPL"]));
    assert_eq!((&of_one["tradingDay"], &of_one["symbols"]), (&Value::Null, &json!(["AAPL"])));
    let first = close(client, &Value::Null);
    let day = first["tradingDay"].as_str().unwrap();
    assert_eq!(day, &first["closedAt"].as_str().unwrap()[..10]);
    assert_eq!(first["symbols"], Value::Null);
    assert_eq!(first["position"].as_str().unwrap().split(',').count(), 3, "{first}");
    let positions = first["position"].as_str().unwrap();
    for user in users {
        let later = client.deposit(user, "USD", "7");
        let total = |query: &str| {
            let path =
                format!("/v1/accounts/{user}/balances?{query}minPosition={}&waitMs=10000", later.as_str().unwrap());
            client.get(path).expect(200)["data"][0]["total"].clone()
        };
        assert_eq!(total(""), "107");
        assert_eq!(total(&format!("asOfPosition={positions}&")), "100", "{user}");
        assert_eq!(total(&format!("asOfDay={day}&")), "100", "{user}");
    }
    let list = |query: &str| client.get(format!("/v1/sessions?{query}")).expect(200);
    assert_eq!(list("")["data"], json!([first, of_one]));
    assert_eq!(list("order=asc")["data"], json!([of_one, first]));
    let page = list("limit=1");
    assert_eq!(page["data"], json!([first]));
    let rest = list(&format!("limit=1&cursor={}", page["nextCursor"].as_str().unwrap()));
    assert_eq!((&rest["data"], &rest["nextCursor"]), (&json!([of_one]), &Value::Null));
    // A later close of the same day ends it anew; the earlier one stays what it was.
    let again = close(client, &Value::Null);
    assert_ne!(again["session"], first["session"]);
    let of_day = client.get(format!("/v1/accounts/ada/balances?asOfDay={}", again["tradingDay"].as_str().unwrap()));
    assert_eq!(of_day.expect(200)["data"][0]["total"], "107");
    for bad in ["asOfDay=2001-01-01", "asOfDay=yesterday", "asOfDay=2025-01-15&asOfTime=2025-01-15T00:00:00Z"] {
        client.get(format!("/v1/accounts/ada/balances?{bad}")).expect_problem(422, "invalid-request");
    }
    // All of it is in the log: the view, made anew, says the same.
    let before = list("");
    client.post("/v1/projections/settlement/rebuild", &json!({})).send().expect(202);
    let look = || client.get("/v1/projections/settlement/rebuild").expect(200);
    let done = orderledger_tests::client::until(look, |state: &Value| !state["endedAt"].is_null());
    assert_eq!(done["phase"], "done", "{done}");
    assert_eq!(list("")["data"], before["data"]);
    server.stop();
    home.verify();
}
