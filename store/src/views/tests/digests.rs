//! The digest kept beside the rows is that of a full scan.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_digest_kept_while_rows_change_is_that_of_a_full_scan(
        commits in prop::collection::vec(prop::collection::vec((0..30_u8, prop::option::of(0..3_u8)), 0..20), 1..30),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (flushed, memory) = (open(dir.path(), eager()), View::in_memory(SCHEMA));
        for (number, commit) in commits.iter().enumerate() {
            let mut changes = flushed.changes();
            for (key, value) in commit {
                match value {
                    Some(value) => changes.put_row(vec![b'r', *key], value).unwrap(),
                    None => changes.delete(vec![b'r', *key]),
                }
            }
            flushed.commit(changes.clone(), number.to_string()).unwrap();
            memory.commit(changes, number.to_string()).unwrap();
        }
        prop_assert_eq!(flushed.compute_digest().unwrap(), memory.digest().unwrap());
        flushed.flush_and_sync().unwrap();
        let digest = flushed.digest().unwrap();
        prop_assert_eq!(&digest, &memory.digest().unwrap());
        prop_assert_eq!(digest.head, (commits.len() - 1).to_string());
    }
}

#[test]
fn the_digest_belongs_to_the_head_that_was_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), lazy());
    view.commit(changes(&[("a", "1")]), "one").unwrap();
    view.flush_and_sync().unwrap();
    let one = view.digest().unwrap();
    view.commit(changes(&[("a", "2")]), "two").unwrap();
    assert_eq!(view.digest().unwrap(), one);
    assert_eq!(one.head, "one");
    assert_eq!(view.compute_digest().unwrap().head, "two");
}
