//! A sorted file: the rows of consecutive commits that no longer are in memory, immutable.
//!
//! It is laid out as blocks of consecutive entries, each with a checksum; in memory stand the first key of every block and a
//! Bloom filter (Bloom 1970) over the keys, so that a look-up of a key that isn't there seldom reads the file. One with a name
//! has these at its end and outlives the process; one without is unlinked as soon as it is made: what a kill leaves is free space.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use fastbloom::BloomFilter;

use super::block_cache::BlockCache;
use super::run::{self, Change};
use crate::error::At;
use crate::{Error, breathe, in_turn};

pub(super) mod block;
mod cursor;
mod footer;

use block::Block;
pub(super) use cursor::Cursor;

/// A block is closed when it has so many bytes; one large row makes a larger one.
const BLOCK_BYTES: usize = 8 << 10;
/// After so many blocks it is looked whether to go on.
const BLOCKS_BETWEEN_LOOKS: usize = 256;
/// After so many bytes they are synced: the log's commits wait for whatever else is on its way to the same disk.
const SYNCED_AT_ONCE: u64 = 1 << 20;
/// Bits of the filter for each key: about one of a hundred absent keys is looked for in vain.
pub(super) const BITS_PER_KEY: usize = 10;
/// What the names of files begin with; a number follows.
const NAME: &str = "rows-";

/// Asked again and again while rows are written to files: an error ends that.
pub(super) type GoOn<'a> = &'a dyn Fn(&Path) -> Result<(), Error>;

/// What becomes of the blocks that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// They are kept for the next reader.
    Kept,
    /// They are read once.
    Once,
}

/// A sorted file.
#[derive(Debug)]
pub(super) struct Sorted {
    file: File,
    at: At,
    blocks: Vec<Block>,
    keys: BloomFilter,
    cache: Option<(u64, Arc<BlockCache>)>,
    /// What its name ends in; zero if it has none.
    pub(super) number: u64,
    /// How long it is.
    pub(super) bytes: u64,
    /// Rows, deletions included.
    pub(super) rows: usize,
}

impl Sorted {
    /// Writes rows, which come in key order, each once, to a nameless file in that directory; at most about so many.
    pub(super) fn nameless(
        dir: &Path,
        go_on: GoOn<'_>,
        rows_max: usize,
        rows: impl Iterator<Item = Result<Change, Error>>,
    ) -> Result<Sorted, Error> {
        let failed = |cause| Error::unavailable(dir, "rows could not be written").with_source(cause);
        let file = in_turn(|| tempfile::tempfile_in(dir)).map_err(failed)?;
        Sorted::write(file, (dir, go_on), None, rows_max, rows)
    }

    /// Writes them to the file of that number and syncs it. What is left of a file that could not be written to its end is removed.
    pub(super) fn create(
        (dir, number): (&Path, u64),
        go_on: GoOn<'_>,
        cache: &Arc<BlockCache>,
        rows_max: usize,
        rows: impl Iterator<Item = Result<Change, Error>>,
    ) -> Result<Sorted, Error> {
        let path = path(dir, number);
        let failed = |cause| Error::unavailable(dir, "rows could not be written").with_source(cause);
        let open = || File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = in_turn(open).map_err(failed)?;
        let written = Sorted::write(file, (dir, go_on), Some(SYNCED_AT_ONCE), rows_max, rows).and_then(|sorted| {
            let bytes = footer::append(&sorted.file, sorted.bytes, sorted.rows, &sorted.blocks, &sorted.keys);
            Ok(Sorted { number, bytes: bytes.map_err(failed)?, cache: Some(cache.of_a_file()), ..sorted })
        });
        if written.is_err()
            && let Err(error) = in_turn(|| fs::remove_file(&path))
        {
            tracing::warn!(file = %path.display(), %error, "it is removed at the next start");
        }
        written
    }

