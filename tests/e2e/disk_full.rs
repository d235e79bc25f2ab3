//! The disk of the data directory is full: workers stop with words, reads answer or say why not, and with space and a restart all is well.

use std::time::{Duration, Instant};

use orderledger_tests::client::{limit, new_key, until};
use orderledger_tests::disk::SmallDisk;
use orderledger_tests::server::Home;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(120);

/// What can't be written, and where.
fn has_words(readyz: &str) -> bool {
    ["is stopped: ", "is halted: ", "nothing more is written"].iter().any(|words| readyz.contains(words))
}

#[test]
fn a_full_disk_stops_workers_with_words_and_loses_nothing() {
    let Some(disk) = SmallDisk::new(64).unwrap() else { return };
    let home = Home::new().on_disk(disk);
    let server = home.serve_with(&["--answer-timeout-ms", "2000"]);
    let at = server.client.deposit("u", "USD", "1000000");
    assert_eq!(server.client.balances("u", &at)["USD"][0], "1000000");
    server.client.order("u", "buy", "AAPL", 1, "1");
    home.disk().unwrap().fill(0).unwrap();
    // Orders until there is no room for what follows from them.
    let (mut judged, begun) = (Vec::new(), Instant::now());
    let (first, unknown) = loop {
        assert!(begun.elapsed() < PATIENCE, "nothing fails on a full disk: {}", server.said());
        let (key, body) = (new_key(), limit("buy", "AAPL", 1, "1"));
        let ask = || server.client.request("POST", "/v1/accounts/u/orders").key(&key).json(&body).send();
        let answer = ask();
        if answer.status < 300 {
            judged.push(answer.json()["orderId"].as_str().unwrap().to_owned());
            let readyz = server.client.get("/readyz");
            if readyz.status == 503 {
                break (readyz.body, None);
            }
            continue;
        }
        assert_eq!(answer.status, 503, "{answer:?}");
        let readyz = server.client.get("/readyz");
        if readyz.status == 503 {
            break (readyz.body, Some(key));
        }
    };
    // Those that may find another answer try a few times, then say what is wrong.
    let said = until(|| server.client.get("/readyz"), |readyz| has_words(&readyz.body)).body;
    assert!(has_words(&said), "{said}, at first {first}");
    for path in ["/v1/markets/AAPL/book", "/v1/projections"] {
        let answer = server.client.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    // A view answers until its own store has met the full disk: sled reads nothing more after that, and the answer says so.
    for path in ["/v1/accounts/u/balances", "/v1/accounts/u/orders"] {
        let answer = server.client.get(path);
        let says_so = answer.status == 503 && answer.body.contains("/docs/errors/store-unavailable");
        assert!(answer.status == 200 || says_so, "{path}: {answer:?}");
    }
    assert_eq!(server.client.get("/livez").status, 200);
    // A log elsewhere takes on what it is given, and intake judges it as long as it can keep what it must.
    let body = json!({"asset": "USD", "amount": "1"});
    let taken = server.client.post("/v1/accounts/u/deposits", &body).send().status;
    assert!([201, 503].contains(&taken), "{taken}");
    server.stop();
    home.disk().unwrap().empty().unwrap();
    let server = home.serve();
    let at = server.client.deposit("u", "USD", "1");
    let total = if taken == 201 { "1000002" } else { "1000001" };
    assert_eq!(server.client.balances("u", &at)["USD"][0], total);
    let mut known = Vec::new();
    let mut path = "/v1/accounts/u/orders?limit=1000".to_owned();
    loop {
        let page = server.client.get(path).expect(200);
        known.extend(page["data"].as_array().unwrap().iter().map(|row| row["orderId"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/accounts/u/orders?limit=1000&cursor={cursor}");
    }
    assert!(judged.iter().all(|id| known.contains(id)), "an order is lost");
    if let Some(key) = unknown {
        let answer =
            server.client.request("POST", "/v1/accounts/u/orders").key(&key).json(&limit("buy", "AAPL", 1, "1")).send();
        assert!([200, 202].contains(&answer.status), "{answer:?}");
    }
    server.stop();
    home.verify();
}

#[test]
fn a_rebuild_that_finds_no_room_leaves_the_live_view() {
    let Some(disk) = SmallDisk::new(64).unwrap() else { return };
    let home = Home::new().on_disk(disk);
    let server = home.serve();
    server.client.deposit("u", "USD", "1000000");
    let last = (0..20).fold(json!(null), |_, _| server.client.order("u", "buy", "AAPL", 1, "1")["position"].clone());
    let balances = server.client.balances("u", &last);
    // Ended in order, all is in the views' files: the next server has nothing to write.
    server.stop();
    let server = home.serve();
    let client = &server.client;
    let digest = || client.get("/v1/projections/settlement/generations").expect(200)["data"][0]["digest"].clone();
    let before = digest();
    home.disk().unwrap().fill(64).unwrap();
    let ended = || {
        let look = || client.get("/v1/projections/settlement/rebuild");
        until(look, |answer| answer.status == 200 && !answer.json()["endedAt"].is_null()).expect(200)
    };
    let asked = client.post("/v1/projections/settlement/rebuild", &json!({})).send();
    if asked.status == 202 {
        let state = ended();
        let error = state["error"].as_str().unwrap();
        assert!(state["phase"] == "failed" && error.contains("make room, and"), "{state}");
    } else {
        asked.expect_problem(503, "store-unavailable");
    }
    assert_eq!(client.balances("u", &last), balances);
    assert_eq!(digest(), before);
    home.disk().unwrap().empty().unwrap();
    client.post("/v1/projections/settlement/rebuild", &json!({})).send().expect(202);
    let state = ended();
    assert_eq!((&state["phase"], &state["digest"]), (&json!("done"), &before), "{state}");
    server.stop();
    home.verify();
}
