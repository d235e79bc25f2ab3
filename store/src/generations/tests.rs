//! Generations made, promoted, dismissed, found again and gone back to.

use super::*;

fn text(generations: &Generations) -> String {
    let list = generations.list().unwrap();
    list.iter().map(|generation| format!("{} {}, ", generation.number, generation.state.name())).collect()
}

#[test]
fn a_rebuild_is_promoted_and_the_one_before_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = Generations::open(dir.path(), "market").unwrap();
    assert_eq!(generations.current_path(), dir.path().join("market/gen-000001"));
    for expected in ["1 previous, 2 live, ", "2 previous, 3 live, ", "3 previous, 4 live, "] {
        let (number, path) = generations.create_next().unwrap();
        assert!(path.is_dir());
        fs::write(path.join("db"), b"whole").unwrap();
        fs::create_dir(dir.path().join(format!("market/gen-{number:06}.quarantine-1"))).unwrap();
        generations.promote(number).unwrap();
        assert_eq!(text(&generations), expected);
        assert_eq!(text(&Generations::open(dir.path(), "market").unwrap()), expected);
    }
    assert_eq!(generations.previous().unwrap(), Some(3));
    assert_eq!(fs::read_to_string(dir.path().join("market/CURRENT")).unwrap(), "gen-000004\n");
    assert_eq!(fs::read_dir(dir.path().join("market")).unwrap().count(), 5);
}

#[test]
fn in_the_place_of_a_damaged_one_the_whole_one_before_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = Generations::open(dir.path(), "market").unwrap();
    let schema = views::Schema { name: "market", version: 1 };
    let open = |path: &Path| views::View::open(path, schema, views::Options::default()).unwrap();
    open(&generations.path(1)).close().unwrap();
    let steps = [
        (true, "1 previous, 2 live, ", 1),
        (true, "1 previous, 2 previous, 3 live, ", 1),
        (false, "1 previous, 3 previous, 4 live, ", 1),
        (false, "4 previous, 5 live, ", 4),
    ];
    for (is_damaged, expected, previous) in steps {
        let (number, path) = generations.create_next().unwrap();
        let view = open(&path);
        generations.promote(number).unwrap();
        assert_eq!(text(&generations), expected);
        assert_eq!(generations.previous().unwrap(), Some(previous));
        if is_damaged {
            view.condemn(Error::corrupt(path, "a row"));
        }
    }
    let kept = Generations::open(dir.path(), "market").unwrap();
    assert_eq!((text(&kept), kept.previous().unwrap()), ("4 previous, 5 live, ".to_owned(), Some(4)));
}

#[test]
fn in_front_of_a_newer_program_s_rows_the_newest_whole_one_of_ours_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = Generations::open(dir.path(), "market").unwrap();
    let of = |version| views::Schema { name: "market", version };
    let make = |path: &Path, version| {
        let rows = [Ok((b"ra".to_vec().into(), vec![version].into()))];
        views::bulk_load(path, of(version), 1, rows, "head").unwrap();
    };
    make(&generations.path(1), 1);
    assert_eq!(generations.before_newer(of(1)).unwrap(), None);
    let (number, path) = generations.create_next().unwrap();
    make(&path, 2);
    generations.promote(number).unwrap();
    assert_eq!(generations.before_newer(of(1)).unwrap(), Some(1));
    assert_eq!(generations.before_newer(of(2)).unwrap(), None, "the live one is ours");
    assert_eq!(generations.before_newer(of(3)).unwrap(), None, "an older one is no newer program's");
    assert_eq!(generations.before_newer(of(0)).unwrap(), None, "neither is ours");
    fs::write(generations.path(1).join("incomplete"), b"").unwrap();
    assert_eq!(generations.before_newer(of(1)).unwrap(), None, "it is not whole");
}

#[test]
fn one_that_was_never_promoted_is_removed_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = Generations::open(dir.path(), "market").unwrap();
    let (_, path) = generations.create_next().unwrap();
    fs::write(path.join("db"), b"half").unwrap();
    assert_eq!(text(&generations), "1 live, 2 building, ");
    for interrupted in [Some(2), None] {
        let generations = Generations::open(dir.path(), "market").unwrap();
        assert_eq!((text(&generations), generations.interrupted()), ("1 live, ".to_owned(), interrupted));
    }
}

#[test]
fn one_that_is_dismissed_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = Generations::open(dir.path(), "market").unwrap();
    let (two, path) = generations.create_next().unwrap();
    fs::write(path.join("db"), b"half").unwrap();
    generations.dismiss(1).unwrap();
    assert_eq!(text(&generations), "1 live, 2 building, ");
    generations.dismiss(two).unwrap();
    assert_eq!(text(&generations), "1 live, ");
    assert_eq!(Generations::open(dir.path(), "market").unwrap().interrupted(), None);
}

#[test]
fn a_rollback_makes_the_one_before_live() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = Generations::open(dir.path(), "market").unwrap();
    let (two, _) = generations.create_next().unwrap();
    generations.promote(two).unwrap();
    generations.promote(1).unwrap();
    assert_eq!(text(&generations), "1 live, 2 rolled_back, ");
    assert!(matches!(generations.promote(7), Err(Error::Refused { .. })));
    let (three, _) = generations.create_next().unwrap();
    generations.promote(three).unwrap();
    assert_eq!(text(&generations), "1 previous, 3 live, ", "the one rolled back is nothing to go back to");
    generations.promote(1).unwrap();
    assert_eq!(text(&Generations::open(dir.path(), "market").unwrap()), "1 live, ");
}

#[test]
fn without_a_readable_current_the_newest_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut generations = Generations::open(dir.path(), "market").unwrap();
    let (two, _) = generations.create_next().unwrap();
    generations.promote(two).unwrap();
    for garbage in [&b"\xff\xff"[..], b"", b"gen-000009\n", b"gen-2\n", b"../../etc"] {
        fs::write(dir.path().join("market/CURRENT"), garbage).unwrap();
        assert_eq!(Generations::open(dir.path(), "market").unwrap().current(), 2);
    }
    // One that is not whole is not taken while another is.
    let schema = views::Schema { name: "market", version: 1 };
    views::View::open(&generations.path(1), schema, views::Options::default()).unwrap().close().unwrap();
    fs::write(dir.path().join("market/CURRENT"), b"gen-0").unwrap();
    assert_eq!(Generations::open(dir.path(), "market").unwrap().current(), 1);
}
