//! A sorted run: the rows of one or more consecutive commits, immutable.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::{Bound, Range};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};

/// A row's key and its value; `None` says that the row was deleted.
pub(super) type Change = (Bytes, Option<Bytes>);

/// Fixed cost of a change in memory beside its bytes: the entry and two allocations.
const CHANGE_OVERHEAD: usize = 96;

/// Rows of consecutive commits, sorted by key, each key once, with the head as the last of these commits left it.
#[derive(Debug)]
pub(super) struct Run {
    rows: Vec<Change>,
    /// Where which key stands, where they are many: a search among them waits for memory at every step.
    index: Option<Index>,
    bytes: usize,
    pub(super) head: Bytes,
    /// The last commit's number.
    pub(super) last_commit: u64,
    /// When the first commit came.
    pub(super) since: Instant,
}

impl Run {
    /// One commit's changes; of several changes of a key the last counts.
    pub(super) fn of_commit(mut rows: Vec<Change>, head: Bytes) -> Run {
        if !rows.is_sorted_by(|a, b| a.0 < b.0) {
            rows = sorted(rows);
            rows.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    std::mem::swap(later, earlier);
                }
                same
            });
        }
        let bytes = rows.iter().map(bytes_of).sum();
        let index = Index::of(&rows);
        Run { rows, index, bytes, head, last_commit: 0, since: Instant::now() }
    }

    /// Both as one; `newer` wins where both have a key. Deletions are kept unless nothing lies below.
    pub(super) fn merge(older: &Run, newer: &Run, keep_deletions: bool) -> Run {
        let mut rows = overlay(&older.rows, &newer.rows);
        if !keep_deletions {
            rows.retain(|row| row.1.is_some());
        }
        let bytes = rows.iter().map(bytes_of).sum();
        let index = Index::of(&rows);
        Run { rows, index, bytes, head: newer.head.clone(), last_commit: newer.last_commit, since: older.since }
    }

    /// Several, given oldest first, as one, deletions kept; `None` if there are none.
    pub(super) fn merge_all(runs: &[Arc<Run>]) -> Option<Arc<Run>> {
        let (oldest, newer) = runs.split_first()?;
        Some(newer.iter().fold(Arc::clone(oldest), |older, newer| Arc::new(Run::merge(&older, newer, true))))
    }

    /// Whether a look-up in it costs the same however large it is.
    pub(super) fn is_indexed(&self) -> bool {
        self.index.is_some()
    }

    /// Rows, deletions included.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows in key order.
    pub(super) fn rows(&self) -> &[Change] {
        &self.rows
    }

    /// `None`: nothing is known of this key here. `Some(None)`: it was deleted.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        match &self.index {
            Some(index) => index.find(&self.rows, key),
            None => find(&self.rows, key),
        }
    }

    /// Where the keys of a range stand.
    pub(super) fn range(&self, low: &Bound<Bytes>, high: &Bound<Bytes>) -> Range<usize> {
        range(&self.rows, low, high)
    }
}

/// Keys' places among many rows, found by their hashes.
#[derive(Debug)]
struct Index {
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Index {
    /// None where a search costs no more, or where there are more rows than places have numbers.
    fn of(rows: &[Change]) -> Option<Index> {
        const MANY: usize = 8192;
        let count = u32::try_from(rows.len()).ok().filter(|_| rows.len() >= MANY)?;
        let hasher = DefaultHashBuilder::default();
        let mut places = HashTable::with_capacity(rows.len());
        let hash_of = |place: &u32| hash_at(&hasher, rows, *place);
        for place in 0..count {
            places.insert_unique(hash_of(&place), place, hash_of);
        }
        Some(Index { places, hasher })
    }

    fn find<'a>(&self, rows: &'a [Change], key: &[u8]) -> Option<&'a Option<Bytes>> {
        let row = |place: &u32| usize::try_from(*place).ok().and_then(|place| rows.get(place));
        let found = self.places.find(self.hasher.hash_one(key), |place| row(place).is_some_and(|row| row.0 == key))?;
        row(found).map(|row| &row.1)
    }
}

fn hash_at(hasher: &DefaultHashBuilder, rows: &[Change], place: u32) -> u64 {
    let row = usize::try_from(place).ok().and_then(|place| rows.get(place));
    hasher.hash_one(row.map_or(&[][..], |row| row.0.as_ref()))
}

