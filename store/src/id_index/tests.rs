//! The index of ids: earliest claims, commits, positions.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::IdKind::{Event, Order};
use redb::Database;

use super::*;

fn claim(offset: u64, digest: u128) -> Claim {
    Claim { offset, digest }
}

fn position(next_offset: u64) -> IndexPosition {
    IndexPosition { next_offset, digest_of_last_record: next_offset * 7 }
}

fn in_new_directory(check: impl FnOnce(&Path)) {
    let directory = tempfile::tempdir().unwrap();
    check(&directory.path().join("ids.redb"));
}

#[test]
fn claims_that_are_not_committed_can_be_forgotten_where_the_log_is_read_once_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = IdIndex::open(&dir.path().join("ids.redb")).unwrap();
    let position = |next_offset| [(0, IndexPosition { next_offset, digest_of_last_record: 0 })];
    index.claim(0, IdKind::Event, "u1", b"id", Claim { offset: 10, digest: 1 });
    assert!(matches!(index.commit(&position(5), true), Err(Error::Refused { .. })));
    index.forget_uncommitted();
    index.commit(&position(5), true).unwrap().wait().unwrap();
    assert_eq!(index.get(0, IdKind::Event, "u1", b"id").unwrap(), None);
}

#[test]
fn ids_are_apart_by_partition_kind_user_and_id() {
    in_new_directory(|path| {
        let mut index = IdIndex::open(path).unwrap();
        let places = [
            (0, Event, "ab", "c"),
            (1, Event, "ab", "c"),
            (0, Order, "ab", "c"),
            (0, Event, "a", "bc"),
            (0, Event, "abc", ""),
            (0, Event, "", "abc"),
            (0, Event, "ab", "c\0"),
        ];
        for committed in [false, true] {
            for ((partition, kind, user, id), number) in places.into_iter().zip(1..) {
                let own = claim(number, u128::MAX - u128::from(number));
                if !committed {
                    assert_eq!(index.get(partition, kind, user, id.as_bytes()).unwrap(), None, "{number}");
                    index.claim(partition, kind, user, id.as_bytes(), own);
                }
                assert_eq!(index.get(partition, kind, user, id.as_bytes()).unwrap(), Some(own), "{number}");
            }
            index.commit(&[(0, position(100)), (1, position(100))], false).unwrap().wait().unwrap();
        }
    });
}

/// Claims one id at these offsets, committing after each when asked; the offset that is kept.
fn check_earliest(offsets: &[u64], commit_each: bool, kept: u64) {
    in_new_directory(|path| {
        let mut index = IdIndex::open(path).unwrap();
        for offset in offsets {
            index.claim(0, Event, "u", b"id", claim(*offset, u128::from(*offset)));
            if commit_each {
                index.commit(&[(0, position(100))], false).unwrap().wait().unwrap();
            }
        }
        assert_eq!(index.get(0, Event, "u", b"id").unwrap(), Some(claim(kept, u128::from(kept))));
        index.commit(&[(0, position(100))], true).unwrap().wait().unwrap();
        assert_eq!(index.get(0, Event, "u", b"id").unwrap(), Some(claim(kept, u128::from(kept))));
    });
}

#[test]
fn the_earliest_position_is_kept() {
    for commit_each in [false, true] {
        check_earliest(&[5], commit_each, 5);
        check_earliest(&[5, 9], commit_each, 5);
        check_earliest(&[9, 5], commit_each, 5);
        check_earliest(&[9, 5, 7], commit_each, 5);
        check_earliest(&[5, 5], commit_each, 5);
    }
}

#[test]
fn claims_and_positions_are_there_after_a_durable_commit() {
    in_new_directory(|path| {
        let mut index = IdIndex::open(path).unwrap();
        assert_eq!(index.position(3), None);
        index.claim(3, Event, "u", b"first", claim(41, 1));
        index.commit(&[(3, position(42))], false).unwrap().wait().unwrap();
        index.claim(3, Order, "u", b"second", claim(43, 2));
        index.commit(&[(3, position(44))], true).unwrap().wait().unwrap();
        index.claim(3, Order, "u", b"third", claim(50, 3));
        drop(index);
        let index = IdIndex::open(path).unwrap();
        assert_eq!(index.position(3), Some(position(44)));
        assert_eq!(index.get(3, Event, "u", b"first").unwrap(), Some(claim(41, 1)));
        assert_eq!(index.get(3, Order, "u", b"second").unwrap(), Some(claim(43, 2)));
        assert_eq!(index.get(3, Order, "u", b"third").unwrap(), None);
    });
}

#[test]
fn a_crash_keeps_the_last_durable_commit_whole() {
    in_new_directory(|path| {
        let mut index = IdIndex::open(path).unwrap();
        index.claim(0, Event, "u", b"durable", claim(1, 1));
        index.commit(&[(0, position(2))], true).unwrap().wait().unwrap();
        index.claim(0, Event, "u", b"fleeting", claim(2, 2));
        index.commit(&[(0, position(3))], false).unwrap().wait().unwrap();
        let crashed = path.with_file_name("crashed.redb");
        std::fs::copy(path, &crashed).unwrap();
        let index = IdIndex::open(&crashed).unwrap();
        assert_eq!(index.position(0), Some(position(2)));
        assert_eq!(index.get(0, Event, "u", b"durable").unwrap(), Some(claim(1, 1)));
        assert_eq!(index.get(0, Event, "u", b"fleeting").unwrap(), None);
    });
}

