//! A user's rows in the order of their offsets, from a page's cursor on.

use std::iter::Peekable;
use std::ops::Bound;

use bytes::Bytes;
use orderledger_domain::ids::{ClientOrderId, UserId};
use orderledger_store::keys::{self, KeyReader};
use orderledger_store::views::{Direction, ViewReader};
use orderledger_store::{At, Error};
use serde::de::DeserializeOwned;

use super::super::SINCE_NAMES;
use super::super::rows::{OrderRow, client_order_prefix, offset_key, user_key};
use super::orders::judged_at;
use super::page::Page;

/// Rows with their offsets.
pub(super) type Rows<T> = Box<dyn Iterator<Item = Result<(u64, T), Error>>>;

/// Several walks as one, in the order of their offsets.
pub(super) fn merge<T: 'static>(
    walks: Vec<Rows<T>>,
    direction: Direction,
) -> impl Iterator<Item = Result<(u64, T), Error>> + use<T> {
    let mut walks: Vec<Peekable<Rows<T>>> = walks.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let due = |row: &Result<(u64, T), Error>| row.as_ref().map_or(None, |(offset, _)| Some(*offset));
        let mut best: Option<(usize, Option<u64>)> = None;
        for (index, walk) in walks.iter_mut().enumerate() {
            let Some(offset) = walk.peek().map(due) else { continue };
            // An error has no offset and comes first.
            let sooner = best.is_none_or(|(_, other)| match (offset, other, direction) {
                (_, None, _) => false,
                (None, ..) => true,
                (Some(offset), Some(other), Direction::Ascending) => offset < other,
                (Some(offset), Some(other), Direction::Descending) => offset > other,
            });
            if sooner {
                best = Some((index, offset));
            }
        }
        best.and_then(|(index, _)| walks.get_mut(index)).and_then(Iterator::next)
    })
}

/// A user's rows of one kind.
pub(super) fn rows<T: DeserializeOwned + 'static>(
    reader: &ViewReader,
    prefix: u8,
    user: &UserId,
    page: &Page<u64>,
) -> Rows<T> {
    let at = page.after.map(|offset| offset_key(prefix, user, offset));
    let rows = reader.scan_rows::<T, Bytes>(behind(user_key(prefix, user), at, page.direction), page.direction);
    Box::new(rows.map(move |row| {
        let (key, row) = row?;
        let mut fields = KeyReader::new(prefix, &key)?;
        fields.name()?;
        Ok((fields.u64()?, row))
    }))
}

/// The judged orders that a user's client called so. [`Error::Unavailable`] where the rows are older than such names.
pub(super) fn of_name(reader: &ViewReader, user: &UserId, name: &ClientOrderId, page: &Page<u64>) -> Rows<OrderRow> {
    if let Err(error) = reader.needs(SINCE_NAMES) {
        return Box::new(std::iter::once(Err(error)));
    }
    let prefix = client_order_prefix(user, name);
    let at = page.after.map(|offset| prefix.clone().u64(offset).build());
    let found = reader.scan_rows::<(), Bytes>(behind(prefix.build(), at, page.direction), page.direction);
    let (reader, user) = (reader.clone(), user.clone());
    Box::new(found.map(move |entry| {
        let (key, ()) = entry?;
        let mut fields = KeyReader::new(keys::CLIENT_ORDER, &key)?;
        let (_user, _name) = (fields.name()?, fields.name()?);
        let created = fields.u64()?;
        let missing = || Error::corrupt(At::Frame, format!("{user} has no order at {created}, which has a name"));
        Ok((created, judged_at(&reader, &user, created)?.ok_or_else(missing)?))
    }))
}

/// The keys that begin so and lie behind `at` in that direction.
pub(super) fn behind(all: Bytes, at: Option<Bytes>, direction: Direction) -> (Bound<Bytes>, Bound<Bytes>) {
    let end = keys::after_prefix(&all).map_or(Bound::Unbounded, |end| Bound::Excluded(Bytes::from(end)));
    let at = at.map(Bound::Excluded);
    match direction {
        Direction::Ascending => (at.unwrap_or(Bound::Included(all)), end),
        Direction::Descending => (Bound::Included(all), at.unwrap_or(end)),
    }
}