/// Sorted by key, those of one key in their order. Rows of one kind, which share the first byte, often come sorted already.
fn sorted(rows: Vec<Change>) -> Vec<Change> {
    let kind_of = |row: &Change| row.0.first().copied();
    let mut counts: BTreeMap<Option<u8>, usize> = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(kind_of(row)).or_default() += 1);
    let mut all = Vec::with_capacity(rows.len());
    let mut kinds: BTreeMap<Option<u8>, Vec<Change>> =
        counts.into_iter().map(|(kind, count)| (kind, Vec::with_capacity(count))).collect();
    for row in rows {
        kinds.entry(kind_of(&row)).or_default().push(row);
    }
    for mut kind in kinds.into_values() {
        kind.sort_by(|a, b| a.0.cmp(&b.0));
        all.append(&mut kind);
    }
    all
}

/// Both sorted lists as one; `upper` wins where both have a key.
pub(super) fn overlay(lower: &[Change], upper: &[Change]) -> Vec<Change> {
    let mut rows = Vec::with_capacity(lower.len() + upper.len());
    let (mut low, mut up) = (lower.iter().peekable(), upper.iter().peekable());
    loop {
        let order = match (low.peek(), up.peek()) {
            (Some(low), Some(up)) => low.0.cmp(&up.0),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return rows,
        };
        if order == Ordering::Equal {
            low.next();
        }
        rows.extend(if order == Ordering::Less { low.next() } else { up.next() }.cloned());
    }
}

/// A key's change among sorted ones.
pub(super) fn find<'a>(rows: &'a [Change], key: &[u8]) -> Option<&'a Option<Bytes>> {
    let at = rows.binary_search_by(|row| row.0.as_ref().cmp(key)).ok()?;
    rows.get(at).map(|row| &row.1)
}

/// Where the keys of a range stand among sorted changes; never a range that ends before it begins.
pub(super) fn range(rows: &[Change], low: &Bound<Bytes>, high: &Bound<Bytes>) -> Range<usize> {
    let start = match low {
        Bound::Unbounded => 0,
        Bound::Included(low) => rows.partition_point(|row| row.0 < *low),
        Bound::Excluded(low) => rows.partition_point(|row| row.0 <= *low),
    };
    let end = match high {
        Bound::Unbounded => rows.len(),
        Bound::Included(high) => rows.partition_point(|row| row.0 <= *high),
        Bound::Excluded(high) => rows.partition_point(|row| row.0 < *high),
    };
    start..end.max(start)
}

/// What a change takes in memory, about.
pub(super) fn bytes_of(row: &Change) -> usize {
    row.0.len() + row.1.as_ref().map_or(0, Bytes::len) + CHANGE_OVERHEAD
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn run(rows: &[(&'static str, Option<&'static str>)]) -> Run {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        Run::of_commit(rows.iter().map(|&(key, value)| (bytes(key), value.map(bytes))).collect(), Bytes::new())
    }

    fn text(run: &Run) -> String {
        let value =
            |value: &Option<Bytes>| value.as_ref().map_or("-".into(), |v| String::from_utf8_lossy(v).into_owned());
        run.rows().iter().map(|row| format!("{}={} ", String::from_utf8_lossy(&row.0), value(&row.1))).collect()
    }

    #[test]
    fn the_last_change_of_a_key_counts() {
        assert_eq!(text(&run(&[("b", Some("1")), ("a", Some("1")), ("b", None), ("b", Some("3"))])), "a=1 b=3 ");
    }

    #[test]
    fn the_newer_run_wins_and_deletions_are_kept_while_something_lies_below() {
        let older = run(&[("a", Some("1")), ("b", Some("1")), ("c", None)]);
        let newer = run(&[("b", None), ("c", Some("2")), ("d", Some("2"))]);
        assert_eq!(text(&Run::merge(&older, &newer, true)), "a=1 b=- c=2 d=2 ");
        assert_eq!(text(&Run::merge(&older, &newer, false)), "a=1 c=2 d=2 ");
    }

    #[test]
    fn every_key_of_many_is_found_and_no_other() {
        let key = |n: u32| Bytes::from(n.to_be_bytes().to_vec());
        let rows = (0..10_000).map(|n| (key(2 * n), (n % 7 > 0).then(|| key(n)))).collect();
        let run = Run::of_commit(rows, Bytes::new());
        assert!(run.is_indexed());
        for n in 0..10_000 {
            assert_eq!(run.get(&key(2 * n)), Some(&(n % 7 > 0).then(|| key(n))));
            assert_eq!(run.get(&key(2 * n + 1)), None);
        }
    }

    #[test]
    fn a_deletion_is_known_and_a_missing_key_is_not() {
        let run = run(&[("a", Some("1")), ("b", None)]);
        assert_eq!(run.get(b"a").unwrap().as_deref(), Some(b"1".as_slice()));
        assert_eq!(run.get(b"b"), Some(&None));
        assert_eq!(run.get(b"c"), None);
    }
}
