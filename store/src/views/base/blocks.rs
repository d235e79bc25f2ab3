//! Rows in blocks: sled costs by the number of its keys, so consecutive rows share one, which is the first of theirs.
//!
//! A block is `[CRC-32C of what follows u32][number u32][bytes of its entries u32][entries, LZ4]`, big-endian, its entries as in a
//! sorted file. A Bloom filter (Bloom 1970) over the rows' keys, in pieces under the view's own keys, tells most keys that are not
//! there without a look at a block. Blocks are written once, when the directory is loaded, and never changed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use fastbloom::BloomFilter;
use serde::{Deserialize, Serialize};

use super::Base;
use crate::views::block_cache::BlockCache;
use crate::views::run::{self, Change};
use crate::views::sorted::{BITS_PER_KEY, Reading, block};
use crate::{Error, codec, keys};

/// A block is closed when it is expected to have so many bytes as it is stored: sixteen of them make a leaf of sled, and a leaf of
/// 128 KiB becomes a file of its own there.
const STORED_BYTES: usize = 5 << 10;
/// However well it is compressed, a block that is read has at most about so many bytes of entries.
const ENTRIES_BYTES_MAX: usize = 32 << 10;

/// sled divides a leaf when its 17th key comes and leaves nine of them where they are. Keys that come in order would leave
/// every leaf half full: nearly twice as many divisions, each of which writes two leaves anew. So of each sixteen the first nine
/// come first and make the leaves, and the other seven fill them.
const LEAF_KEYS: usize = 16;
const KEYS_KEPT: usize = 9;
/// Blocks that are gathered for that.
const GATHERED: usize = 16 * LEAF_KEYS;

/// The shape of the filter's pieces.
const FILTER_SCHEMA: u8 = 1;
const FILTER_WORDS: usize = 4 << 10;

/// A piece of the filter over the keys.
#[derive(Serialize, Deserialize)]
struct Piece {
    pieces: u32,
    hashes: u32,
    words: Vec<u64>,
}

/// What is known of the blocks of a directory.
pub(super) struct Blocks {
    keys: BloomFilter,
    cache: (u64, Arc<BlockCache>),
    /// The number and the entries of the block that [`Reading::Once`] met last.
    last: Mutex<Option<(u32, Vec<u8>)>>,
}

impl Blocks {
    /// Reads the filter. [`Error::Corrupt`] if a piece is missing.
    pub(super) fn open(base: &Base, cache: &Arc<BlockCache>) -> Result<Blocks, Error> {
        let (mut words, mut hashes, mut number, mut pieces) = (Vec::new(), 0, 0, 1);
        while number < pieces {
            let stored = base.value(&filter_key(number))?;
            let stored =
                stored.ok_or_else(|| Error::corrupt(&base.dir, "a piece of the filter over its keys is gone"))?;
            let piece: Piece = codec::decode_at(&base.dir.as_path().into(), FILTER_SCHEMA, &stored)?;
            (pieces, hashes) = (piece.pieces, piece.hashes);
            words.extend(piece.words);
            number = number.saturating_add(1);
        }
        if words.is_empty() {
            return Err(Error::corrupt(&base.dir, "the filter over its keys is empty"));
        }
        let keys = BloomFilter::from_vec(words).seed(&0).hashes(hashes);
        Ok(Blocks { keys, cache: cache.of_a_file(), last: Mutex::default() })
    }

    /// A row's value. It is a copy: whoever keeps it shall not keep the block.
    pub(super) fn get(&self, base: &Base, key: &[u8], reading: Reading) -> Result<Option<Bytes>, Error> {
        if !self.keys.contains(key) {
            return Ok(None);
        }
        let Some((_, stored)) = base.at_or_below(key)? else { return Ok(None) };
        if reading == Reading::Once {
            return self.find_once(&stored, key).ok_or_else(|| corrupt(base));
        }
        let rows = self.rows(base, &stored)?;
        Ok(run::find(&rows, key).and_then(Option::as_ref).map(|value| Bytes::copy_from_slice(value)))
    }

    /// For one who asks for keys in their order: the block that was read last is not taken apart again. `None`: it isn't a block.
    fn find_once(&self, stored: &[u8], key: &[u8]) -> Option<Option<Bytes>> {
        let (number, length, packed) = checked(stored)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(of, _)| *of != number) {
            *last = Some((number, unpack(length, packed)?));
        }
        last.as_ref().and_then(|(_, entries)| block::find(entries, key)).map(Option::flatten)
    }

    /// The rows of a block, kept for the next reader.
    pub(super) fn rows(&self, base: &Base, stored: &[u8]) -> Result<Arc<Vec<Change>>, Error> {
        let (of, cache) = &self.cache;
        let (number, length, packed) = checked(stored).ok_or_else(|| corrupt(base))?;
        let number = usize::try_from(number).map_err(|_| corrupt(base))?;
        if let Some(rows) = cache.get(*of, number) {
            return Ok(rows);
        }
        let entries = unpack(length, packed).ok_or_else(|| corrupt(base))?;
        let rows = Arc::new(block::entries(Bytes::from(entries)).ok_or_else(|| corrupt(base))?);
        cache.keep(*of, number, &rows);
        Ok(rows)
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "blocks {}", self.cache.0)
    }
}

