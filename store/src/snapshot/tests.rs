//! Snapshots as a stage writes and finds them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use orderledger_domain::position::Topic;

use super::*;

const SCHEMA: u16 = 3;

fn targets(n: u64) -> Vec<TargetMark> {
    let mark = |tp, offset| TargetMark { tp, offset, sequence: offset / 2, digest: n.wrapping_mul(u64::MAX / 7) };
    vec![mark(Topic::Orders.at(0), n), mark(Topic::Books.at(3), n * 3)]
}

fn snapshot(n: u64) -> Snapshot {
    Snapshot { source_next: n, source_digest: n + 1, targets: targets(n), body: vec![7; 1_000] }
}

fn offsets(store: &SnapshotStore) -> Vec<u64> {
    store.load(SCHEMA).unwrap().iter().map(|snapshot| snapshot.source_next).collect()
}

fn store(snapshots: &[u64]) -> (tempfile::TempDir, SnapshotStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SnapshotStore::new(dir.path().join("intake-0"));
    snapshots.iter().for_each(|&n| store.write(&snapshot(n), SCHEMA).unwrap());
    (dir, store)
}

#[test]
fn the_newest_two_are_kept_and_read_back_as_written() {
    let (_dir, store) = store(&[]);
    assert_eq!(store.load(SCHEMA).unwrap(), []);
    for n in [0, 5, 80, 900, u64::MAX] {
        let snapshot = if n == u64::MAX { Snapshot { targets: vec![], ..snapshot(0) } } else { snapshot(n) };
        store.write(&Snapshot { source_next: n, ..snapshot }, SCHEMA).unwrap();
    }
    assert_eq!(offsets(&store), [u64::MAX, 900]);
    assert_eq!(store.load(SCHEMA).unwrap().last(), Some(&snapshot(900)));
}

#[test]
fn a_stage_that_had_to_fall_back_removes_what_it_could_not_use() {
    let (_dir, store) = store(&[100, 200]);
    store.write(&snapshot(50), SCHEMA).unwrap();
    assert_eq!(offsets(&store), [50]);
    store.write(&snapshot(150), SCHEMA).unwrap();
    assert_eq!(offsets(&store), [150, 50]);
}

#[test]
fn an_unreadable_snapshot_falls_back_to_the_one_before() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 6] = [
        ("empty", Vec::clear),
        ("cut in the head", |bytes| bytes.truncate(20)),
        ("cut in the body", |bytes| bytes.truncate(bytes.len() - 1)),
        ("a byte more", |bytes| bytes.push(0)),
        ("garbage", |bytes| bytes.fill(0xa5)),
        ("another kind", |bytes| bytes.iter_mut().take(1).for_each(|byte| *byte = b'x')),
    ];
    for (what, damage) in damages {
        let (_dir, store) = store(&[100, 200]);
        let mut bytes = fs::read(store.path(&name(200))).unwrap();
        damage(&mut bytes);
        fs::write(store.path(&name(200)), bytes).unwrap();
        assert_eq!(offsets(&store), [100], "{what}");
    }
}

#[test]
fn every_flipped_byte_is_found() {
    let (_dir, store) = store(&[100]);
    let bytes = fs::read(store.path(&name(100))).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 4);
        let read = file::decode(&store.path(&name(100)), &file::SNAPSHOT, SCHEMA, damaged);
        assert!(matches!(read, Err(Error::Corrupt { .. })), "byte {at}");
    }
}

#[test]
fn other_schemas_other_names_and_unfinished_files_are_passed_over() {
    let (_dir, store) = store(&[100]);
    store.write(&snapshot(200), SCHEMA + 1).unwrap();
    fs::copy(store.path(&name(100)), store.path(&name(300))).unwrap();
    fs::copy(store.path(&name(100)), store.path("00000000000000000400.snapshot.tmp")).unwrap();
    fs::copy(store.path(&name(100)), store.path("100.snapshot")).unwrap();
    assert_eq!(offsets(&store), [100]);
}

#[test]
fn a_mark_is_replaced_and_an_unreadable_one_is_none() {
    let (_dir, store) = store(&[]);
    assert_eq!(store.read_mark(), None);
    for n in [3, 4] {
        let mark = Mark { source_next: n, source_digest: n * 9, targets: targets(n) };
        store.write_mark(&mark).unwrap();
        assert_eq!(store.read_mark(), Some(mark));
    }
    let bytes = fs::read(store.path(MARK)).unwrap();
    for length in 0..bytes.len() {
        fs::write(store.path(MARK), bytes.iter().copied().take(length).collect::<Vec<_>>()).unwrap();
        assert_eq!(store.read_mark(), None);
    }
}

#[test]
fn a_file_has_these_bytes_for_ever() {
    let snapshot = Snapshot { source_next: 5, source_digest: 6, targets: targets(2), body: b"state".to_vec() };
    let head = file::encode(&file::SNAPSHOT, 3, &file::Head::of_snapshot(&snapshot), &snapshot.body).unwrap();
    let golden = "6f6c73746167650a0003c214897f00000022018a99365f\
                  05060200000201fd244992244992244901030603fd2449922449922449";
    assert_eq!(head.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), golden);
}
