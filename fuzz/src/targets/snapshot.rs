//! Snapshot and mark files: any bytes are one, or passed over with a warning.

use std::path::Path;

use orderledger_store::folder::MemoryFiles;
use orderledger_store::snapshot::SnapshotStore;

/// The name of a snapshot before offset 7.
const SNAPSHOT: &str = "00000000000000000007.snapshot";

pub fn run(data: &[u8]) {
    look_at(data.to_vec());
    // The same with a right checksum, so that what stands behind it is reached.
    let Some((before, rest)) = data.split_at_checked(10) else { return };
    let Some((_, after)) = rest.split_at_checked(4) else { return };
    let checksum = crc32c::crc32c_append(crc32c::crc32c(before), after).to_be_bytes();
    look_at([before, &checksum, after].concat());
}

fn look_at(bytes: Vec<u8>) {
    let files = MemoryFiles::default();
    for name in [SNAPSHOT, "mark"] {
        files.files().insert(Path::new("/fuzz").join(name), bytes.clone());
    }
    let store = SnapshotStore::new(files.folder("/fuzz"));
    for snapshot in store.load(1).expect("a folder in memory") {
        assert!(snapshot.source_next == 7 && snapshot.body.len() < bytes.len());
    }
    let _ = store.read_mark();
}
