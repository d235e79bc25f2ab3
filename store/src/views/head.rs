//! The head: which schema the rows have, where the fold stands, and the digest of the rows at that point. It stands in the catalog,
//! and, for a directory that was only loaded, as a row of sled.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{RowsDigest, Schema};
use crate::error::At;
use crate::{Error, codec, keys};

/// The head's key; the only row under [`keys::META`].
pub(super) const HEAD_KEY: [u8; 1] = [keys::META];

/// The shape of the head itself. In sled 1 says that all rows are there, 2 that files may lie above, and 3 that the rows there stand
/// in blocks: who doesn't know a shape puts such a directory aside instead of going on from old rows, or from none.
const HEAD_SCHEMA: u8 = 2;
const ALL_IN_SLED: u8 = 1;
const ABOVE_BLOCKS: u8 = 3;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    schema: String,
    version: u8,
    digest: u128,
    rows: u64,
    head: Vec<u8>,
}

/// A fold's opaque head and the digest of the rows that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestAt {
    /// Over all rows of that moment.
    pub digest: RowsDigest,
    /// The head of that moment; empty before the first commit.
    pub head: Bytes,
}

pub(super) fn encode(schema: Schema, at: &DigestAt) -> Result<Vec<u8>, Error> {
    encode_as(HEAD_SCHEMA, schema, at)
}

/// As it stands in sled above rows in blocks.
pub(super) fn encode_above_blocks(schema: Schema, at: &DigestAt) -> Result<Vec<u8>, Error> {
    encode_as(ABOVE_BLOCKS, schema, at)
}

fn encode_as(shape: u8, schema: Schema, at: &DigestAt) -> Result<Vec<u8>, Error> {
    let RowsDigest { sum: digest, rows } = at.digest;
    let stored =
        Stored { schema: schema.name.to_owned(), version: schema.version, digest, rows, head: at.head.to_vec() };
    codec::encode(shape, &stored)
}

/// Whether it was written by a release that kept all rows in sled.
pub(super) fn is_all_in_sled(frame: &[u8]) -> bool {
    frame.first() == Some(&ALL_IN_SLED)
}

/// Whether the rows of sled stand in blocks.
pub(super) fn is_above_blocks(frame: &[u8]) -> bool {
    frame.first() == Some(&ABOVE_BLOCKS)
}

/// The version of the rows, which is the schema's or one of these older ones, and what the head says of them. [`Error::Corrupt`] if it
/// is unreadable or of another schema.
pub(super) fn decode(at: &At, schema: Schema, older: &[u8], frame: &[u8]) -> Result<(u8, DigestAt), Error> {
    let stored = stored(at, frame)?;
    let is_known = stored.version == schema.version || older.contains(&stored.version);
    if stored.schema != schema.name || !is_known {
        let found = format!("schema {} {}", stored.schema, stored.version);
        return Err(Error::corrupt(
            at.clone(),
            format!("{found} where {} {} is expected", schema.name, schema.version),
        ));
    }
    let digest = RowsDigest { sum: stored.digest, rows: stored.rows };
    Ok((stored.version, DigestAt { digest, head: Bytes::from(stored.head) }))
}

/// The version that a head names, if it is that schema's.
pub(super) fn version(name: &str, frame: &[u8]) -> Option<u8> {
    stored(&At::Frame, frame).ok().filter(|stored| stored.schema == name).map(|stored| stored.version)
}

fn stored(at: &At, frame: &[u8]) -> Result<Stored, Error> {
    let shape =
        frame.first().copied().filter(|shape| [ALL_IN_SLED, ABOVE_BLOCKS].contains(shape)).unwrap_or(HEAD_SCHEMA);
    codec::decode_at(at, shape, frame)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_head_has_these_bytes_for_ever() {
        let at = DigestAt { digest: RowsDigest { sum: 300, rows: 2 }, head: Bytes::from_static(b"head") };
        let schema = Schema { name: "market", version: 3 };
        let frame = encode(schema, &at).unwrap();
        let hex = frame.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex, "02c684f710066d61726b657403fb2c01020468656164");
        assert_eq!(decode(&At::Log, schema, &[], &frame).unwrap(), (3, at.clone()));
        let before = [&[0x01, 0xd7, 0x3f, 0xf1, 0x6d][..], frame.get(5..).unwrap()].concat();
        assert!(is_all_in_sled(&before) && !is_all_in_sled(&frame));
        assert_eq!(decode(&At::Log, schema, &[], &before).unwrap(), (3, at.clone()));
        let above = encode_above_blocks(schema, &at).unwrap();
        assert!(is_above_blocks(&above) && !is_above_blocks(&frame));
        assert_eq!(decode(&At::Log, schema, &[], &above).unwrap(), (3, at.clone()));
        let newer = Schema { name: "market", version: 4 };
        assert_eq!(decode(&At::Log, newer, &[1, 3], &frame).unwrap(), (3, at));
        for (other, found) in [(newer, "market 4"), (Schema { name: "audit", version: 4 }, "audit 4")] {
            let error = decode(&At::Log, other, &[1, 2], &frame).unwrap_err();
            assert_eq!(error.to_string(), format!("the event log: schema market 3 where {found} is expected"));
        }
        assert!(decode(&At::Log, Schema { name: "audit", version: 4 }, &[3], &frame).is_err());
    }
}
