//! Every route × every role × own and another's account × no, bad, expired and revoked credential. The routes are those of
//! the server's own document: one that is new has no expectation here and fails until it is decided who may make it.

use orderledger_tests::client::{Answer, Client};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::{Keys, with};

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Nobody is asked.
    Anybody,
    /// Every role.
    EveryRole,
    /// Trader (its own account only), service, auditor.
    ReadersOfAccounts,
    /// Trader (its own account only), service.
    WritersOfAccounts,
    /// Auditor, operator.
    ReadersOfEverything,
    /// Operator.
    Operators,
}

use Who::{Anybody, EveryRole, Operators, ReadersOfAccounts, ReadersOfEverything, WritersOfAccounts};

/// What was decided of every call.
fn decided(method: &str, path: &str) -> Option<Who> {
    let reads = method == "get";
    Some(match path {
        "/livez" | "/readyz" | "/openapi.json" => Anybody,
        _ if path == "/docs" || path.starts_with("/docs/") => Anybody,
        "/metrics" | "/v1/log/export" => ReadersOfEverything,
        "/v1/fees" | "/v1/sessions" if reads => EveryRole,
        "/v1/stream" => EveryRole,
        "/v1/bulk/orders" => WritersOfAccounts,
        "/v1/fees" | "/v1/rules" | "/v1/stream-key" | "/v1/sessions/close" if !reads => Operators,
        "/v1/rules" | "/v1/stream-key" => ReadersOfEverything,
        "/v1/markets/{symbol}/transactions" => ReadersOfEverything,
        _ if path == "/v1/markets" || path.starts_with("/v1/markets/") => EveryRole,
        "/v1/accounts/{userId}/adjustments" if !reads => Operators,
        "/v1/analytics/days" | "/v1/analytics/symbols" | "/v1/analytics/movers" => EveryRole,
        "/v1/analytics/accounts/{userId}" => ReadersOfAccounts,
        "/v1/analytics/export/{kind}" => ReadersOfEverything,
        _ if path.starts_with("/v1/accounts/{userId}/") => {
            if reads {
                ReadersOfAccounts
            } else {
                WritersOfAccounts
            }
        }
        _ if path.starts_with("/v1/orders/{orderId}") => ReadersOfAccounts,
        _ if path.starts_with("/v1/audit/") => ReadersOfEverything,
        _ if path == "/v1/webhooks" || path.starts_with("/v1/webhooks/") => {
            if reads {
                ReadersOfEverything
            } else {
                Operators
            }
        }
        _ if path.starts_with("/v1/parked") || path.starts_with("/v1/projections") => {
            if reads {
                ReadersOfEverything
            } else {
                Operators
            }
        }
        _ => return None,
    })
}

impl Who {
    fn admits(self, role: &str) -> bool {
        match self {
            Anybody | EveryRole => true,
            ReadersOfAccounts => ["trader", "service", "auditor"].contains(&role),
            WritersOfAccounts => ["trader", "service"].contains(&role),
            ReadersOfEverything => ["auditor", "operator"].contains(&role),
            Operators => role == "operator",
        }
    }
}

/// The method and path template of every call in the document.
fn calls(client: &Client) -> Vec<(&'static str, String)> {
    let document = client.get("/openapi.json").expect(200);
    let mut calls = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            if operations.get(method).is_some() {
                calls.push((method, path.clone()));
            }
        }
    }
    calls
}

fn fill(template: &str, user: &str, order: &str) -> String {
    let values = [
        ("{userId}", user),
        ("{orderId}", order),
        ("{symbol}", "AAPL"),
        ("{asset}", "USD"),
        ("{topic}", "orders"),
        ("{partition}", "0"),
        ("{offset}", "0"),
        ("{name}", "nothing"),
        ("{entity}", "user:nobody"),
    ];
    let filled = values.into_iter().fold(template.to_owned(), |path, (name, value)| path.replace(name, value));
    filled.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/")
}

/// Without key and body nothing is written, whoever asks.
fn ask(client: &Client, method: &'static str, path: &str, credential: Option<&str>) -> Answer {
    let method = match method {
        "get" => "GET",
        "post" => "POST",
        "put" => "PUT",
        "patch" => "PATCH",
        _ => "DELETE",
    };
    let request = client.request(method, path);
    match credential {
        Some(credential) => with(request, credential).send(),
        None => request.send(),
    }
}

/// What an answer says, but for the address it repeats.
fn said(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    body["instance"] = Value::Null;
    (answer.status, body)
}

