//! An export onto a disk that is full: it says so, leaves nothing half done, and goes on once there is room.

use orderledger_tests::disk::SmallDisk;
use orderledger_tests::server::Home;
use serde_json::Value;

use super::{DAY, old_day};

#[test]
fn an_export_onto_a_full_disk_says_so_and_goes_on_once_there_is_room() {
    let Some(disk) = SmallDisk::new(4).unwrap() else { return };
    let home = Home::embedded();
    let server = old_day(&home);
    let export = || {
        let mut export = disk.command(orderledger_tests::program());
        export.args([
            "export",
            "parquet",
            "--json",
            "--from",
            "2025-01-14",
            "--to",
            DAY,
            "--server",
            server.client.base(),
        ]);
        export.arg("--out").arg(disk.path().join("files")).output().unwrap()
    };
    // Room for the first files, not for those of the day on which something happened.
    disk.fill(24).unwrap();
    let full = export();
    let said = String::from_utf8(full.stderr).unwrap();
    assert_eq!(full.status.code(), Some(1), "{said}");
    assert!(said.contains("no room") && said.contains("give the same command again"), "{said}");
    let names = || {
        let list = disk.command("find").arg(disk.path().join("files")).args(["-type", "f"]).output().unwrap();
        String::from_utf8(list.stdout).unwrap()
    };
    assert!(names().lines().all(|name| name.ends_with("part-0.parquet")), "{}", names());
    disk.empty().unwrap();
    let resumed = export();
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let resumed: Value = serde_json::from_slice(&resumed.stdout).unwrap();
    assert!(resumed["skipped"].as_u64() > Some(0) && resumed["rows"].as_u64() > Some(0), "{resumed}");
    assert_eq!(names().lines().count(), 6, "{}", names());
    server.stop();
}
