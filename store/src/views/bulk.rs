//! A fresh view from rows that are sorted already: the last step of a rebuild.

use std::path::Path;

use bytes::Bytes;

use super::base::Packer;
use super::head::{self, DigestAt, HEAD_KEY};
use super::{Options, RowsDigest, Schema, catalog, open};
use crate::{Error, breathe, faults, keys};

/// Writes the rows, given in key order, and the head into the fresh directory `dir` and syncs it. Nothing else may have
/// it open; until this returns the directory is no view: an open would put it aside. At most about `rows_max` rows: for more, a
/// look-up of a key that isn't there costs more.
pub fn bulk_load(
    dir: &Path,
    schema: Schema,
    rows_max: usize,
    rows: impl IntoIterator<Item = Result<(Bytes, Bytes), Error>>,
    head: impl Into<Bytes>,
) -> Result<DigestAt, Error> {
    let base = open::create_to_load(dir, schema, Options::default().cache_bytes)?;
    open::condemn(dir)?;
    faults::point("view.before-load");
    let mut digest = RowsDigest::default();
    let mut last: Option<Bytes> = None;
    let mut packer = Packer::new(&base, rows_max);
    for row in rows {
        breathe();
        let (key, value) = row?;
        if last.as_ref().is_some_and(|last| *last >= key) || key.first().is_none_or(|&prefix| prefix == keys::META) {
            return Err(Error::refused(dir, "rows to load must come in key order, each once"));
        }
        digest.add(&key, &value);
        packer.push(&key, &value)?;
        last = Some(key);
    }
    packer.end()?;
    let at = DigestAt { digest, head: head.into() };
    base.insert(&HEAD_KEY, &head::encode_above_blocks(schema, &at)?)?;
    base.sync()?;
    catalog::write_first(dir, schema, &at)?;
    faults::point("view.loaded");
    open::absolve(dir)?;
    Ok(at)
}
