//! A sorted file: the rows of consecutive commits that no longer fit into memory, immutable and nameless.
//!
//! The file is unlinked as soon as it is made: what a kill leaves is free space. It is laid out as blocks of consecutive entries,
//! each with a checksum; in memory stand the first key of every block and a Bloom filter (Bloom 1970) over the keys, so that a
//! look-up of a key that isn't there seldom reads the file.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Bound;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::{Buf, Bytes};
use fastbloom::BloomFilter;

use super::run::Change;
use super::spill::Guard;
use crate::Error;
use crate::error::At;

/// A block is closed when it has so many bytes; one large row makes a larger one.
const BLOCK_BYTES: usize = 16 << 10;
/// After so many blocks it is looked whether to go on.
const BLOCKS_BETWEEN_LOOKS: usize = 256;
/// Bits of the filter for each key: about one of a hundred absent keys is looked for in vain.
pub(super) const BITS_PER_KEY: usize = 10;
/// Stands in the place of a length where a row was deleted.
const DELETED: u32 = u32::MAX;

/// Where a block is, and with which key it begins.
#[derive(Debug)]
struct Block {
    first: Bytes,
    offset: u64,
    bytes: usize,
    checksum: u32,
}

/// A sorted file.
#[derive(Debug)]
pub(super) struct Sorted {
    file: File,
    at: At,
    blocks: Vec<Block>,
    keys: BloomFilter,
    /// How often what it holds was merged.
    pub(super) level: u8,
    /// Rows, deletions included.
    pub(super) rows: usize,
}

impl Sorted {
    /// Writes rows, which come in key order, each once, to a file in that directory; at most about so many.
    pub(super) fn write(
        (dir, guard): (&Path, Guard),
        level: u8,
        rows_max: usize,
        rows: impl Iterator<Item = Result<Change, Error>>,
    ) -> Result<Sorted, Error> {
        let failed =
            |cause| Error::unavailable(dir, "rows that don't fit into memory could not be written").with_source(cause);
        let file = tempfile::tempfile_in(dir).map_err(failed)?;
        let bits = rows_max.max(64).saturating_mul(BITS_PER_KEY);
        let mut keys = BloomFilter::with_num_bits(bits).seed(&0).expected_items(rows_max.max(64));
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        let (mut blocks, mut block, mut first) = (Vec::new(), Vec::with_capacity(BLOCK_BYTES * 2), None::<Bytes>);
        let (mut offset, mut count) = (0_u64, 0_usize);
        for row in rows {
            let (key, value) = row?;
            keys.insert(key.as_ref());
            count = count.saturating_add(1);
            append(&mut block, &key, value.as_ref());
            // A copy: the key may be a slice of a whole block of another file, which would stay in memory with it.
            first.get_or_insert_with(|| Bytes::copy_from_slice(&key));
            if block.len() >= BLOCK_BYTES {
                if blocks.len().is_multiple_of(BLOCKS_BETWEEN_LOOKS) {
                    guard(dir)?;
                }
                close(&mut writer, &mut blocks, &mut block, &mut first, &mut offset).map_err(failed)?;
            }
        }
        close(&mut writer, &mut blocks, &mut block, &mut first, &mut offset).map_err(failed)?;
        let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        Ok(Sorted { file, at: At::from(dir), blocks, keys, level, rows: count })
    }

    /// `None`: nothing is known of this key here. `Some(None)`: it was deleted.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Option<Bytes>>, Error> {
        if !self.keys.contains(key) {
            return Ok(None);
        }
        let after = self.blocks.partition_point(|block| block.first.as_ref() <= key);
        let Some(block) = after.checked_sub(1).and_then(|at| self.blocks.get(at)) else { return Ok(None) };
        find(&self.bytes(block)?, key).ok_or_else(|| self.corrupt())
    }

    fn read(&self, block: &Block) -> Result<Vec<Change>, Error> {
        entries(Bytes::from(self.bytes(block)?)).ok_or_else(|| self.corrupt())
    }

    fn bytes(&self, block: &Block) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; block.bytes];
        let failed =
            |cause| Error::unavailable(self.at.clone(), "rows outside memory could not be read").with_source(cause);
        self.file.read_exact_at(&mut bytes, block.offset).map_err(failed)?;
        if crc32c::crc32c(&bytes) != block.checksum {
            return Err(self.corrupt());
        }
        Ok(bytes)
    }

    fn corrupt(&self) -> Error {
        Error::corrupt(self.at.clone(), "rows outside memory are not what was written")
    }
}

fn append(block: &mut Vec<u8>, key: &[u8], value: Option<&Bytes>) {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(DELETED - 1);
    block.extend_from_slice(&length(key).to_be_bytes());
    block.extend_from_slice(&value.map_or(DELETED, |value| length(value)).to_be_bytes());
    block.extend_from_slice(key);
    block.extend_from_slice(value.map_or(&[], Bytes::as_ref));
}

fn close(
    writer: &mut impl Write,
    blocks: &mut Vec<Block>,
    block: &mut Vec<u8>,
    first: &mut Option<Bytes>,
    offset: &mut u64,
) -> std::io::Result<()> {
    let Some(first) = first.take() else { return Ok(()) };
    writer.write_all(block)?;
    blocks.push(Block { first, offset: *offset, bytes: block.len(), checksum: crc32c::crc32c(block) });
    *offset = offset.saturating_add(u64::try_from(block.len()).unwrap_or(u64::MAX));
    block.clear();
    Ok(())
}

/// A key's change among those of a block, which is copied: whoever keeps it shall not keep the block. None if it isn't a block.
fn find(mut block: &[u8], key: &[u8]) -> Option<Option<Option<Bytes>>> {
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
fn entries(mut block: Bytes) -> Option<Vec<Change>> {
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

/// Reads a range of a sorted file, block by block.
#[derive(Debug)]
pub(super) struct Cursor {
    low: Bound<Bytes>,
    high: Bound<Bytes>,
    descending: bool,
    /// The blocks that are still to be read.
    left: std::ops::Range<usize>,
    read: VecDeque<Change>,
}

impl Cursor {
    pub(super) fn new(of: &Sorted, low: &Bound<Bytes>, high: &Bound<Bytes>, descending: bool) -> Cursor {
        let from = match low {
            Bound::Unbounded => 0,
            Bound::Included(key) | Bound::Excluded(key) => {
                of.blocks.partition_point(|block| block.first <= *key).saturating_sub(1)
            }
        };
        let to = match high {
            Bound::Unbounded => of.blocks.len(),
            Bound::Included(key) | Bound::Excluded(key) => of.blocks.partition_point(|block| block.first <= *key),
        };
        let (low, high) = (low.clone(), high.clone());
        Cursor { low, high, descending, left: from..to.max(from), read: VecDeque::new() }
    }

    /// Reads on where nothing is left of what was read.
    pub(super) fn fill(&mut self, of: &Sorted) -> Result<(), Error> {
        while self.read.is_empty() {
            let next = if self.descending { self.left.next_back() } else { self.left.next() };
            let Some(block) = next.and_then(|at| of.blocks.get(at)) else { return Ok(()) };
            let rows = of.read(block)?;
            let inside = super::run::range(&rows, &self.low, &self.high);
            self.read = rows.into_iter().skip(inside.start).take(inside.len()).collect();
        }
        Ok(())
    }

    /// The next row, if one was read.
    pub(super) fn head(&self) -> Option<&Change> {
        if self.descending { self.read.back() } else { self.read.front() }
    }

    pub(super) fn pop(&mut self) -> Option<Change> {
        if self.descending { self.read.pop_back() } else { self.read.pop_front() }
    }
}
