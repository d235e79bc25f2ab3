//! A backup and an export of the log onto a full disk: they say so, leave nothing, and are whole once there is room.

use std::process::Output;

use orderledger_tests::disk::SmallDisk;
use orderledger_tests::server::Home;
use serde_json::json;

/// So much of the disk is left, in KiB: nothing of the file gets there, or all but its last part does.
const LEFT: [u32; 2] = [64, 1_200];

/// A ledger whose log makes a file of about two MiB, which is written in pieces of one.
fn long() -> Home {
    let home = Home::embedded();
    let deposits: Vec<String> = (1..=4_000)
        .map(|number| {
            let event = json!({
                "eventId": format!("{number:08}-0000-4000-8000-000000000000"),
                "eventType": "DepositMade",
                "timestamp": "2025-01-15T10:00:00Z",
                "payload": {"userId": format!("u{number}"), "asset": "USD", "amount": 1},
                "metadata": {"version": "2.0"},
            });
            event.to_string()
        })
        .collect();
    home.import(&deposits.iter().map(String::as_str).collect::<Vec<_>>());
    home
}

/// Runs the command, which writes into a directory `there` of a small disk, while that is full and once it isn't any more.
fn written_onto_a_full_disk(disk: &SmallDisk, run: &dyn Fn(&str) -> Output, kept: &str) {
    let there = disk.path().join("there");
    let shell = |what: &str| {
        let done = disk.command("sh").args(["-c", what]).arg(&there).output().unwrap();
        assert!(done.status.success(), "{what}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    shell(&format!("rm -rf \"$0\" && mkdir \"$0\" && for name in {kept}; do echo old >\"$0/$name\"; done"));
    for left in LEFT {
        disk.fill(left).unwrap();
        let full = run(there.to_str().unwrap());
        let said = String::from_utf8(full.stderr).unwrap();
        assert_eq!(full.status.code(), Some(1), "{left}: {said}");
        assert!(said.contains("no room") && said.contains("nothing is left of it; make room"), "{left}: {said}");
        assert!(full.stdout.is_empty(), "{left}: {:?}", full.stdout);
        assert_eq!(shell("ls -A \"$0\"").trim(), kept, "{left}");
        assert_eq!(shell("cat \"$0\"/* 2>/dev/null || true").trim(), if kept.is_empty() { "" } else { "old" });
        disk.empty().unwrap();
    }
    let done = run(there.to_str().unwrap());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let file = shell("echo \"$0\"/*.jsonl");
    let verified = disk.command(orderledger_tests::program()).args(["log", "verify", file.trim()]).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let bytes: u32 = shell("cat \"$0\"/*.jsonl | wc -c").trim().parse().unwrap();
    assert!(bytes > LEFT[1] * 1024, "{bytes} bytes would have fitted");
}

#[test]
fn a_backup_onto_a_full_disk_says_so_and_leaves_nothing() {
    let Some(disk) = SmallDisk::new(8).unwrap() else { return };
    let home = long();
    let backup = |options: &[&str]| {
        let mut backup = disk.command(orderledger_tests::program());
        backup.arg("backup").args(options).output().unwrap()
    };
    let data = home.data();
    written_onto_a_full_disk(&disk, &|to| backup(&["--data", data.to_str().unwrap(), "--to", to]), "");
    // The same log as its server sends it.
    let server = home.serve();
    written_onto_a_full_disk(&disk, &|to| backup(&["--server", server.client.base(), "--to", to]), "");
    server.stop();
}

#[test]
fn an_export_of_the_log_onto_a_full_disk_says_so_and_leaves_the_old_one() {
    let Some(disk) = SmallDisk::new(8).unwrap() else { return };
    let home = long();
    let data = home.data();
    let export = |to: &str| {
        let mut export = disk.command(orderledger_tests::program());
        export.args(["log", "export", "--data", data.to_str().unwrap(), "--out", &format!("{to}/ledger.jsonl")]);
        export.output().unwrap()
    };
    written_onto_a_full_disk(&disk, &export, "");
    written_onto_a_full_disk(&disk, &export, "ledger.jsonl");
}
