//! A block: consecutive entries of a sorted file or of sled, `[key length u32][value length u32][key][value]`, big-endian.

use std::cmp::Ordering;

use bytes::{Buf, Bytes};

use crate::views::run::Change;

/// Stands in the place of a length where a row was deleted.
const DELETED: u32 = u32::MAX;

/// Where a block is, and with which key it begins.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) first: Bytes,
    pub(super) offset: u64,
    pub(super) bytes: usize,
    /// CRC-32C of its bytes.
    pub(super) checksum: u32,
}

/// Adds an entry to a block that is being written.
pub(in crate::views) fn append(block: &mut Vec<u8>, key: &[u8], value: Option<&Bytes>) {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(DELETED - 1);
    block.extend_from_slice(&length(key).to_be_bytes());
    block.extend_from_slice(&value.map_or(DELETED, |value| length(value)).to_be_bytes());
    block.extend_from_slice(key);
    block.extend_from_slice(value.map_or(&[], Bytes::as_ref));
}

/// A key's change among those of a block, which is copied: whoever keeps it shall not keep the block. None if it isn't a block.
pub(in crate::views) fn find(mut block: &[u8], key: &[u8]) -> Option<Option<Option<Bytes>>> {
    while block.has_remaining() {
        let (key_length, value_length) = (block.try_get_u32().ok()?, block.try_get_u32().ok()?);
        let (found, rest) = block.split_at_checked(usize::try_from(key_length).ok()?)?;
        let value_bytes = if value_length == DELETED { 0 } else { usize::try_from(value_length).ok()? };
        let (value, rest) = rest.split_at_checked(value_bytes)?;
        match found.cmp(key) {
            Ordering::Less => block = rest,
            Ordering::Equal => {
                return Some(Some((value_length != DELETED).then(|| Bytes::copy_from_slice(value))));
            }
            Ordering::Greater => break,
        }
    }
    Some(None)
}

/// The entries of a block; none if it isn't one.
pub(in crate::views) fn entries(mut block: Bytes) -> Option<Vec<Change>> {
    let mut rows = Vec::new();
    while block.has_remaining() {
        let (key, value) = (block.try_get_u32().ok()?, block.try_get_u32().ok()?);
        let key = take(&mut block, key)?;
        let value = if value == DELETED { None } else { Some(take(&mut block, value)?) };
        rows.push((key, value));
    }
    Some(rows)
}

fn take(block: &mut Bytes, length: u32) -> Option<Bytes> {
    let length = usize::try_from(length).ok()?;
    (length <= block.remaining()).then(|| block.split_to(length))
}