    /// Opens the file of that number. [`Error::Corrupt`] if it isn't there or not as it was written.
    pub(super) fn open(dir: &Path, number: u64, cache: &Arc<BlockCache>) -> Result<Sorted, Error> {
        let path = path(dir, number);
        let file = File::open(&path).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::NotFound => Error::corrupt(&path, "a file of rows is gone").with_source(cause),
            _ => Error::unavailable(&path, "a file of rows could not be opened").with_source(cause),
        })?;
        let at = At::from(path.as_path());
        let footer::Footer { rows, blocks, keys, bytes } = footer::read(&file, &at)?;
        Ok(Sorted { file, at, blocks, keys, cache: Some(cache.of_a_file()), number, bytes, rows })
    }

    fn write(
        file: File,
        (dir, go_on): (&Path, GoOn<'_>),
        sync_every: Option<u64>,
        rows_max: usize,
        rows: impl Iterator<Item = Result<Change, Error>>,
    ) -> Result<Sorted, Error> {
        let failed = |cause| Error::unavailable(dir, "rows could not be written").with_source(cause);
        let bits = rows_max.max(64).saturating_mul(BITS_PER_KEY);
        let mut keys = BloomFilter::with_num_bits(bits).seed(&0).expected_items(rows_max.max(64));
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        let (mut blocks, mut block, mut first) = (Vec::new(), Vec::with_capacity(BLOCK_BYTES * 2), None::<Bytes>);
        let (mut offset, mut count, mut synced) = (0_u64, 0_usize, 0_u64);
        for row in rows {
            breathe();
            let (key, value) = row?;
            keys.insert(key.as_ref());
            count = count.saturating_add(1);
            block::append(&mut block, &key, value.as_ref());
            // A copy: the key may be a slice of a whole block of another file, which would stay in memory with it.
            first.get_or_insert_with(|| Bytes::copy_from_slice(&key));
            if block.len() >= BLOCK_BYTES {
                if blocks.len().is_multiple_of(BLOCKS_BETWEEN_LOOKS) {
                    go_on(dir)?;
                }
                close(&mut writer, &mut blocks, &mut block, &mut first, &mut offset).map_err(failed)?;
                if sync_every.is_some_and(|every| offset.saturating_sub(synced) >= every) {
                    in_turn(|| writer.flush().and_then(|()| writer.get_ref().sync_data())).map_err(failed)?;
                    synced = offset;
                }
            }
        }
        close(&mut writer, &mut blocks, &mut block, &mut first, &mut offset).map_err(failed)?;
        let file = in_turn(|| writer.into_inner()).map_err(|error| failed(error.into_error()))?;
        Ok(Sorted { file, at: At::from(dir), blocks, keys, cache: None, number: 0, bytes: offset, rows: count })
    }

    /// `None`: nothing is known of this key here. `Some(None)`: it was deleted.
    pub(super) fn get(&self, key: &[u8], reading: Reading) -> Result<Option<Option<Bytes>>, Error> {
        if !self.keys.contains(key) {
            return Ok(None);
        }
        let after = self.blocks.partition_point(|block| block.first.as_ref() <= key);
        let Some(at) = after.checked_sub(1) else { return Ok(None) };
        if reading == Reading::Kept && self.cache.is_some() {
            // A copy: whoever keeps it shall not keep the block.
            let found = run::find(&self.read(at, reading)?, key).cloned();
            return Ok(found.map(|value| value.map(|value| Bytes::copy_from_slice(&value))));
        }
        block::find(&self.bytes_of(at)?, key).ok_or_else(|| self.corrupt())
    }

    fn read(&self, at: usize, reading: Reading) -> Result<Arc<Vec<Change>>, Error> {
        if let Some((of, cache)) = &self.cache
            && let Some(rows) = cache.get(*of, at)
        {
            return Ok(rows);
        }
        let rows = Arc::new(block::entries(Bytes::from(self.bytes_of(at)?)).ok_or_else(|| self.corrupt())?);
        if let Some((of, cache)) = &self.cache
            && reading == Reading::Kept
        {
            cache.keep(*of, at, &rows);
        }
        Ok(rows)
    }

    fn bytes_of(&self, at: usize) -> Result<Vec<u8>, Error> {
        let block = self.blocks.get(at).ok_or_else(|| self.corrupt())?;
        let mut bytes = vec![0; block.bytes];
        self.file.read_exact_at(&mut bytes, block.offset).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::UnexpectedEof => self.corrupt().with_source(cause),
            _ => Error::unavailable(self.at.clone(), "a file of rows could not be read").with_source(cause),
        })?;
        if crc32c::crc32c(&bytes) != block.checksum {
            return Err(self.corrupt());
        }
        Ok(bytes)
    }

    fn corrupt(&self) -> Error {
        Error::corrupt(self.at.clone(), "a file of rows is not as it was written")
    }
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

/// Where the file of that number is.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{NAME}{number:08}"))
}

/// Whether a file of rows is there, whatever is in it.
pub(super) fn has_any(dir: &Path) -> bool {
    let of_rows = |entry: fs::DirEntry| entry.file_name().to_str().is_some_and(|name| name.starts_with(NAME));
    fs::read_dir(dir).is_ok_and(|entries| entries.flatten().any(of_rows))
}

/// Removes every file of rows but those of these numbers: what a kill left.
pub(super) fn remove_others(dir: &Path, numbers: &[u64]) -> Result<(), Error> {
    let failed = |cause| Error::unavailable(dir, "its files could not be listed or removed").with_source(cause);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|name| name.strip_prefix(NAME)) else { continue };
        if !number.parse().is_ok_and(|number: u64| numbers.contains(&number)) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// What a release wrote is read by the next one: keys that its filter doesn't know would be rows that are gone.
    #[test]
    fn a_file_has_these_bytes_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Arc::new(BlockCache::new(1 << 20));
        let rows = [("a", Some("1")), ("b", None), ("c", Some("three"))];
        let row = |(key, value): (&'static str, Option<&'static str>)| {
            Ok((Bytes::from_static(key.as_bytes()), value.map(|value| Bytes::from_static(value.as_bytes()))))
        };
        Sorted::create((dir.path(), 7), &|_| Ok(()), &cache, 3, rows.into_iter().map(row)).unwrap();
        let bytes = fs::read(dir.path().join("rows-00000007")).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            concat!(
                "0000000100000001613100000001ffffffff6200000001000000056374687265650",
                "1275f834f030101610021fc6bfca0940afd0000000820000008fd000000000080000000fd0000000800000200fd0000000010001000",
                "fd0000010020000140fd0000000000000004fd0002001000001000fb2040fc10020010070000000000000021000000000000005a669e99f7",
            )
        );
        let sorted = Sorted::open(dir.path(), 7, &cache).unwrap();
        for reading in [Reading::Kept, Reading::Once] {
            let found = |key: &str| sorted.get(key.as_bytes(), reading).unwrap();
            assert_eq!(found("a"), Some(Some(Bytes::from_static(b"1"))));
            assert_eq!(found("b"), Some(None));
            assert_eq!(found("d"), None);
        }
    }
}
