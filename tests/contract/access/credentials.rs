//! API keys and tokens: shown once, good while they hold, refused in one way whatever is wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use orderledger_tests::client::until;
use orderledger_tests::server::Home;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::{Keys, get, with};

#[test]
fn a_key_is_shown_once_and_revoked_without_a_restart() {
    let (home, keys) = (Home::embedded(), Keys::new());
    let key = keys.create(&["--role", "auditor", "--name", "ann"]);
    assert!(key.starts_with("olk_") && key.len() == 47, "{key}");
    let id = keys.last_id();
    let stored = std::fs::read_to_string(&keys.path).unwrap();
    let listed = keys.run(&["list", "--json"]);
    assert!(![stored, listed].iter().any(|text| text.contains(&key) || text.contains(&key[4..])));
    let server = home.serve_with(&["--auth-keys", &keys.path]);
    assert_eq!(get(&server.client, "/v1/markets", &key).status, 200);
    // Another that is made meanwhile holds soon, and one that is revoked soon doesn't.
    let other = keys.create(&["--role", "auditor"]);
    until(|| get(&server.client, "/v1/markets", &other), |answer| answer.status == 200).expect(200);
    keys.run(&["revoke", &id]);
    let refused = until(|| get(&server.client, "/v1/markets", &key), |answer| answer.status == 401);
    refused.expect_problem(401, "credential-invalid");
    assert_eq!(get(&server.client, "/v1/markets", &other).status, 200);
    assert!(!server.said().contains(&key) && !server.said().contains("panic"), "{}", server.said());
}

#[test]
fn a_stream_ends_soon_after_its_key_is_revoked() {
    let (home, keys) = (Home::embedded(), Keys::new());
    let service = keys.create(&["--role", "service"]);
    let trader = keys.create(&["--role", "trader", "--account", "u1"]);
    let id = keys.last_id();
    let server = home.serve_with(&["--auth-keys", &keys.path]);
    let body = json!({"asset": "USD", "amount": "1"});
    let deposit = |key: &str| {
        let call = server.client.post("/v1/accounts/u1/deposits", &body);
        call.header("authorization", format!("Bearer {key}")).send()
    };
    deposit(&service).expect(201);
    let host = server.client.base().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let bearer = format!("Authorization: Bearer {trader}");
    write!(stream, "GET /v1/stream?channels=balances:u1 HTTP/1.1\r\nHost: {host}\r\n{bearer}\r\n\r\n").unwrap();
    let mut line = String::new();
    let mut lines = BufReader::new(stream);
    lines.read_line(&mut line).unwrap();
    assert!(line.contains("200"), "{line}");
    keys.run(&["revoke", &id]);
    // It ends by itself, whether or not something is told meanwhile.
    let mut told = String::new();
    lines.read_to_string(&mut told).unwrap();
    assert!(told.contains("event: error") && told.contains("/docs/errors/credential-invalid"), "{told}");
}

