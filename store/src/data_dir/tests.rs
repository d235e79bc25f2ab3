//! The data directory: locking, pinning, what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;

use super::*;

const EMBEDDED: &LogIdentity = &LogIdentity::Embedded;

fn kafka(cluster: &str, prefix: &str) -> LogIdentity {
    LogIdentity::Kafka { cluster: cluster.to_owned(), prefix: prefix.to_owned() }
}

fn check_refused(result: Result<impl std::fmt::Debug, Error>, text: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(error.to_string().ends_with(text), "{error}");
}

#[test]
fn a_key_id_means_one_secret_for_ever() {
    use orderledger_domain::ids::KeyId;
    let parent = tempfile::tempdir().unwrap();
    let mut data = DataDir::open(parent.path()).unwrap();
    data.pin(6, EMBEDDED).unwrap();
    let (one, two) = (KeyId::new("0").unwrap(), KeyId::new("2026-11").unwrap());
    data.check_keys([(one, 1), (two, 2)]).unwrap();
    data.pin_keys([(one, 1)]).unwrap();
    data.pin_keys([(one, 1), (two, 2)]).unwrap();
    data.pin_keys([(two, 3)]).unwrap();
    data.check_keys([(two, 2)]).unwrap();
    check_refused(
        data.check_keys([(one, 1), (two, 3)]),
        "If that one was wrong, and not this, take the line of 2026-11 out of this file",
    );
    fs::write(parent.path().join("stream-keys"), "0 x\n").unwrap();
    check_refused(data.check_keys([(one, 1)]), "remove this file");
}

#[test]
fn a_new_directory_is_for_its_owner_alone_and_pins_its_partition_count() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("deep/data");
    let mut data = DataDir::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(data.partitions(), None);
    check_refused(data.pin(0, EMBEDDED), "topics need at least one partition; use --partitions 1 or more");
    data.pin(6, EMBEDDED).unwrap();
    data.pin(6, EMBEDDED).unwrap();
    let other = "it has 6 partitions a topic and can't be used with 7; use 6, or name a new directory with --data";
    check_refused(data.pin(7, EMBEDDED), other);
    drop(data);
    let mut data = DataDir::open_existing(&path).unwrap();
    assert_eq!(data.partitions(), Some(6));
    check_refused(data.pin(7, EMBEDDED), other);
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
fn a_restore_that_was_killed_is_begun_again_and_one_that_was_complete_is_ended_by_the_next_start() {
    let parent = tempfile::tempdir().unwrap();
    let unfinished = parent.path().join("log.redb.unfinished");
    fs::write(&unfinished, "half of it").unwrap();
    let foreign = "it holds files but is no data directory of orderledger; name an empty or a new one with --data";
    check_refused(DataDir::open(parent.path()), foreign);
    let mut data = DataDir::open_to_restore(parent.path()).unwrap();
    assert!(!unfinished.exists());
    fs::write(&unfinished, "all of it").unwrap();
    fs::write(data.server_path(), "http://127.0.0.1:8080").unwrap();
    // As a kill behind the pin leaves it.
    data.pin(3, &LogIdentity::Embedded).unwrap();
    drop(data);
    let data = DataDir::open(parent.path()).unwrap();
    assert!(!data.server_path().exists(), "it named a server of another time");
    assert_eq!((data.partitions(), fs::read(data.log_path()).unwrap()), (Some(3), b"all of it".to_vec()));
    assert!(!unfinished.exists());
}

#[test]
fn a_restored_log_of_several_files_gets_its_name_whole_or_is_begun_again() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    let parts = ["log.redb.unfinished", "log.redb.unfinished.000002", "log.redb.unfinished.000003"];
    let fill = || parts.iter().for_each(|name| fs::write(at(name), *name).unwrap());
    fill();
    fs::write(at("log.redb.unfinished.000004.tmp"), "half of it").unwrap();
    drop(DataDir::open_to_restore(parent.path()).unwrap());
    assert!(fs::read_dir(parent.path()).unwrap().all(|entry| entry.unwrap().file_name() == "LOCK"));
    let mut data = DataDir::open_to_restore(parent.path()).unwrap();
    fill();
    data.pin(3, &LogIdentity::Embedded).unwrap();
    drop(data);
    // As a kill behind the first change of a name leaves it.
    fs::rename(at(parts[2]), at("log.redb.000003")).unwrap();
    drop(DataDir::open(parent.path()).unwrap());
    for (name, text) in ["log.redb", "log.redb.000002", "log.redb.000003"].iter().zip(parts) {
        assert_eq!(fs::read_to_string(at(name)).unwrap(), text);
        assert!(!at(text).exists());
    }
}

#[test]
fn a_meta_file_that_was_changed_is_refused() {
    let damaged = "it can't be understood; restore it from a copy, or name a new directory with --data";
    let newer = "the directory has format 3, this binary knows 2; use the release that wrote it";
    for (meta, text) in [
        ("", damaged),
        ("orderledger data directory\nformat 1\npartitions x\n", damaged),
        ("orderledger data directory\nformat 1\npartitions 6", damaged),
        ("orderledger data directory\nformat 1\npartitions -6\n", damaged),
        ("orderledger data directory\nformat 3\ncells 6\n", newer),
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
    data.pin(3, EMBEDDED).unwrap();
    assert_eq!(
        fs::read_to_string(parent.path().join("meta")).unwrap(),
        "orderledger data directory\nformat 2\npartitions 3\nlog embedded\n"
    );
}

#[test]
fn a_directory_belongs_to_one_log_for_ever() {
    for (own, others) in [
        (LogIdentity::Embedded, [kafka("c1", ""), kafka("", "")]),
        (kafka("c1", "p-"), [kafka("c2", "p-"), kafka("c1", "")]),
        (kafka("c1", ""), [LogIdentity::Embedded, kafka("", "p-")]),
    ] {
        let parent = tempfile::tempdir().unwrap();
        let mut data = DataDir::open(parent.path()).unwrap();
        assert_eq!(data.log(), None);
        data.pin(6, &own).unwrap();
        drop(data);
        let mut data = DataDir::open_existing(parent.path()).unwrap();
        assert_eq!(data.log().as_ref(), Some(&own));
        data.pin(6, &own).unwrap();
        for other in others {
            let text = "name another directory with --data, or the log that it belongs to";
            check_refused(data.pin(6, &other), text);
            check_refused(data.check(None, &other), text);
        }
    }
    let parent = tempfile::tempdir().unwrap();
    let mut data = DataDir::open(parent.path()).unwrap();
    data.pin(6, &kafka("c1", "p-")).unwrap();
    data.check(None, &kafka("", "p-")).unwrap();
    check_refused(data.check(Some(7), &kafka("", "p-")), "use 6, or name a new directory with --data");
}

#[test]
fn an_old_directory_belongs_to_the_log_that_lies_in_it() {
    let parent = tempfile::tempdir().unwrap();
    let old = "orderledger data directory\nformat 1\npartitions 6\n";
    fs::write(parent.path().join("meta"), old).unwrap();
    let data = DataDir::open(parent.path()).unwrap();
    assert_eq!((data.partitions(), data.log()), (Some(6), None));
    drop(data);
    fs::write(parent.path().join("log.redb"), "").unwrap();
    let mut data = DataDir::open(parent.path()).unwrap();
    assert_eq!(data.log(), Some(LogIdentity::Embedded));
    check_refused(data.pin(6, &kafka("c1", "")), "the log that it belongs to");
    data.pin(6, EMBEDDED).unwrap();
    assert_eq!(fs::read_to_string(parent.path().join("meta")).unwrap().lines().last(), Some("log embedded"));
}
