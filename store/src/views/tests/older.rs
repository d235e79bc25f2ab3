//! Rows of an earlier version of the schema are read as they are, and nothing changes them.

use std::fs;

use super::*;

const NEWER: Schema = Schema { name: "test", version: 3 };

fn reopened(dir: &Path, older: &[u8]) -> View {
    View::open_or_older(dir, NEWER, older, lazy()).unwrap()
}

fn written(dir: &Path) {
    let view = open(dir, eager());
    view.commit(changes(&[("a", "1"), ("b", "2")]), "head").unwrap();
    view.close().unwrap();
}

#[test]
fn they_are_read_and_the_program_that_wrote_them_goes_on_from_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("view");
    written(&path);
    let before = open(&path, lazy()).digest().unwrap();
    for _ in 0..2 {
        let view = reopened(&path, &[1, 2]);
        assert!(view.is_older() && view.quarantined().is_none() && !view.is_incomplete());
        assert_eq!(view.schema(), SCHEMA);
        let reader = view.reader().unwrap();
        assert_eq!(text(&reader), "a=1 b=2 @head");
        assert!(reader.needs(1).is_ok());
        assert!(matches!(reader.needs(2), Err(Error::Unavailable { what, .. }) if what == REBUILDING));
        let changed = view.commit(changes(&[("a", "3")]), "later");
        assert!(matches!(changed, Err(Error::Refused { .. })), "{changed:?}");
        view.flush_and_sync().unwrap();
        view.close().unwrap();
    }
    let view = open(&path, lazy());
    assert!(!view.is_older() && view.quarantined().is_none());
    assert_eq!(view.digest().unwrap(), before);
}

#[test]
fn versions_that_are_not_named_and_rows_that_are_not_complete_are_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    written(&path("unnamed"));
    written(&path("incomplete"));
    fs::write(path("incomplete/incomplete"), b"").unwrap();
    written(&path("condemned"));
    fs::write(path("condemned/condemned"), b"").unwrap();
    open(&path("never-committed"), lazy()).close().unwrap();
    for (name, older) in [("unnamed", &[2][..]), ("incomplete", &[1]), ("condemned", &[1]), ("never-committed", &[1])] {
        let view = reopened(&path(name), older);
        assert!(view.quarantined().is_some() && !view.is_older(), "{name}");
        assert_eq!((view.schema(), view.is_incomplete()), (NEWER, true), "{name}");
        assert_eq!(text(&view.reader().unwrap()), "@", "{name}");
    }
}
