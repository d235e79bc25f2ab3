//! Files of rows stay few, whatever was flushed, and hold what they held before they were merged.

use std::fs;
use std::time::Instant;

use super::*;

/// Changes of rows whose keys are spread, a tenth of them deletions.
fn mixed(round: u32) -> Changes {
    let mut changes = Changes::new(SCHEMA.version);
    for k in 0..200_u32 {
        let key = format!("r{:05}", round.wrapping_mul(7_919).wrapping_add(k.wrapping_mul(31)) % 3_000);
        if k % 10 == 3 { changes.delete(key) } else { changes.put_row(key, &(round, k)).unwrap() }
    }
    changes
}

fn files_of_rows(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("rows-")).collect()
}

/// Flushed after each round; beside it one in memory with the same rows.
fn filled(dir: &Path, rounds: u32) -> (View, View) {
    let (view, expected) = (open(dir, lazy()), View::in_memory(SCHEMA));
    for round in 0..rounds {
        for of in [&view, &expected] {
            of.commit(mixed(round), round.to_string()).unwrap();
        }
        view.flush_and_sync().unwrap();
    }
    (view, expected)
}

fn until_few(dir: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while files_of_rows(dir).len() >= 8 {
        assert!(Instant::now() < deadline, "{:?}", files_of_rows(dir));
        std::thread::yield_now();
    }
}

#[test]
fn many_flushes_leave_few_files_with_the_same_rows_and_digest() {
    let dir = tempfile::tempdir().unwrap();
    let (view, expected) = filled(dir.path(), 60);
    let held = view.reader().unwrap();
    until_few(dir.path());
    let digest = expected.compute_digest().unwrap();
    assert_eq!(view.digest().unwrap(), digest);
    assert_eq!(view.compute_digest().unwrap(), digest);
    assert_eq!(held.scan::<&[u8]>(.., Direction::Ascending).count(), usize::try_from(digest.digest.rows).unwrap());
    drop((view, held));
    let again = open(dir.path(), lazy());
    assert_eq!((again.digest().unwrap(), again.compute_digest().unwrap()), (digest.clone(), digest));
}

#[test]
fn what_a_kill_left_behind_is_removed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (view, expected) = filled(dir.path(), 3);
    drop(view);
    let named = files_of_rows(dir.path());
    for unfinished in ["rows-00000099", "rows-00000098", "rows-x", "catalog.tmp"] {
        fs::write(dir.path().join(unfinished), "half of it").unwrap();
    }
    let view = open(dir.path(), lazy());
    assert_eq!(view.quarantined(), None);
    assert_eq!(view.compute_digest().unwrap(), expected.compute_digest().unwrap());
    let mut left = files_of_rows(dir.path());
    left.sort();
    assert_eq!(left.len(), named.len());
}

#[test]
fn without_one_of_its_files_a_view_is_put_aside_and_without_its_catalog_it_is_what_was_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("view");
    let row = |n: u32| Ok((bytes::Bytes::from(format!("r{n:03}")), bytes::Bytes::from_static(b"loaded")));
    bulk_load(&at, SCHEMA, 10, (0..10).map(row), "loaded").unwrap();
    let loaded = open(&at, lazy()).digest().unwrap();
    drop(filled(&at, 2));
    fs::remove_file(at.join("catalog")).unwrap();
    let view = open(&at, lazy());
    assert_eq!((view.quarantined(), view.compute_digest().unwrap()), (None, loaded));
    assert!(files_of_rows(&at).is_empty());
    drop(view);
    drop(filled(&at, 2));
    fs::remove_file(at.join(files_of_rows(&at).first().unwrap())).unwrap();
    assert!(open(&at, lazy()).quarantined().is_some());
}

#[test]
fn a_view_is_whole_only_with_its_catalog_and_all_files_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("view");
    assert!(!is_whole(&at));
    drop(open(&at, lazy()));
    assert!(is_whole(&at), "nothing was ever flushed");
    drop(filled(&at, 2));
    assert!(is_whole(&at));
    for file in files_of_rows(&at).into_iter().chain(["catalog".to_owned()]) {
        let (here, away) = (at.join(&file), dir.path().join("away"));
        fs::rename(&here, &away).unwrap();
        assert!(!is_whole(&at), "without {file}");
        fs::write(&here, b"garbage").unwrap();
        assert_eq!(is_whole(&at), file != "catalog", "garbage in {file}");
        fs::rename(&away, &here).unwrap();
        assert!(is_whole(&at));
    }
}

#[test]
fn a_deletion_of_a_row_that_was_loaded_outlives_every_merge() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("view");
    let row = |n: u32| Ok((bytes::Bytes::from(format!("r{n:03}")), bytes::Bytes::from_static(b"loaded")));
    bulk_load(&at, SCHEMA, 100, (0..100).map(row), "loaded").unwrap();
    let view = open(&at, lazy());
    for n in 0..40_u32 {
        let mut changes = view.changes();
        changes.delete(format!("r{n:03}"));
        view.commit(changes, n.to_string()).unwrap();
        view.flush_and_sync().unwrap();
    }
    until_few(&at);
    assert_eq!(view.reader().unwrap().scan::<&[u8]>(.., Direction::Ascending).count(), 60);
    assert_eq!(view.reader().unwrap().get(b"r007").unwrap(), None);
    drop(view);
    let again = open(&at, lazy());
    assert_eq!((again.sizes().unwrap().rows, again.compute_digest().unwrap().digest.rows), (60, 60));
}
