//! Where two views differ.

use std::ops::Bound;

use orderledger_store::views::{Direction, View, ViewReader};
use orderledger_store::{Error, keys};

/// The first key at which two views differ, in key order; none if all their rows but bookkeeping are equal.
pub fn first_difference(live: &View, rebuilt: &View) -> Result<Option<Vec<u8>>, Error> {
    Ok(first_differences(&live.reader()?, &rebuilt.reader()?, 1)?.pop())
}

/// The first keys at which two views differ, in key order and at most so many.
pub fn first_differences(live: &ViewReader, rebuilt: &ViewReader, max: usize) -> Result<Vec<Vec<u8>>, Error> {
    let all = (Bound::Unbounded, Bound::Excluded(vec![keys::BOOKKEEPING]));
    let mut left = live.scan(all.clone(), Direction::Ascending);
    let mut right = rebuilt.scan(all, Direction::Ascending);
    let (mut ours, mut theirs) = (left.next().transpose()?, right.next().transpose()?);
    let mut different = Vec::new();
    while different.len() < max {
        let order = match (&ours, &theirs) {
            (None, None) => break,
            (Some(ours), Some(theirs)) => ours.0.cmp(&theirs.0),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
        };
        if ours != theirs {
            let key = if order.is_le() { &ours } else { &theirs };
            different.extend(key.as_ref().map(|(key, _)| key.to_vec()));
        }
        if order.is_le() {
            ours = left.next().transpose()?;
        }
        if order.is_ge() {
            theirs = right.next().transpose()?;
        }
    }
    Ok(different)
}
