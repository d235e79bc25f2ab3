//! What waits for a flush is bounded.

use super::*;

#[test]
fn what_waits_for_a_flush_is_bounded_in_rows_and_bytes() {
    for (rows_max, bytes_max) in [(300, usize::MAX), (usize::MAX, 100_000)] {
        let dir = tempfile::tempdir().unwrap();
        let bounds = Options { pending_rows_max: rows_max, pending_bytes_max: bytes_max, ..eager() };
        let view = open(dir.path(), bounds);
        for n in 0..100_u32 {
            let mut changes = view.changes();
            (0..100_u32).for_each(|k| changes.put(format!("r{n}/{k}"), vec![7; 300]));
            view.commit(changes, n.to_be_bytes().to_vec()).unwrap();
            let sizes = view.sizes().unwrap();
            assert!(sizes.pending_rows < rows_max.saturating_add(100), "{sizes:?}");
            assert!(sizes.pending_bytes < bytes_max.saturating_add(45_000), "{sizes:?}");
        }
        view.flush_and_sync().unwrap();
        let sizes = view.sizes().unwrap();
        assert_eq!((sizes.rows, sizes.pending_rows, sizes.pending_bytes), (10_000, 0, 0));
        assert!(sizes.disk_bytes > 0);
    }
}

#[test]
fn many_small_commits_make_few_runs() {
    let view = View::in_memory(SCHEMA);
    for n in 0..5_000_u32 {
        let mut changes = view.changes();
        changes.put(n.wrapping_mul(0x9e37_79b9).to_be_bytes().map(|byte| byte | 1).to_vec(), "x");
        view.commit(changes, "head").unwrap();
        assert!(view.inner.layers.load().runs.len() <= 16);
    }
}
