//! A fresh view from rows that are sorted already: the last step of a rebuild.

use std::path::Path;

use bytes::Bytes;

use super::base::Base;
use super::head::{self, DigestAt, HEAD_KEY};
use super::{Options, RowsDigest, Schema, open};
use crate::{Error, faults};

/// sled divides a leaf when its 17th row comes and leaves nine of them where they are. Rows that come in key order would leave
/// every leaf half full: nearly twice as many divisions, each of which writes two leaves anew. So of each sixteen the first nine
/// come first and make the leaves, and the other seven fill them.
const LEAF_ROWS: usize = 16;
const ROWS_KEPT: usize = 9;
/// Rows that are gathered for that, if they have no more bytes than that.
const GATHERED_ROWS: usize = 64 * LEAF_ROWS;
const GATHERED_BYTES: usize = 4 << 20;

/// Writes the rows, given in key order, and the head into the fresh directory `dir` and syncs it. Nothing else may have
/// it open; until this returns the directory is no view: an open would put it aside.
pub fn bulk_load(
    dir: &Path,
    schema: Schema,
    rows: impl IntoIterator<Item = Result<(Bytes, Bytes), Error>>,
    head: impl Into<Bytes>,
) -> Result<DigestAt, Error> {
    let base = open::create_to_load(dir, schema, Options::default().cache_bytes)?;
    open::condemn(dir)?;
    faults::point("view.before-load");
    let mut digest = RowsDigest::default();
    let mut last: Option<Bytes> = None;
    let (mut gathered, mut bytes) = (Vec::with_capacity(GATHERED_ROWS), 0_usize);
    for row in rows {
        let (key, value) = row?;
        if last.as_ref().is_some_and(|last| *last >= key) || key.as_ref() <= HEAD_KEY.as_slice() {
            return Err(Error::refused(dir, "rows to load must come in key order, each once"));
        }
        digest.add(&key, &value);
        last = Some(key.clone());
        bytes = bytes.saturating_add(value.len());
        gathered.push((key, value));
        if gathered.len() >= GATHERED_ROWS || bytes >= GATHERED_BYTES {
            insert(&base, &gathered)?;
            gathered.clear();
            bytes = 0;
        }
    }
    insert(&base, &gathered)?;
    let at = DigestAt { digest, head: head.into() };
    base.insert(&HEAD_KEY, &head::encode(schema, &at)?)?;
    base.sync()?;
    faults::point("view.loaded");
    open::absolve(dir)?;
    Ok(at)
}

/// One by one: in key order that is faster than batches, which sled applies in the order of a hash map.
fn insert(base: &Base, rows: &[(Bytes, Bytes)]) -> Result<(), Error> {
    let makes_leaves = |at: &usize| at % LEAF_ROWS < ROWS_KEPT;
    let numbered = || rows.iter().enumerate();
    let (first, then) = (numbered().filter(|(at, _)| makes_leaves(at)), numbered().filter(|(at, _)| !makes_leaves(at)));
    first.chain(then).try_for_each(|(_, (key, value))| base.insert(key, value))
}
