//! The data directory: locking, pinning, what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;

use super::*;

fn check_refused(result: Result<impl std::fmt::Debug, Error>, text: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(error.to_string().ends_with(text), "{error}");
}

#[test]
fn a_new_directory_is_for_its_owner_alone_and_pins_its_partition_count() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("deep/data");
    let mut data = DataDir::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(data.partitions(), None);
    check_refused(data.pin(0), "topics need at least one partition; use --partitions 1 or more");
    data.pin(6).unwrap();
    data.pin(6).unwrap();
    let other = "it has 6 partitions a topic and can't be used with 7; use 6, or name a new directory with --data";
    check_refused(data.pin(7), other);
    drop(data);
    let mut data = DataDir::open_existing(&path).unwrap();
    assert_eq!(data.partitions(), Some(6));
    check_refused(data.pin(7), other);
}

#[test]
fn the_parts_lie_inside() {
    let parent = tempfile::tempdir().unwrap();
    let data = DataDir::open(parent.path()).unwrap();
    let parts = [data.log_path(), data.ids_path(), data.views_path(), data.stages_path()];
    let names = parts.each_ref().map(|part| part.strip_prefix(data.path()).unwrap().to_str().unwrap());
    assert_eq!(names, ["log.redb", "ids.redb", "views", "stages"]);
}

#[test]
fn a_second_owner_is_told_what_to_do() {
    let parent = tempfile::tempdir().unwrap();
    let first = DataDir::open(parent.path()).unwrap();
    let error = DataDir::open(parent.path()).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error:?}");
    let text = "is in use by another orderledger; stop that process or name another directory with --data";
    assert_eq!(error.to_string(), format!("{} {text}", parent.path().display()));
    drop(first);
    DataDir::open(parent.path()).unwrap();
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("thesis.txt"), "x").unwrap();
    let foreign = "it holds files but is no data directory of orderledger; name an empty or a new one with --data";
    check_refused(DataDir::open(parent.path()), foreign);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    let missing = parent.path().join("missing");
    let absent = "there is no data directory of orderledger; name another one with --data";
    check_refused(DataDir::open_existing(&missing), absent);
    assert!(!missing.exists());
}

#[test]
fn a_meta_file_that_was_changed_is_refused() {
    let damaged = "it can't be understood; restore it from a copy, or name a new directory with --data";
    let newer = "the directory has format 2, this binary knows 1; use the release that wrote it";
    for (meta, text) in [
        ("", damaged),
        ("orderledger data directory\nformat 1\npartitions x\n", damaged),
        ("orderledger data directory\nformat 1\npartitions 6", damaged),
        ("orderledger data directory\nformat 1\npartitions -6\n", damaged),
        ("orderledger data directory\nformat 2\ncells 6\n", newer),
    ] {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("meta"), meta).unwrap();
        check_refused(DataDir::open(parent.path()), text);
    }
}

#[test]
fn a_crash_while_pinning_leaves_a_new_directory() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("meta.tmp"), "orderled").unwrap();
    let mut data = DataDir::open(parent.path()).unwrap();
    data.pin(3).unwrap();
    assert_eq!(fs::read_to_string(parent.path().join("meta")).unwrap(), meta_text(3));
}
