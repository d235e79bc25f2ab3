//! Whatever is wrong with a directory, it opens, and never as a part.

use std::fs;
use std::path::PathBuf;

use super::*;

/// A view, and what it was after each commit.
fn filled(dir: &Path) -> Vec<DigestAt> {
    let view = open(dir, lazy());
    let mut moments = Vec::new();
    for n in 0..40_u32 {
        let mut changes = view.changes();
        (0..50_u32).for_each(|k| changes.put_row(format!("r{k}/{n}"), &vec![n; 40]).unwrap());
        view.commit(changes, n.to_string()).unwrap();
        view.flush_and_sync().unwrap();
        moments.push(view.digest().unwrap());
    }
    moments
}

/// One that was loaded.
fn loaded(dir: &Path) -> Vec<DigestAt> {
    let row =
        |n: u32| Ok((Bytes::from(format!("r{n:06}")), crate::codec::encode(SCHEMA.version, &vec![n; 40])?.into()));
    vec![bulk_load(dir, SCHEMA, 3_000, (0..3_000).map(row), "loaded").unwrap()]
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

/// Whatever the damage, it opens: fresh, or as it was after one of its commits, or reading finds the damage. Never a part.
fn check_opens(dir: &Path, moments: &[DigestAt], what: &str) -> bool {
    let view = View::open(dir, SCHEMA, lazy()).unwrap();
    if view.quarantined().is_some() {
        assert_eq!(text(&view.reader().unwrap()), "@", "{what}");
        view.commit(changes(&[("a", "1")]), "again").unwrap();
        view.flush_and_sync().unwrap();
        return true;
    }
    match view.compute_digest() {
        Ok(found) => assert!(moments.contains(&found), "{what}"),
        Err(error) => assert!(matches!(error, Error::Corrupt { .. }), "{what}: {error}"),
    }
    false
}

#[test]
fn garbage_in_any_file_is_put_aside_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    type Fill = fn(&Path) -> Vec<DigestAt>;
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 5] = [
        ("all garbage", |bytes| bytes.fill(0xa5)),
        ("empty", Vec::clear),
        ("first half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("a garbage middle", |bytes| {
            let third = bytes.len() / 3;
            bytes[third..2 * third].fill(0xa5);
        }),
        ("one flipped bit", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
    ];
    let sources: [(&str, Fill); 2] = [("filled", filled), ("loaded", loaded)];
    for (source, fill) in sources {
        let source = dir.path().join(source);
        let moments = fill(&source);
        let mut quarantined = 0;
        for file in files(&source) {
            for (damage_name, damage) in damages {
                let name = file.strip_prefix(&source).unwrap();
                let target = tempfile::tempdir_in(dir.path()).unwrap();
                let target = target.path().join("view");
                copy(&source, &target);
                let mut bytes = fs::read(&file).unwrap();
                damage(&mut bytes);
                fs::write(target.join(name), bytes).unwrap();
                let what = format!("{} of {}: {damage_name}", name.display(), source.display());
                quarantined += usize::from(check_opens(&target, &moments, &what));
            }
        }
        assert!(quarantined > 0);
    }
}

#[test]
fn a_snapshot_that_sled_did_not_finish_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let moments = filled(dir.path());
    for length in [0, 5, 4_000] {
        let planted = dir.path().join("snap.FFFFFFFFFFFFFFFF.generating");
        fs::write(&planted, vec![0; length]).unwrap();
        assert!(!check_opens(dir.path(), &moments, "planted"));
        assert!(!planted.exists());
    }
}

#[test]
fn another_schema_is_put_aside_and_only_the_newest_two_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("gen-000001");
    for version in 1..=5 {
        let view = View::open(&at, Schema { name: "test", version }, lazy()).unwrap();
        assert_eq!(view.quarantined().is_some(), version > 1);
        assert_eq!(text(&view.reader().unwrap()), "@");
        view.commit(changes(&[("a", "1")]), version.to_string()).unwrap();
    }
    let mut names = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    names.sort();
    assert_eq!(names, ["gen-000001", "gen-000001.quarantine-3", "gen-000001.quarantine-4"]);
}

#[test]
fn what_can_t_be_read_now_is_not_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("view");
    let moments = filled(&at);
    let catalog = at.join("catalog");
    fs::rename(&catalog, dir.path().join("kept")).unwrap();
    fs::create_dir(&catalog).unwrap();
    assert!(matches!(View::open(&at, SCHEMA, lazy()), Err(Error::Unavailable { .. })));
    fs::remove_dir(&catalog).unwrap();
    fs::rename(dir.path().join("kept"), &catalog).unwrap();
    let view = View::open(&at, SCHEMA, lazy()).unwrap();
    assert_eq!((view.quarantined(), &view.compute_digest().unwrap()), (None, moments.last().unwrap()));
}

#[test]
fn rows_of_a_base_whose_end_was_lost_are_no_view() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("view");
    // As sled finds a directory that was cut behind its first rows: the head is the one from its beginning.
    let base = crate::views::open::create_to_load(&at, SCHEMA, 1 << 20).unwrap();
    base.insert(b"ra", b"a row").unwrap();
    base.sync().unwrap();
    drop(base);
    assert!(open(&at, lazy()).quarantined().is_some());
}