/// However large the file is: every id stays in it for ever.
#[test]
fn a_start_after_a_kill_does_not_walk_the_file() {
    in_new_directory(|path| {
        let mut index = IdIndex::open(path).unwrap();
        index.claim(0, Event, "u", b"durable", claim(1, 1));
        index.commit(&[(0, position(2))], true).unwrap().wait().unwrap();
        drop(index);
        let mut index = IdIndex::open(path).unwrap();
        // Killed before anything was written, behind a commit that isn't durable, and behind one that is.
        for (number, durable) in [None, Some(false), Some(true), Some(false)].into_iter().enumerate() {
            if let Some(durable) = durable {
                let offset = u64::try_from(number).unwrap() + 2;
                index.claim(0, Event, "u", &[0, u8::try_from(number).unwrap()], claim(offset, 2));
                index.commit(&[(0, position(offset + 1))], durable).unwrap().wait().unwrap();
            }
            let crashed = path.with_file_name(format!("crashed-{number}.redb"));
            std::fs::copy(path, &crashed).unwrap();
            let mut builder = Database::builder();
            builder.set_repair_callback(move |_| panic!("walked: {number}"));
            builder.create(&crashed).unwrap();
        }
    });
}

#[test]
fn commits_become_durable_by_themselves_after_a_while() {
    in_new_directory(|path| {
        let mut index = IdIndex::open(path).unwrap();
        for offset in 0..40 {
            index.claim(0, Order, "u", &offset.to_string().into_bytes(), claim(offset, 0));
            index.commit(&[(0, position(offset + 1))], false).unwrap().wait().unwrap();
        }
        let crashed = path.with_file_name("crashed.redb");
        std::fs::copy(path, &crashed).unwrap();
        let kept = IdIndex::open(&crashed).unwrap().position(0).unwrap();
        assert!(kept.next_offset > 40 - 2 - u64::from(DURABLE_EVERY_COMMITS), "{kept:?}");
    });
}

#[test]
fn a_claim_above_the_position_is_refused() {
    in_new_directory(|path| {
        let mut index = IdIndex::open(path).unwrap();
        index.claim(2, Event, "u", b"id", claim(7, 1));
        for positions in [vec![], vec![(1, position(9))], vec![(2, position(7))]] {
            assert!(matches!(index.commit(&positions, false), Err(Error::Refused { .. })), "{positions:?}");
        }
        index.commit(&[(2, position(8))], false).unwrap().wait().unwrap();
        index.commit(&[], true).unwrap().wait().unwrap();
        assert_eq!(index.position(2), Some(position(8)));
    });
}

#[test]
fn a_damaged_file_is_corrupt_and_another_program_has_it_is_in_use() {
    in_new_directory(|path| {
        std::fs::write(path, b"no index".repeat(1000)).unwrap();
        assert!(matches!(IdIndex::open(path), Err(Error::Corrupt { .. })));
        std::fs::remove_file(path).unwrap();
        let _index = IdIndex::open(path).unwrap();
        assert!(matches!(IdIndex::open(path), Err(Error::InUse { .. })));
    });
}

#[test]
fn what_is_being_written_is_known_as_what_waits_and_what_is_written() {
    in_new_directory(|path| {
        let mut index = IdIndex::open(path).unwrap();
        let id = |number: u64| number.to_be_bytes();
        let (mut commits, claims) = (Vec::new(), 20_000);
        for number in 0..claims {
            index.claim(0, Event, "u", &id(number), claim(number, u128::from(number)));
            // One that stands later, of an id that may be in any of the three places.
            index.claim(0, Event, "u", &id(number / 2), claim(number, 7));
            if number % 1_000 == 999 {
                commits.push(index.commit(&[(0, position(number + 1))], false).unwrap());
                for known in (0..=number).rev().step_by(97) {
                    assert_eq!(index.get(0, Event, "u", &id(known)).unwrap().map(|claim| claim.offset), Some(known));
                }
            }
        }
        commits.into_iter().for_each(|commit| commit.wait().unwrap());
        drop(index);
        let index = IdIndex::open(path).unwrap();
        assert_eq!(index.position(0), Some(position(claims)));
        for number in 0..claims {
            assert_eq!(index.get(0, Event, "u", &id(number)).unwrap().map(|claim| claim.offset), Some(number));
        }
    });
}

#[test]
fn a_commit_that_is_written_knows_whether_somebody_waits_for_it() {
    let kept = Kept::under_way();
    assert!(!kept.is_awaited() && !kept.has_ended());
    let other = kept.clone();
    let waits = std::thread::spawn(move || other.wait());
    while !kept.is_awaited() {
        std::thread::yield_now();
    }
    kept.ended(Ok(()));
    waits.join().unwrap().unwrap();
}
