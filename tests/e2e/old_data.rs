//! A data directory that an older version of the program wrote is read as it is.

use std::process::Command;

use orderledger_tests::client::until;
use orderledger_tests::server::Home;
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

/// Whoever changes what rows are without raising the schema's number sees it here: the rows of then are read by the program of
/// now, and the rows that it makes of the same log are others.
#[test]
fn rows_of_an_older_version_are_read_and_a_rebuild_makes_the_same() {
    let home = Home::embedded();
    std::fs::create_dir_all(home.data()).unwrap();
    let unpack = ["--extract", "--xz", "--strip-components=1", "--file", PACKED, "--directory"];
    assert!(Command::new("tar").args(unpack).arg(home.data()).status().unwrap().success());
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
