//! Rows read like a sorted map, at every moment, in both directions.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use proptest::prelude::*;

use super::*;

type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);
type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Flush,
    /// Take a reader and keep it to the end.
    Keep,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(1_u8), Just(2), Just(0xff)], 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    let change = (key(), prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..4)));
    prop_oneof![
        4 => prop::collection::vec(change, 0..12).prop_map(Step::Commit),
        1 => Just(Step::Flush),
        1 => Just(Step::Keep),
    ]
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded)]
}

fn check(reader: &ViewReader, rows: &Rows, ranges: &[KeyRange]) {
    for (key, value) in rows {
        assert_eq!(reader.get(key).unwrap().as_deref(), Some(value.as_slice()));
    }
    for absent in [&[1][..], &[2, 2, 2, 2], &[3]].into_iter().filter(|key| !rows.contains_key(*key)) {
        assert_eq!(reader.get(absent).unwrap(), None);
    }
    for range in ranges {
        let within = rows.iter().filter(|(key, _)| range.contains(*key));
        let expected = within.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>();
        let read = |direction| {
            let scan = reader.scan::<Vec<u8>>(range.clone(), direction).map(|row| row.unwrap());
            scan.map(|(key, value)| (key.to_vec(), value.to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(read(Direction::Ascending), expected);
        assert_eq!(read(Direction::Descending), expected.into_iter().rev().collect::<Vec<_>>());
    }
    for prefix in [&[1][..], &[2, 0xff], &[0xff], &[0xff, 0xff]] {
        let expected = rows.keys().filter(|key| key.starts_with(prefix)).cloned().collect::<Vec<_>>();
        let scan = reader.scan_prefix(prefix, Direction::Ascending).map(|row| row.unwrap().0.to_vec());
        assert_eq!(scan.collect::<Vec<_>>(), expected);
    }
}

fn run(view: &View, mut rows: Rows, steps: &[Step], ranges: &[KeyRange]) {
    let mut kept = Vec::new();
    for step in steps {
        match step {
            Step::Commit(list) => {
                let mut changes = view.changes();
                for (key, value) in list.iter().cloned() {
                    match value {
                        Some(value) => {
                            rows.insert(key.clone(), value.clone());
                            changes.put(key, value);
                        }
                        None => {
                            rows.remove(&key);
                            changes.delete(key);
                        }
                    }
                }
                view.commit(changes, "head").unwrap();
            }
            Step::Flush => view.flush_and_sync().unwrap(),
            Step::Keep => kept.push((view.reader().unwrap(), rows.clone())),
        }
    }
    kept.push((view.reader().unwrap(), rows));
    for (reader, rows) in &kept {
        check(reader, rows, ranges);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_view_reads_like_a_sorted_map_at_every_moment(
        steps in prop::collection::vec(step(), 1..40),
        ranges in prop::collection::vec((bound(), bound()), 4),
        loaded in prop::collection::btree_map(key(), prop::collection::vec(any::<u8>(), 0..4_000), 1..40),
        eagerly: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let options = if eagerly { eager() } else { lazy() };
        run(&open(dir.path(), options), Rows::new(), &steps, &ranges);
        run(&View::in_memory(SCHEMA), Rows::new(), &steps, &ranges);
        run(&View::in_bounded_memory(SCHEMA, dir.path(), 300, |_, _| Ok(())), Rows::new(), &steps, &ranges);
        let dir = dir.path().join("loaded");
        let all = loaded.iter().map(|(key, value)| Ok((Bytes::from(key.clone()), Bytes::from(value.clone()))));
        bulk_load(&dir, SCHEMA, loaded.len(), all, "head").unwrap();
        run(&open(&dir, options), loaded, &steps, &ranges);
    }
}

/// Longer than a look into sled, so that scans are put together from several.
#[test]
fn long_scans_hold_their_moment_while_everything_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), lazy());
    let write = |step: usize, value: &str| {
        let mut changes = view.changes();
        (0..5_000_u32)
            .step_by(step)
            .for_each(|n| changes.put(n.to_be_bytes().map(|b| b | 0x80).to_vec(), value.to_owned()));
        view.commit(changes, value.to_owned()).unwrap();
        view.flush_and_sync().unwrap();
    };
    write(2, "old");
    let reader = view.reader().unwrap();
    let count = reader.scan::<&[u8]>(.., Direction::Ascending).count();
    let mut up = reader.scan::<&[u8]>(.., Direction::Ascending);
    let mut down = reader.scan::<&[u8]>(.., Direction::Descending);
    let mut seen = 0;
    for (step, value) in [(1, "new"), (3, "newer"), (1, "newest")] {
        for scan in [&mut up, &mut down] {
            for row in scan.by_ref().take(count / 4) {
                assert_eq!(row.unwrap().1, "old");
                seen += 1;
            }
        }
        write(step, value);
    }
    seen += up.chain(down).map(|row| assert_eq!(row.unwrap().1, "old")).count();
    assert_eq!(seen, 2 * count);
}

/// So much that files are merged again and again, into several levels and many blocks.
#[test]
fn what_does_not_fit_into_memory_is_read_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let view = View::in_bounded_memory(SCHEMA, dir.path(), 20_000, |_, _| Ok(()));
    let mut rows = Rows::new();
    let mut state = 7_u32;
    for commit in 0..900_u32 {
        let mut changes = view.changes();
        for _ in 0..100 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = [&[1_u8][..], &((state >> 8) % 20_000).to_be_bytes()].concat();
            if state.is_multiple_of(5) {
                rows.remove(&key);
                changes.delete(key);
            } else {
                let value = commit.to_be_bytes().repeat(usize::try_from(state >> 28).unwrap());
                rows.insert(key.clone(), value.clone());
                changes.put(key, value);
            }
        }
        view.commit(changes, "head").unwrap();
    }
    let from = |n: u32| [&[1_u8][..], &n.to_be_bytes()].concat();
    let ranges = [(0, 20_000), (5_000, 5_003), (7, 7_000), (19_990, 30_000)];
    check(
        &view.reader().unwrap(),
        &rows,
        &ranges.map(|(low, high)| (Bound::Excluded(from(low)), Bound::Included(from(high)))),
    );
    let sizes: Vec<u64> = view.reader().unwrap().layers.files.iter().map(|file| file.bytes).collect();
    assert!(sizes.len() < 16 && sizes.first() >= Some(&100_000), "{sizes:?}");
    assert!(view.sizes().unwrap().pending_bytes <= 20_000);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nobody has to clean up");
}
