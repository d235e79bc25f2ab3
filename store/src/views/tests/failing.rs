//! After damage nothing is served, and it leads to quarantine; where only writing failed, what was committed is.

use super::*;

/// Rows in sled whose checksum is wrong.
fn damaged(dir: &Path) -> View {
    let view = open(dir, lazy());
    let mut frame = crate::codec::encode(SCHEMA.version, "a value").unwrap();
    frame[7] ^= 0x10;
    let mut changes = changes(&[("a", "1")]);
    changes.put("rb", frame);
    view.commit(changes, "one").unwrap();
    view.flush_and_sync().unwrap();
    view
}

#[test]
fn a_row_with_a_wrong_checksum_fails_the_view_and_the_next_open_puts_it_aside() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("view");
    let view = damaged(&dir);
    let reader = view.reader().unwrap();
    assert_eq!(reader.get_row::<String>(b"ra").unwrap().as_deref(), Some("1"));
    let corrupt = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Corrupt { .. })), "{result:?}");
    corrupt(reader.get_row::<String>(b"rb").map(drop));
    corrupt(reader.get_row::<String>(b"ra").map(drop));
    corrupt(reader.scan_prefix(b"r", Direction::Ascending).next().unwrap().map(drop));
    corrupt(view.reader().map(drop));
    corrupt(view.commit(changes(&[("c", "1")]), "two"));
    corrupt(view.flush_and_sync());
    corrupt(view.digest().map(drop));
    drop((reader, view));
    let view = open(&dir, lazy());
    assert!(view.quarantined().is_some());
    assert_eq!(text(&view.reader().unwrap()), "@");
}

#[test]
fn a_failure_of_the_flusher_fails_whoever_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { pending_rows_max: 1, ..lazy() };
    let view = open(dir.path(), options);
    view.commit(changes(&[("a", "1")]), "one").unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| view.commit(changes(&[("b", "1")]), "two"));
        let failure = Error::unavailable(dir.path(), "no space");
        view.inner.fail(failure);
        assert!(matches!(blocked.join().unwrap(), Err(Error::Unavailable { .. })));
    });
    assert_eq!(view.reader().unwrap().get_row::<String>(b"ra").unwrap().as_deref(), Some("1"));
    assert!(view.failure().is_some() && view.digest().is_ok());
    assert!(matches!(view.close(), Err(Error::Unavailable { .. })));
    assert!(!dir.path().join("condemned").exists());
}

#[test]
fn without_room_to_spill_a_view_in_bounded_memory_fails_and_waits_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let view = View::in_bounded_memory(SCHEMA, dir.path(), 300, |dir, _| Err(Error::unavailable(dir, "no room")));
    view.commit(changes(&[("a", "1")]), "one").unwrap();
    let refused = view.commit(changes(&[("b", &"x".repeat(20_000))]), "two").unwrap_err();
    assert!(refused.to_string().contains("no room"), "{refused}");
    assert!(view.failure().is_some() && view.commit(changes(&[("c", "1")]), "three").is_err());
}

#[test]
fn without_room_to_merge_files_stay_as_they_are_and_everything_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), Options { room: |dir, _| Err(Error::unavailable(dir, "no room")), ..lazy() });
    for n in 0..20_u32 {
        view.commit(changes(&[(&format!("k{n}"), "1")]), n.to_string()).unwrap();
        view.flush_and_sync().unwrap();
    }
    let files = std::fs::read_dir(dir.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("rows-"));
    assert_eq!((files.count(), view.failure().is_none()), (20, true));
    view.close().unwrap();
}
