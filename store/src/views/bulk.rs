//! A fresh view from rows that are sorted already: the last step of a rebuild.

use std::path::Path;

use bytes::Bytes;

use super::head::{self, DigestAt, HEAD_KEY};
use super::{Options, RowsDigest, Schema, open};
use crate::{Error, faults};

/// Writes the rows, given in key order, and the head into the fresh directory `dir` and syncs it. Nothing else may have
/// it open; until this returns the directory is no view: an open would put it aside.
pub fn bulk_load(
    dir: &Path,
    schema: Schema,
    rows: impl IntoIterator<Item = Result<(Bytes, Bytes), Error>>,
    head: impl Into<Bytes>,
) -> Result<DigestAt, Error> {
    let opened = open::create_to_load(dir, schema, Options::default().cache_bytes)?;
    open::condemn(dir)?;
    faults::point("view.before-load");
    let mut digest = RowsDigest::default();
    let mut last: Option<Bytes> = None;
    for row in rows {
        let (key, value) = row?;
        if last.as_ref().is_some_and(|last| *last >= key) || key.as_ref() <= HEAD_KEY.as_slice() {
            return Err(Error::refused(dir, "rows to load must come in key order, each once"));
        }
        // One by one: in key order that is faster than batches, which sled applies in the order of a hash map.
        opened.base.insert(&key, &value)?;
        digest.add(&key, &value);
        last = Some(key);
    }
    let at = DigestAt { digest, head: head.into() };
    opened.base.insert(&HEAD_KEY, &head::encode(schema, &at)?)?;
    opened.base.sync()?;
    faults::point("view.loaded");
    open::absolve(dir)?;
    Ok(at)
}
