//! A data directory that an older version of the program wrote is read as it is.

use std::process::Command;

use orderledger_tests::client::{Client, until};
use orderledger_tests::server::{Home, Server};
use serde_json::{Value, json};

/// `orderledger demo --orders 100 --users 10 --seed 7` of version 0.1.0 on 2026-11-28, packed by tar and xz: log, index of ids,
/// snapshots, and of every view the generation of live flow and the rebuilt one.
const PACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/fixtures/data-0.1.tar.xz");
/// What the rows come to, and the generation in which they stand here. Settlement's of then had no index of the clients' names
/// for orders and no closed sessions, and the audit trail's no Merkle tree: a start makes these two views anew. Market's are as
/// that version wrote them.
const DIGESTS: [(&str, &str, u64); 3] = [
    ("settlement", "108b335995f606653d4c336d72180252", 3),
    ("market", "91f6248f37a321bc8e49f9217a0cb071", 2),
    ("audit", "546fe374441e236afd5fe43e3913e530", 3),
];

fn unpacked() -> Home {
    let home = Home::embedded();
    std::fs::create_dir_all(home.data()).unwrap();
    let unpack = ["--extract", "--xz", "--strip-components=1", "--file", PACKED, "--directory"];
    assert!(Command::new("tar").args(unpack).arg(home.data()).status().unwrap().success());
    home
}

/// Whoever changes what rows are without raising the schema's number sees it here: the rows of then are read by the program of
/// now, and the rows that it makes of the same log are others.
#[test]
fn rows_of_an_older_version_are_read_and_a_rebuild_makes_the_same() {
    let home = unpacked();
    let server = home.serve();
    let digests = |later: u64| {
        for (at, (name, digest, generation)) in DIGESTS.into_iter().enumerate() {
            let row = || server.client.get("/v1/projections").expect(200)["data"][at].clone();
            let row = until(row, |row| row["digest"] == digest);
            assert_eq!(
                (&row["name"], &row["generation"], &row["digest"]),
                (&json!(name), &json!(generation + later), &json!(digest))
            );
        }
    };
    digests(0);
    // One that was made anew has its rows a moment before its rebuild has ended.
    let begun = || server.client.post("/v1/projections/all/rebuild", &json!({})).send();
    until(begun, |answer| answer.status == 202).expect(202);
    for (name, ..) in DIGESTS {
        let look = || server.client.get(format!("/v1/projections/{name}/rebuild")).expect(200);
        let state = until(look, |state: &Value| !state["endedAt"].is_null());
        assert_eq!(state["phase"], "done", "{name}: {state}");
    }
    digests(1);
    server.stop();
    home.verify();
}

/// A projection's row in `/v1/projections`.
fn projection(client: &Client, name: &str) -> Value {
    let all = client.get("/v1/projections").expect(200);
    all["data"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone()
}

/// Starts a server whose rebuilds don't move while the file says so, and waits until it answers.
fn held<'a>(home: &'a Home, file: &str) -> Server<'a> {
    let server = home.start_faulty(&[], &[("ORDERLEDGER_HANG_FILE", file)]);
    let is_open = || server.client.try_get("/v1/projections").is_ok_and(|answer| answer.status == 200);
    assert!(until(is_open, |is_open| *is_open), "{}", server.said());
    server
}

/// What the rows of version 1 can't answer.
const NEWER: [&str; 8] = [
    "/v1/accounts/trader-49/orders?clientOrderId=mine",
    "/v1/accounts/trader-49/orders?clientOrderId=mine&status=closed&limit=1",
    "/v1/sessions",
    "/v1/accounts/trader-49/balances?asOfDay=2025-01-15",
    "/v1/accounts/trader-49/statement?from=2025-01-15&to=2025-01-15",
    "/v1/audit/checkpoints",
    "/v1/audit/proof",
    "/v1/audit/events/orders/11/3/proof",
];
/// What they answer as the rows of now do.
const SAME: [&str; 9] = [
    "/v1/accounts/trader-49/balances",
    "/v1/accounts/trader-49/balances/USD/explain",
    "/v1/accounts/trader-49/orders",
    "/v1/accounts/trader-49/orders?status=closed&limit=3",
    "/v1/accounts/trader-49/fills",
    "/v1/accounts/trader-49/postings",
    "/v1/accounts/trader-49/transactions?limit=50",
    "/v1/fees",
    "/v1/audit/events/orders/0/3",
];

