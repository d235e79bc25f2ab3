//! Hash chains, checkpoints, inclusion proofs, and exports that prove themselves.

use std::path::Path;

use orderledger_tests::client::{Client, until};
use orderledger_tests::server::Home;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

type Hash = [u8; 32];

fn sha256(pieces: &[&[u8]]) -> Hash {
    pieces.iter().fold(Sha256::new(), |hash, piece| hash.chain_update(piece)).finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

fn unhex(hash: &Value) -> Hash {
    let text = hash.as_str().unwrap();
    let bytes: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

fn path(proof: &Value) -> Vec<Hash> {
    proof["path"].as_array().unwrap().iter().map(unhex).collect()
}

/// The leaf of a record, as docs/EVENTS.md says it.
fn leaf(key: &str, value: &str) -> Hash {
    let length = |text: &str| u32::try_from(text.len()).unwrap().to_be_bytes();
    sha256(&[&[0], &length(key), key.as_bytes(), &length(value), value.as_bytes()])
}

/// The root that a path leads to (RFC 9162 §2.1.3.2).
fn root_of(leaf: Hash, proof: &Value) -> Hash {
    let (mut index, mut last) = (proof["leafIndex"].as_u64().unwrap(), proof["treeSize"].as_u64().unwrap() - 1);
    let mut hash = leaf;
    for beside in path(proof) {
        assert!(last > 0, "the path is too long");
        if index & 1 == 1 || index == last {
            hash = node(&beside, &hash);
            while index & 1 == 0 && index != 0 {
                (index, last) = (index >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, &beside);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    assert_eq!(last, 0, "the path is too short");
    hash
}

/// The older and the newer root that a consistency proof leads to (RFC 9162 §2.1.4.2).
fn roots_of(proof: &Value) -> (Hash, Hash) {
    let (first, second) = (proof["from"]["treeSize"].as_u64().unwrap(), proof["to"]["treeSize"].as_u64().unwrap());
    let mut path = path(proof);
    if first.is_power_of_two() {
        path.insert(0, unhex(&proof["from"]["rootHash"]));
    }
    let (mut index, mut last) = (first - 1, second - 1);
    while index & 1 == 1 {
        (index, last) = (index >> 1, last >> 1);
    }
    let (mut older, mut newer) = (path[0], path[0]);
    for beside in &path[1..] {
        assert!(last > 0, "the path is too long");
        if index & 1 == 1 || index == last {
            (older, newer) = (node(beside, &older), node(beside, &newer));
            while index & 1 == 0 && index != 0 {
                (index, last) = (index >> 1, last >> 1);
            }
        } else {
            newer = node(&newer, beside);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    assert_eq!(last, 0, "the path is too short");
    (older, newer)
}

fn import(home: &Home, from: usize, count: usize) {
    let deposit = |number: usize| {
        format!(
            "{{\"eventId\":\"00000000-0000-4000-8000-{number:012}\",\"eventType\":\"DepositMade\",\
             \"timestamp\":\"2025-01-15T10:00:00Z\",\"payload\":{{\"userId\":\"u{}\",\"asset\":\"USD\",\
             \"amount\":5.00}},\"metadata\":{{\"version\":\"2.0\"}}}}",
            number % 7
        )
    };
    let records: Vec<String> = (from..from + count).map(deposit).collect();
    home.import(&records.iter().map(String::as_str).collect::<Vec<_>>());
}

/// The head of `orders-0` once it counts so many records.
fn head(client: &Client, count: u64) -> Value {
    let orders = || {
        let heads = client.get("/v1/audit/proof").expect(200);
        heads["data"].as_array().unwrap().iter().find(|head| head["topic"] == "orders").cloned().unwrap_or_default()
    };
    until(orders, |head| head["count"] == count)
}

/// That the record at an offset of `orders-0` is in the tree of its newest or of a given size, by code of its own.
fn proves(client: &Client, offset: u64, query: &str) -> Value {
    let proof = client.get(format!("/v1/audit/events/orders/0/{offset}/proof{query}")).expect(200);
    let row = client.get(format!("/v1/audit/events/orders/0/{offset}"));
    let event = row.body.split_once("\"event\":").unwrap().1.rsplit_once(",\"asOf\"").unwrap().0;
    assert_eq!(unhex(&proof["leafHash"]), leaf(row.json()["key"].as_str().unwrap(), event), "{offset}");
    assert_eq!(root_of(unhex(&proof["leafHash"]), &proof), unhex(&proof["rootHash"]), "{offset}{query}");
    assert_eq!(proof["rootHash"], proof["checkpoint"]["rootHash"]);
    assert_eq!(proof["treeSize"], proof["checkpoint"]["treeSize"]);
    proof
}

#[test]
fn a_record_is_proved_against_heads_of_then_and_now_and_of_a_rebuilt_view() {
    let home = Home::embedded();
    import(&home, 0, 200);
    let server = home.serve();
    let client = &server.client;
    let first = head(client, 400);
    assert_eq!((&first["count"], &first["treeSize"]), (&json!(400), &json!(400)), "a deposit and its credit each");
    let old = proves(client, 17, "");
    assert_eq!((&old["rootHash"], &old["checkpoint"]["sha256"]), (&first["rootHash"], &first["sha256"]));
    server.stop();

    import(&home, 200, 400);
    let server = home.serve();
    let client = &server.client;
    let second = head(client, 1_200);
    assert_eq!(second["treeSize"], 1_200);
    for offset in [0, 17, 255, 256, 399, 400, 1_023, 1_199] {
        assert_eq!(proves(client, offset, "")["rootHash"], second["rootHash"]);
    }
    // The head of then still proves, though it was no published one.
    let again = proves(client, 17, "?treeSize=400");
    assert_eq!((&again["path"], &again["checkpoint"]), (&old["path"], &old["checkpoint"]));
    let growth = client.get("/v1/audit/proof/consistency?topic=orders&partition=0&from=400&to=1200").expect(200);
    assert_eq!(roots_of(&growth), (unhex(&first["rootHash"]), unhex(&second["rootHash"])));
    assert_eq!((&growth["from"], &growth["to"]), (&old["checkpoint"], &second));

    let mut listed = Vec::new();
    let mut next = String::new();
    loop {
        let page = client.get(format!("/v1/audit/checkpoints?topic=orders&limit=2{next}")).expect(200);
        listed.extend(page["data"].as_array().unwrap().clone());
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    let sizes: Vec<&Value> = listed.iter().map(|row| &row["treeSize"]).collect();
    assert_eq!(sizes, [256, 512, 768, 1_024]);
    for checkpoint in &listed {
        assert_eq!(proves(client, 200, &format!("?treeSize={}", checkpoint["treeSize"]))["checkpoint"], *checkpoint);
    }

    client.post("/v1/projections/audit/rebuild", &json!({})).send().expect(202);
    let look = || client.get("/v1/projections/audit/rebuild").expect(200);
    let state = until(look, |state: &Value| !state["endedAt"].is_null());
    assert_eq!(state["phase"], "done", "{state}");
    assert_eq!(head(client, 1_200), second);
    assert_eq!(proves(client, 17, "?treeSize=400")["path"], old["path"]);
}

#[test]
fn what_can_t_be_proved_is_said() {
    let home = Home::embedded();
    import(&home, 0, 3);
    let server = home.serve();
    let client = &server.client;
    assert_eq!(head(client, 6)["count"], 6);
    for (path, status, code) in [
        ("/v1/audit/events/orders/0/6/proof", 404, "unknown-record"),
        ("/v1/audit/events/orders/7/0/proof", 404, "unknown-record"),
        ("/v1/audit/events/trades/0/0/proof", 404, "unknown-record"),
        ("/v1/audit/events/orders/0/5/proof?treeSize=5", 422, "invalid-request"),
        ("/v1/audit/events/orders/0/5/proof?treeSize=7", 422, "invalid-request"),
        ("/v1/audit/events/orders/0/5/proof?treeSize=0", 422, "invalid-request"),
        ("/v1/audit/events/nothing/0/5/proof", 422, "invalid-request"),
        ("/v1/audit/proof/consistency", 422, "invalid-request"),
        ("/v1/audit/proof/consistency?topic=orders&partition=0&from=4&to=3", 422, "invalid-request"),
        ("/v1/audit/proof/consistency?topic=orders&partition=0&from=1&to=7", 422, "invalid-request"),
        ("/v1/audit/proof/consistency?topic=trades&partition=0&from=1", 422, "invalid-request"),
        ("/v1/audit/checkpoints?partition=9", 422, "invalid-request"),
        ("/v1/audit/checkpoints?cursor=zzz", 422, "invalid-request"),
    ] {
        client.get(path).expect_problem(status, code);
    }
    assert_eq!(client.get("/v1/audit/checkpoints").expect(200)["data"], json!([]));
}

/// `log verify` of that file; its exit code and what it printed.
fn verify(file: &Path, saved: Option<&Path>) -> (Option<i32>, Value) {
    let mut all = vec!["log", "verify", "--json", file.to_str().unwrap()];
    if let Some(saved) = saved {
        all.extend(["--proof", saved.to_str().unwrap()]);
    }
    let output = std::process::Command::new(orderledger_tests::program()).args(all).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

#[test]
fn an_export_is_checked_with_nothing_but_the_file_and_a_saved_answer() {
    let home = Home::embedded();
    import(&home, 0, 200);
    let server = home.serve();
    assert_eq!(head(&server.client, 400)["count"], 400);
    let saved = home.data().join("../proof.json");
    std::fs::write(&saved, server.client.get("/v1/audit/proof").body).unwrap();
    server.stop();
    let (whole, part) = (home.data().join("../whole.jsonl"), home.data().join("../part.jsonl"));
    let (code, said) = home.run(&["log", "export", "--out", whole.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = home.run(&["log", "export", "--from", "orders-0@300", "--out", part.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");

    let (code, found) = verify(&whole, Some(&saved));
    assert_eq!((code, &found["state"], &found["broken"]), (Some(0), &json!("intact"), &Value::Null));
    assert_eq!(found["headsEqual"], found["headsSaved"]);
    let (code, found) = verify(&part, Some(&saved));
    assert_eq!((code, &found["state"], &found["records"]), (Some(0), &json!("bounded"), &json!(100)));
    assert_eq!(found["headsEqual"], 1);

    // A longer history is another one, and a head of later is missed in the file of before.
    import(&home, 200, 1);
    let later = home.data().join("../later.jsonl");
    let (code, said) = home.run(&["log", "export", "--topic", "orders", "--out", later.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(verify(&later, Some(&saved)).0, Some(0));

    let mut bytes = std::fs::read(&whole).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&whole, bytes).unwrap();
    let (code, found) = verify(&whole, None);
    assert_eq!((code, &found["state"]), (Some(4), &json!("broken")));
    assert!(found["broken"]["position"].as_str().unwrap().starts_with("orders-0@"), "{found}");
    assert_eq!(verify(&saved, None).0, Some(4));
    assert_eq!(verify(&home.data().join("nothing"), None).0, Some(1));
    assert_eq!(verify(&part, Some(&part)).0, Some(2));

    let nowhere = home.data().join("nothing/export");
    let (code, said) = home.run(&["log", "export", "--out", nowhere.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    let (code, said) = home.run(&["log", "export", "--partition", "5", "--out", whole.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{said}");
}
