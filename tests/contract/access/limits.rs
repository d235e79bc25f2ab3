//! How often a caller may call, and what every answer tells browsers and logs.

use orderledger_tests::server::Home;
use serde_json::json;

use super::{Keys, get, with};

#[test]
fn who_calls_too_often_waits_and_others_do_not() {
    let (home, keys) = (Home::embedded(), Keys::new());
    let (one, other) = (keys.create(&["--role", "auditor"]), keys.create(&["--role", "auditor"]));
    let server = home.serve_with(&["--auth-keys", &keys.path, "--rate-limit", "1/m", "--rate-burst", "3"]);
    for left in ["2", "1", "0"] {
        let answer = get(&server.client, "/v1/markets", &one);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.headers["ratelimit"], format!("\"caller\";r={left};t=1"));
        assert_eq!(answer.headers["ratelimit-policy"], "\"caller\";q=3;w=180");
    }
    let refused = get(&server.client, "/v1/markets", &one);
    refused.expect_problem(429, "rate-limited");
    let after: u32 = refused.headers["retry-after"].parse().unwrap();
    assert!((1..=60).contains(&after) && refused.headers["ratelimit"].contains("r=0"), "{refused:?}");
    assert_eq!(get(&server.client, "/v1/markets", &other).status, 200);
    // Guessing is limited too, by where it comes from; a probe never is.
    let guess = || get(&server.client, "/v1/markets", "olk_guess").status;
    assert_eq!([guess(), guess(), guess(), guess()], [401, 401, 401, 429]);
    assert!((0..10).all(|_| server.client.get("/livez").status == 200));
}

#[test]
fn every_order_of_a_call_counts() {
    let (home, keys) = (Home::embedded(), Keys::new());
    let service = keys.create(&["--role", "service"]);
    let server = home.serve_with(&["--auth-keys", &keys.path, "--rate-limit", "1/m", "--rate-burst", "10"]);
    let place = |key: &str, orders: usize| {
        let order =
            json!({"userId": "u", "symbol": "AAPL", "side": "buy", "orderType": "limit", "quantity": 1, "price": "1"});
        let body = json!({"orders": vec![order; orders]});
        with(server.client.request("POST", "/v1/bulk/orders"), &service).key(key).json(&body).send()
    };
    let taken = place("a", 6);
    assert_eq!((taken.status, taken.headers["ratelimit"].as_str()), (202, "\"caller\";r=4;t=1"), "{taken:?}");
    let never = place("b", 12);
    never.expect_problem(429, "rate-limited");
    assert!(!never.headers.contains_key("retry-after") && never.body.contains("at most 10"), "{never:?}");
    let later = place("c", 4);
    later.expect_problem(429, "rate-limited");
    assert!(later.headers.contains_key("retry-after"), "{later:?}");
    // What was refused placed nothing.
    let at = taken.json()["position"].as_str().unwrap().to_owned();
    let path = format!("/v1/accounts/u/orders?minPosition={at}&waitMs=10000");
    let rows = with(server.client.request("GET", path), &service).send().expect(200);
    assert_eq!(rows["data"].as_array().unwrap().len(), 6);
}

#[test]
fn every_answer_has_an_id_and_what_browsers_go_by() {
    let (home, keys) = (Home::embedded(), Keys::new());
    let auditor = keys.create(&["--role", "auditor"]);
    let server = home.serve_with(&["--auth-keys", &keys.path]);
    for (path, status, cache) in [
        ("/livez", 200, "no-cache"),
        ("/v1/markets", 200, "no-cache"),
        ("/v1/projections", 200, "no-store"),
        ("/v1/accounts/u1/balances", 404, "no-store"),
        ("/v1/nothing", 404, "no-store"),
        ("/v1/markets?limit=0", 422, "no-store"),
    ] {
        let answer = with(server.client.request("GET", path), &auditor).header("x-request-id", "a-1").send();
        assert_eq!(answer.status, status, "{path}");
        let header = |name: &str| answer.headers.get(name).map(String::as_str);
        assert_eq!(header("x-request-id"), Some("a-1"), "{path}");
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(header("cache-control"), Some(cache), "{path}");
        assert!(header("content-security-policy").unwrap().contains("default-src 'none'"), "{path}");
        assert_eq!(header("ratelimit"), None, "{path}");
    }
    let made = |given: &str| {
        let answer = server.client.request("GET", "/livez").header("x-request-id", given).send();
        answer.headers["x-request-id"].clone()
    };
    let long = "x".repeat(129);
    assert!([made("a b"), made(&long)].iter().all(|id| id != "a b" && *id != long && id.len() > 32));
    assert_ne!(made("a b"), made("a b"));
}
