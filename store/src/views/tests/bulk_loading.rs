//! A directory loaded from sorted rows is a view.

use super::*;

fn row(key: &str) -> Result<(Bytes, Bytes), Error> {
    Ok((Bytes::from(key.to_owned()), crate::codec::encode(SCHEMA.version, key)?.into()))
}

#[test]
fn a_loaded_directory_is_a_view_with_the_digest_of_the_fold() {
    let dir = tempfile::tempdir().unwrap();
    let memory = View::in_memory(SCHEMA);
    for n in 0..3_000_u32 {
        let key = n.wrapping_mul(7_919) % 3_000;
        memory.commit(changes(&[(&format!("{key:04}"), &n.to_string())]), n.to_string()).unwrap();
    }
    let folded = memory.reader().unwrap();
    let rows = folded.scan::<&[u8]>(.., Direction::Ascending);
    let loaded = bulk_load(&dir.path().join("gen"), SCHEMA, folded.rows_max(), rows, folded.head().clone()).unwrap();
    assert_eq!(loaded, memory.digest().unwrap());
    let view = open(&dir.path().join("gen"), lazy());
    assert_eq!(view.digest().unwrap(), loaded);
    assert_eq!(view.compute_digest().unwrap(), loaded);
    assert_eq!(text(&view.reader().unwrap()), text(&folded));
}

#[test]
fn rows_out_of_order_and_directories_in_use_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, rows) in [("order", ["rb", "ra"]), ("twice", ["ra", "ra"]), ("meta", ["ra", "\0"])] {
        let loaded = bulk_load(&dir.path().join(name), SCHEMA, 2, rows.map(row), "head");
        assert!(matches!(loaded, Err(Error::Refused { .. })), "{name}");
        let view = open(&dir.path().join(name), lazy());
        assert!(view.quarantined().is_some(), "half a load is no view");
        assert_eq!(text(&view.reader().unwrap()), "@");
    }
    let loaded = bulk_load(dir.path(), SCHEMA, 1, [row("ra")], "head");
    assert!(matches!(loaded, Err(Error::Refused { .. })));
}