#[test]
fn a_key_file_that_others_can_write_and_options_that_cannot_be_meant_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (home, keys) = (Home::embedded(), Keys::new());
    keys.create(&["--role", "auditor"]);
    std::fs::set_permissions(&keys.path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let path = keys.path.as_str();
    for (arguments, code, says) in [
        (&["--auth-keys", path][..], 2, "chmod 600"),
        (&["--auth-keys", "/nowhere/keys.toml"], 2, "orderledger keys create"),
        (&["--auth-jwks", path], 2, "--auth-audience"),
        (&["--auth-jwks", path, "--auth-audience", "a"], 2, "neither a JWK set nor a PEM"),
        (&["--tls-cert", path], 2, "belong together"),
        (&["--rate-burst", "5"], 2, "--rate-limit"),
        (&["--rate-limit", "1/m", "--rate-burst", "4294967295"], 2, "--rate-burst can be at most 1000000"),
        (&["--listen", "0.0.0.0:0"], 3, "--auth-keys"),
    ] {
        let (ended, said) = home.serve_refused(arguments);
        assert_eq!(ended, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    let traders = orderledger_tests::run(&["keys", "create", "--auth-keys", path, "--role", "trader"]).unwrap();
    assert_eq!(traders.status.code(), Some(2), "{traders:?}");
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn key_pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref()).unwrap()
}

fn set(pair: &Ed25519KeyPair, id: &str) -> String {
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": id, "x": encode(pair.public_key())}]}).to_string()
}

fn token(pair: &Ed25519KeyPair, id: &str, seconds: i64, claims: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = claims.clone();
    claims["exp"] = json!(i64::try_from(now).unwrap() + seconds);
    claims["aud"] = json!("orderledger");
    let header = json!({"alg": "EdDSA", "kid": id});
    let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    format!("{message}.{}", encode(pair.sign(message.as_bytes())))
}

#[test]
fn a_token_is_good_for_its_account_until_it_expires_or_its_key_is_replaced() {
    let (home, keys) = (Home::embedded(), Keys::new());
    let (first, second) = (key_pair(), key_pair());
    let jwks = keys.directory().join("jwks.json");
    std::fs::write(&jwks, set(&first, "k1")).unwrap();
    let server = home.serve_with(&["--auth-jwks", jwks.to_str().unwrap(), "--auth-audience", "orderledger"]);
    let (trader, service) = (json!({"sub": "u1", "roles": ["trader"]}), json!({"sub": "gate", "roles": ["service"]}));
    let deposit = json!({"asset": "USD", "amount": "5"});
    for user in ["u1", "u2"] {
        let made = with(
            server.client.post(format!("/v1/accounts/{user}/deposits"), &deposit),
            &token(&first, "k1", 60, &service),
        );
        made.send().expect(201);
    }
    let read = |token: &str, user: &str| get(&server.client, &format!("/v1/accounts/{user}/balances"), token);
    let good = token(&first, "k1", 60, &trader);
    until(|| read(&good, "u1"), |answer| answer.status == 200).expect(200);
    read(&good, "u2").expect_problem(404, "unknown-account");
    read(&token(&first, "k1", -60, &trader), "u1").expect_problem(401, "credential-invalid");
    read(&token(&second, "k1", 60, &trader), "u1").expect_problem(401, "credential-invalid");
    std::fs::write(&jwks, set(&second, "k2")).unwrap();
    let rotated = token(&second, "k2", 60, &trader);
    until(|| read(&rotated, "u1"), |answer| answer.status == 200).expect(200);
    read(&good, "u1").expect_problem(401, "credential-invalid");
}

/// Gives what `set` holds to whoever asks, and nothing (503) while that is empty.
fn serve_keys(set: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            while lines.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let body = set.lock().unwrap().clone();
            let status = if body.is_empty() { "503 Unavailable" } else { "200 OK" };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // Whoever asked may be gone.
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    format!("http://{address}/jwks.json")
}

#[test]
fn keys_behind_an_address_are_fetched_and_stay_while_it_does_not_answer() {
    let home = Home::embedded();
    let (first, second) = (key_pair(), key_pair());
    let set_of = Arc::new(Mutex::new(set(&first, "k1")));
    let url = serve_keys(Arc::clone(&set_of));
    let server = home.serve_with(&["--auth-jwks", &url, "--auth-audience", "orderledger"]);
    let auditor = |pair, id| token(pair, id, 600, &json!({"sub": "a", "roles": ["auditor"]}));
    let read = |token: &str| get(&server.client, "/v1/markets", token);
    let (one, other) = (auditor(&first, "k1"), auditor(&second, "k2"));
    until(|| read(&one), |answer| answer.status == 200).expect(200);
    read(&other).expect_problem(401, "credential-invalid");
    set_of.lock().unwrap().clear();
    read(&other).expect_problem(401, "credential-invalid");
    read(&one).expect(200);
    // A token that names a key which isn't known has the set fetched again.
    *set_of.lock().unwrap() = set(&second, "k2");
    until(|| read(&other), |answer| answer.status == 200).expect(200);
    until(|| read(&one), |answer| answer.status == 401).expect_problem(401, "credential-invalid");
}
