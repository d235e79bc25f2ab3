//! Whatever is wrong with a request: a problem that says what, and nothing written.

use serde_json::{Value, json};

use orderledger_tests::client::{Answer, Client, limit, new_key};
use orderledger_tests::server::Home;

#[test]
fn every_wrong_request_is_answered_with_a_problem() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let deposited = client.deposit("u", "USD", "1000");
    let before = client.get_at("/v1/accounts/u/transactions", &deposited)["data"].clone();
    // Settlement's view is another one than that of the trail.
    client.balances("u", &deposited);
    for (method, path, status, code) in [
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/", 404, "not-found"),
        ("GET", "/v1/accounts/nobody/balances", 404, "unknown-account"),
        ("GET", "/v1/accounts/u/orders/nothing", 404, "unknown-order"),
        ("GET", "/v1/orders/nothing", 404, "unknown-order"),
        ("GET", "/v1/markets/NONE", 404, "unknown-market"),
        ("GET", "/v1/markets/NONE/book", 404, "unknown-market"),
        ("GET", "/v1/audit/events/orders/0/99999", 404, "unknown-record"),
        ("PUT", "/v1/accounts/u/orders", 405, "method-not-allowed"),
        ("DELETE", "/v1/markets", 405, "method-not-allowed"),
        ("BREW", "/v1/markets", 405, "method-not-allowed"),
        ("GET", "/v1/accounts/u/orders?limit=0", 422, "invalid-request"),
        ("GET", "/v1/accounts/u/orders?limit=1&limit=2", 422, "invalid-request"),
        ("GET", "/v1/accounts/u/orders?status=perhaps", 422, "invalid-request"),
        ("GET", "/v1/accounts/_control/balances", 422, "invalid-request"),
        ("GET", "/v1/markets/AAPL/candles?interval=7q", 422, "invalid-request"),
        ("GET", "/v1/markets/..%2f..%2fetc", 422, "invalid-request"),
        ("GET", "/v1/orders/%F0%9F%92%A9", 422, "invalid-request"),
        ("GET", "/v1/audit/events?topic=secrets", 422, "invalid-request"),
        ("GET", "/v1/audit/events/orders/x/0", 422, "invalid-request"),
    ] {
        let answer = client.request(method, path).key(&new_key()).send();
        let problem = answer.expect_problem(status, code);
        assert_eq!(problem["instance"].as_str(), path.split('?').next(), "{problem}");
        assert!(status != 405 || answer.headers.contains_key("allow"), "{answer:?}");
        assert!(status != 422 || problem["errors"][0]["detail"].is_string(), "{problem}");
    }
    assert_eq!(client.get("/v1/accounts/u/transactions").json()["data"], before, "a wrong request left a trace");
}

fn send(client: &Client, kind: &'static str, body: impl Into<Vec<u8>>) -> Answer {
    client.request("POST", "/v1/accounts/u/orders").key(&new_key()).header("content-type", kind).raw(body).send()
}

#[test]
fn a_body_that_cannot_be_read_is_refused() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    let json = "application/json";
    for body in [&b""[..], b"{", b"\xff\xfe", b"{\"a\":1}}", "{\"a\":".repeat(5_000).as_bytes()] {
        send(client, json, body).expect_problem(400, "unreadable-body");
    }
    for body in ["null", "[]", "1", "{}", r#"{"quantity":1,"quantity":1}"#] {
        send(client, json, body).expect_problem(422, "invalid-request");
    }
    send(client, "text/plain", "a=b").expect_problem(415, "unsupported-media-type");
    send(client, json, vec![b' '; 70_000]).expect_problem(413, "body-too-large");
}

/// The pointers of what is wrong with a good order in which one field is replaced.
fn pointers(client: &Client, field: &str, value: &Value) -> Vec<Value> {
    let mut body = limit("buy", "AAPL", 1, "10");
    body[field] = value.clone();
    let answer = client.post("/v1/accounts/u/orders", &body).send();
    let errors = answer.expect_problem(422, "invalid-request")["errors"].clone();
    errors.as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect()
}

#[test]
fn every_bad_field_is_named_by_its_pointer_and_writes_nothing() {
    let home = Home::new();
    let server = home.serve();
    let client = &server.client;
    client.deposit("u", "USD", "1000");
    let bad = [
        (
            "price",
            json!([
                "NaN",
                "-1",
                -1,
                "0",
                0,
                "1.23456",
                1.23456,
                "1e3",
                "",
                null,
                [],
                {},
                true,
                "９",
                " 1",
                "1,0",
                "01",
                "1000000.0001"
            ]),
        ),
        ("quantity", json!([0, -1, 1.5, "1.0", 100_000_000_001_u64, u64::MAX, "x", null, []])),
        ("symbol", json!(["", "A".repeat(17), "a", "A B", "USD", "../x", "AAPL\n", null, 5])),
        ("side", json!(["BUY", "buy ", "", null, 1])),
        ("orderType", json!(["stop", null])),
        ("timeInForce", json!(["never", 1])),
        ("clientOrderId", json!(["", "x".repeat(65), "\u{202e}", "a b", 1])),
        ("postOnly", json!(["true", 1])),
        ("maxCost", json!(["1"])),
        ("unknownField", json!([1, null])),
    ];
    for (field, values) in &bad {
        for value in values.as_array().unwrap() {
            let expected = vec![json!(format!("/{field}"))];
            assert_eq!(pointers(client, field, value), expected, "{field} = {value}");
        }
    }
    let both = json!({"symbol": "aapl", "side": "buy", "orderType": "limit", "quantity": 0, "price": "10"});
    let problem = client.post("/v1/accounts/u/orders", &both).send().expect_problem(422, "invalid-request");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");
    let good = client.order("u", "buy", "AAPL", 1, "10");
    assert_eq!(client.balances("u", &good["position"])["USD"], ["1000", "990", "10"]);
    assert_eq!(client.get("/v1/accounts/u/orders").expect(200)["data"].as_array().unwrap().len(), 1);
}

#[test]
fn an_order_id_of_two_users_is_ambiguous() {
    let home = Home::new();
    let record = |id: u32, user: &str| {
        format!(
            r#"{{"eventId":"00000000-0000-4000-8000-{id:012}","eventType":"OrderCreated","timestamp":"2025-01-15T10:30:00Z","payload":{{"orderId":"same","userId":"{user}","symbol":"AAPL","quantity":1,"price":1}},"metadata":{{"version":"1.0"}}}}"#
        )
    };
    home.import(&[&record(1, "u"), &record(2, "v")]);
    let server = home.serve();
    server.client.get("/v1/orders/same").expect_problem(409, "order-id-ambiguous");
    assert_eq!(server.client.get("/v1/accounts/u/orders/same").expect(200)["userId"], "u");
}