/// Puts rows, which come in key order, each once, into a base that has none.
pub(in crate::views) struct Packer<'a> {
    base: &'a Base,
    keys: BloomFilter,
    entries: Vec<u8>,
    /// The first key of the block that is being filled.
    first: Option<Bytes>,
    /// It is closed with so many bytes of entries.
    full: usize,
    number: u32,
    gathered: Vec<(Bytes, Vec<u8>)>,
}

impl<'a> Packer<'a> {
    /// At most about so many rows will come.
    pub(in crate::views) fn new(base: &'a Base, rows_max: usize) -> Packer<'a> {
        let rows = rows_max.max(64);
        let keys = BloomFilter::with_num_bits(rows.saturating_mul(BITS_PER_KEY)).seed(&0).expected_items(rows);
        let (entries, gathered) = (Vec::with_capacity(ENTRIES_BYTES_MAX), Vec::with_capacity(GATHERED));
        Packer { base, keys, entries, first: None, full: STORED_BYTES, number: 0, gathered }
    }

    pub(in crate::views) fn push(&mut self, key: &Bytes, value: &Bytes) -> Result<(), Error> {
        self.keys.insert(key.as_ref());
        self.first.get_or_insert_with(|| key.clone());
        block::append(&mut self.entries, key, Some(value));
        if self.entries.len() >= self.full { self.close() } else { Ok(()) }
    }

    /// What is left of them, and the filter.
    pub(in crate::views) fn end(mut self) -> Result<(), Error> {
        self.close()?;
        self.insert_gathered()?;
        let words = self.keys.as_slice();
        let pieces = u32::try_from(words.len().div_ceil(FILTER_WORDS)).unwrap_or(u32::MAX);
        for (number, words) in (0..).zip(words.chunks(FILTER_WORDS)) {
            let piece = Piece { pieces, hashes: self.keys.num_hashes(), words: words.to_vec() };
            self.base.insert(&filter_key(number), &codec::encode(FILTER_SCHEMA, &piece)?)?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(first) = self.first.take() else { return Ok(()) };
        let stored = pack(self.number, &self.entries);
        // The next one is expected to be compressed as well as this one.
        let full = self.entries.len().saturating_mul(STORED_BYTES) / stored.len().max(1);
        self.full = full.clamp(STORED_BYTES, ENTRIES_BYTES_MAX);
        self.entries.clear();
        self.number = self.number.saturating_add(1);
        self.gathered.push((first, stored));
        if self.gathered.len() >= GATHERED { self.insert_gathered() } else { Ok(()) }
    }

    /// One by one: in key order that is faster than batches, which sled applies in the order of a hash map.
    fn insert_gathered(&mut self) -> Result<(), Error> {
        let makes_leaves = |at: &usize| at % LEAF_KEYS < KEYS_KEPT;
        let numbered = || self.gathered.iter().enumerate();
        let first = numbered().filter(|(at, _)| makes_leaves(at));
        let then = numbered().filter(|(at, _)| !makes_leaves(at));
        first.chain(then).try_for_each(|(_, (key, stored))| self.base.insert(key, stored))?;
        self.gathered.clear();
        self.base.sync_written()
    }
}

fn pack(number: u32, entries: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(entries);
    let length = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let mut stored = Vec::with_capacity(packed.len().saturating_add(12));
    stored.extend_from_slice(&[0; 4]);
    stored.extend_from_slice(&number.to_be_bytes());
    stored.extend_from_slice(&length.to_be_bytes());
    stored.extend_from_slice(&packed);
    if let Some((checksum, rest)) = stored.split_first_chunk_mut() {
        *checksum = crc32c::crc32c(rest).to_be_bytes();
    }
    stored
}

/// A block's number, how many bytes its entries have, and these as they are stored; none if it isn't one.
fn checked(mut stored: &[u8]) -> Option<(u32, u32, &[u8])> {
    let checksum = stored.try_get_u32().ok()?;
    if crc32c::crc32c(stored) != checksum {
        return None;
    }
    Some((stored.try_get_u32().ok()?, stored.try_get_u32().ok()?, stored))
}

fn unpack(length: u32, packed: &[u8]) -> Option<Vec<u8>> {
    lz4_flex::block::decompress(packed, usize::try_from(length).ok()?).ok()
}

fn filter_key(piece: u32) -> [u8; 5] {
    let [a, b, c, d] = piece.to_be_bytes();
    [keys::META, a, b, c, d]
}

fn corrupt(base: &Base) -> Error {
    Error::corrupt(&base.dir, "a block of rows is not as it was written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_these_bytes_for_ever() {
        let mut entries = Vec::new();
        for (key, value) in [("ra", "1"), ("rb", "1"), ("rc", "1")] {
            block::append(&mut entries, key.as_bytes(), Some(&Bytes::from_static(value.as_bytes())));
        }
        let stored = pack(7, &entries);
        let hex: String = stored.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "93075a770000000700000021b500000002000000017261310b0012620b0060000001726331");
        let read = checked(&stored).map(|(number, length, packed)| (number, unpack(length, packed)));
        assert_eq!(read, Some((7, Some(entries))));
        for at in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
            assert!(checked(&damaged).is_none(), "{at}");
        }
    }
}