/// What a deposit changes of that.
const CREDITED: [&str; 4] = ["/balances", "/postings", "/transactions", "/explain"];

/// The rows of an answer, or the answer itself, without what says how old it is.
fn rows(mut answer: Value) -> Value {
    let object = answer.as_object_mut().unwrap();
    ["asOf", "nextCursor"].iter().for_each(|field| drop(object.remove(*field)));
    answer
}

/// Everything that the older rows can tell is told, from where they stand, and everything else refused.
fn is_read_as_it_was(client: &Client) -> Vec<Value> {
    for (name, version, generation) in [("settlement", 1, 2), ("audit", 1, 2)] {
        let row = projection(client, name);
        assert_eq!((&row["state"], &row["olderSchema"]), (&json!("rebuilding"), &json!(version)), "{row}");
        assert_eq!((&row["generation"], &row["digest"]), (&json!(generation), &Value::Null), "{row}");
        assert!(row["partitions"].as_object().unwrap().values().all(|one| one["state"] != "frozen"), "{row}");
    }
    let problem = client.get("/readyz").expect_problem(503, "not-ready");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("settlement is being made anew; its rows of schema version 1 are read"), "{detail}");
    let shown = orderledger_tests::run(&["status", "--server", client.base()]).unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.matches("rows of schema version 1 are read").count(), 2, "{shown}");
    for path in NEWER {
        client.get(path).expect_problem(503, "view-rebuilding");
    }
    let positions = projection(client, "settlement")["positions"].clone();
    let as_of = client.get("/v1/accounts/trader-49/balances").expect(200)["asOf"]["positions"].clone();
    for (partition, offset) in as_of.as_object().unwrap() {
        assert_eq!(offset, &positions[partition], "{as_of} {positions}");
    }
    SAME.iter().map(|path| rows(client.get(*path).expect(200))).collect()
}

/// An upgrade: the views whose rows the new program has otherwise answer from those of before until theirs are made, also after a
/// kill in the middle.
#[test]
fn rows_of_an_older_version_are_read_while_their_successors_are_made() {
    let home = unpacked();
    let file = home.data().with_extension("held");
    let hold = file.to_str().unwrap();
    std::fs::write(&file, "rebuild").unwrap();
    let server = held(&home, hold);
    let before = is_read_as_it_was(&server.client);
    server.kill();
    let mut server = held(&home, hold);
    assert_eq!(is_read_as_it_was(&server.client), before);

    // What comes meanwhile is decided; only these views don't have it yet.
    let client = server.client.clone();
    let last = client.deposit("trader-49", "USD", "1");
    let path = format!("/v1/accounts/trader-49/balances?minPosition={}", last.as_str().unwrap());
    client.get(format!("{path}&waitMs=300")).expect_problem(409, "position-not-reached");
    assert_eq!(rows(client.get(SAME[0]).expect(200)), before[0]);

    std::fs::write(&file, "nobody").unwrap();
    client.get_at("/v1/accounts/trader-49/balances", &last);
    server.wait_until_ready();
    for (name, generation) in [("settlement", 3), ("audit", 3)] {
        let row = until(|| projection(&client, name), |row| row["state"] == "live");
        assert_eq!((&row["generation"], &row["olderSchema"]), (&json!(generation), &Value::Null), "{row}");
    }
    for (path, before) in SAME.iter().zip(&before) {
        let now = rows(client.get(*path).expect(200));
        assert_eq!(&now == before, !CREDITED.iter().any(|what| path.contains(what)), "{path} {now} {before}");
    }
    for path in NEWER {
        client.get(path).expect(200);
    }
    assert_eq!(client.get("/v1/sessions").expect(200)["data"].as_array().unwrap().len(), 1);

    // There is no way back to rows that no fold goes on from.
    client.post("/v1/projections/settlement/rollback", &json!({})).send().expect(202);
    let look = || client.get("/v1/projections/settlement/rebuild").expect(200);
    let state = until(look, |state: &Value| !state["endedAt"].is_null());
    assert_eq!(state["phase"], "failed", "{state}");
    assert!(state["error"].as_str().unwrap().contains("its rows are of schema version 1"), "{state}");
    assert_eq!(projection(&client, "settlement")["generation"], 3);
    server.stop();
    home.verify();
}
