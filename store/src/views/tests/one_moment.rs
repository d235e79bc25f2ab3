//! Rows and head that a reader sees are of one moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

/// Two rows whose numbers add up to a constant, and the head equal to the first: broken by any mixture of two moments.
fn check(reader: &ViewReader) -> u64 {
    let number = |key: &[u8]| reader.get_row::<u64>(key).unwrap().unwrap();
    let (a, b) = (number(b"ra"), number(b"rz"));
    assert_eq!(a + b, u64::MAX);
    assert_eq!(reader.head().as_ref(), a.to_be_bytes());
    let scanned =
        reader.scan_prefix_rows::<u64>(b"r", Direction::Descending).map(|row| row.unwrap().1).collect::<Vec<_>>();
    assert_eq!((scanned.first(), scanned.last()), (Some(&b), Some(&a)));
    a
}

#[test]
fn a_reader_sees_rows_and_head_of_one_moment_while_commits_and_flushes_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), eager());
    let write = |n: u64| {
        let mut changes = view.changes();
        changes.put_row(&b"ra"[..], &n).unwrap();
        changes.put_row(&b"rz"[..], &(u64::MAX - n)).unwrap();
        (0..n % 5).for_each(|k| changes.put_row(format!("rm{}", (n + k) % 40), &k).unwrap());
        changes.delete(format!("rm{}", n % 40));
        view.commit(changes, n.to_be_bytes().to_vec()).unwrap();
    };
    write(0);
    let done = AtomicBool::new(false);
    let mut last = 0;
    thread::scope(|scope| {
        let mut readers = Vec::new();
        for _ in 0..2 {
            readers.push(scope.spawn(|| {
                let (mut last, mut held) = (0, Vec::new());
                while !done.load(Ordering::Acquire) {
                    let reader = view.reader().unwrap();
                    let seen = check(&reader);
                    assert!(seen >= last, "time ran backwards");
                    last = seen;
                    held.push((reader, seen));
                    if held.len() > 20 {
                        held.drain(..).for_each(|(reader, seen)| assert_eq!(check(&reader), seen));
                    }
                }
                last
            }));
        }
        let mut n = 0;
        while n < 4_000 || view.sizes().unwrap().flushes < 100 {
            n += 1;
            write(n);
        }
        last = n;
        done.store(true, Ordering::Release);
        readers.into_iter().for_each(|reader| assert!(reader.join().unwrap() <= last));
    });
    view.flush_and_sync().unwrap();
    assert_eq!(check(&view.reader().unwrap()), last);
    assert_eq!(view.digest().unwrap(), view.compute_digest().unwrap());
}