/// The names of its headers, but for the connection's own: it depends on what of a body has come by then.
fn headers(answer: &Answer) -> Vec<&str> {
    answer.headers.keys().map(String::as_str).filter(|name| *name != "connection").collect()
}

struct Ground<'a> {
    client: &'a Client,
    keys: [(&'static str, String); 4],
    orders: [String; 2],
}

/// Accounts u1 and u2, each with an order, and a key for each role; the trader's is u1's.
fn ground<'a>(client: &'a Client, keys: [(&'static str, String); 4]) -> Ground<'a> {
    let service = keys[1].1.clone();
    let orders = ["u1", "u2"].map(|user| {
        let post = |path: &str, body: &Value| {
            with(client.post(format!("/v1/accounts/{user}/{path}"), body), &service).wait().send()
        };
        post("deposits", &json!({"asset": "USD", "amount": "1000"})).expect(201);
        let order = json!({"symbol": "AAPL", "side": "buy", "orderType": "limit", "quantity": 1, "price": "1"});
        post("orders", &order).expect(200)["orderId"].as_str().unwrap().to_owned()
    });
    Ground { client, keys, orders }
}

impl Ground<'_> {
    fn roles(&self, method: &'static str, template: &str, who: Who) {
        let ([own, other], of_one) = (&self.orders, template.contains("{userId}") || template.contains("{orderId}"));
        for (role, key) in &self.keys {
            let ask = |user: &str, order: &str| ask(self.client, method, &fill(template, user, order), Some(key));
            let label = format!("{role}: {method} {template}");
            let answer = ask("u1", own);
            if !who.admits(role) {
                answer.expect_problem(403, "forbidden");
                assert!(answer.headers["www-authenticate"].contains("insufficient_scope"), "{label}");
                // The account makes no difference to who may not at all.
                assert_eq!(said(&ask("u2", other)), said(&answer), "{label}");
                continue;
            }
            assert!(![401, 403].contains(&answer.status) && answer.status < 500, "{label}: {answer:?}");
            assert!(matches!(who, Anybody) || !answer.body.contains("unknown-account"), "{label}: {answer:?}");
            if of_one && *role == "trader" {
                let (others, nobodys) = (ask("u2", other), ask("u9", "no-order"));
                assert_eq!(said(&others), said(&nobodys), "{label}");
                assert_eq!(headers(&others), headers(&nobodys), "{label}");
                assert_eq!(others.status, 404, "{label}: {others:?}");
            } else if of_one {
                let others = ask("u2", other);
                assert_eq!(others.status, answer.status, "{label}: {others:?}");
            }
        }
    }

    fn without_credential(&self, method: &'static str, template: &str, who: Who, bad: &[String]) {
        for (user, order) in [("u1", &self.orders[0]), ("u9", &"no-order".to_owned())] {
            let path = fill(template, user, order);
            let credentials = std::iter::once(None).chain(bad.iter().map(|bad| Some(bad.as_str())));
            for credential in credentials {
                let answer = ask(self.client, method, &path, credential);
                if who == Anybody {
                    assert!(![401, 403].contains(&answer.status), "{method} {path} {credential:?}: {answer:?}");
                    continue;
                }
                let code = if credential.is_none() { "credential-required" } else { "credential-invalid" };
                answer.expect_problem(401, code);
                assert!(answer.headers["www-authenticate"].starts_with("Bearer "), "{answer:?}");
            }
        }
    }
}

#[test]
fn every_route_is_for_its_roles_and_tells_nobody_of_another_account() {
    let (home, keys) = (Home::embedded(), Keys::new());
    let expired = keys.create(&["--role", "service,auditor,operator", "--expires", "2020-01-01T00:00:00Z"]);
    let revoked = keys.create(&["--role", "service,auditor,operator"]);
    keys.revoke_last();
    let made = ["trader", "service", "auditor", "operator"].map(|role| {
        let account: &[&str] = if role == "trader" { &["--account", "u1"] } else { &[] };
        (role, keys.create(&[&["--role", role], account].concat()))
    });
    let server = home.serve_with(&["--auth-keys", &keys.path]);
    let bad = [expired, revoked, format!("olk_{}", "A".repeat(43)), "olk_".to_owned(), "a.b.c".to_owned()];
    let ground = ground(&server.client, made);
    let calls = calls(&server.client);
    assert!(calls.len() > 30, "{calls:?}");
    for (method, template) in calls {
        let who = decided(method, &template)
            .unwrap_or_else(|| panic!("{method} {template}: say here who may make this call"));
        ground.without_credential(method, &template, who, &bad);
        ground.roles(method, &template, who);
    }
}
