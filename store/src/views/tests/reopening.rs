//! What was committed is there after closing.

use super::*;

#[test]
fn rows_and_head_are_there_after_a_drop() {
    let dir = tempfile::tempdir().unwrap();
    for (round, options) in [lazy(), eager(), Options::default()].into_iter().enumerate() {
        let view = open(&dir.path().join("view"), options);
        let expected = if round == 0 { "@".to_owned() } else { format!("a=1 round={} @head {}", round - 1, round - 1) };
        assert_eq!(text(&view.reader().unwrap()), expected);
        view.commit(changes(&[("a", "1"), ("b", "2")]), format!("first {round}")).unwrap();
        view.commit(changes(&[("b", "-"), ("round", &round.to_string())]), format!("head {round}")).unwrap();
        assert_eq!(view.quarantined(), None);
    }
}

#[test]
fn a_commit_of_a_head_alone_moves_the_head() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), lazy());
    view.commit(changes(&[("a", "1")]), "one").unwrap();
    view.commit(view.changes(), "two").unwrap();
    view.close().unwrap();
    drop(view);
    assert_eq!(text(&open(dir.path(), lazy()).reader().unwrap()), "a=1 @two");
}

#[test]
fn the_views_own_rows_are_neither_written_nor_read_by_a_fold() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), lazy());
    let mut own = view.changes();
    own.put(vec![crate::keys::META], vec![1]);
    assert!(matches!(view.commit(own, "x"), Err(Error::Refused { .. })));
    view.commit(changes(&[("a", "1")]), "one").unwrap();
    view.flush_and_sync().unwrap();
    let reader = view.reader().unwrap();
    assert_eq!(reader.get(&[crate::keys::META]).unwrap(), None);
    assert_eq!(reader.scan::<&[u8]>(.., Direction::Ascending).count(), 1);
    assert_eq!(reader.scan::<&[u8]>(.., Direction::Descending).count(), 1);
}

#[test]
fn after_closing_nothing_is_committed_and_readers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), lazy());
    view.commit(changes(&[("a", "1")]), "one").unwrap();
    view.close().unwrap();
    assert!(matches!(view.commit(changes(&[("a", "2")]), "two"), Err(Error::Closed { .. })));
    assert_eq!(text(&view.reader().unwrap()), "a=1 @one");
}

#[test]
fn a_directory_that_is_open_is_in_use_and_not_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(&dir.path().join("view"), lazy());
    let second = View::open(&dir.path().join("view"), SCHEMA, lazy());
    assert!(matches!(second, Err(Error::InUse { .. })));
    view.commit(changes(&[("a", "1")]), "one").unwrap();
    view.flush_and_sync().unwrap();
    assert_eq!(dir.path().read_dir().unwrap().count(), 1);
}
