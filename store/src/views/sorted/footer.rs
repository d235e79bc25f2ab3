//! What stands at the end of a sorted file that has a name: where its blocks are, and which keys it may have. Then 20 bytes:
//! where that begins, how long it is, and the CRC-32C of these two numbers.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use fastbloom::BloomFilter;
use serde::{Deserialize, Serialize};

use super::block::Block;
use crate::error::At;
use crate::{Error, codec, in_turn};

/// The shape of the footer.
const SCHEMA: u8 = 1;
const TRAILER_BYTES: u64 = 20;

#[derive(Serialize, Deserialize)]
struct Stored {
    rows: u64,
    /// First key, offset, bytes and checksum of each block.
    blocks: Vec<(Vec<u8>, u64, u32, u32)>,
    filter: Vec<u64>,
    hashes: u32,
}

/// What is known of a file without reading its blocks.
pub(super) struct Footer {
    pub(super) rows: usize,
    pub(super) blocks: Vec<Block>,
    pub(super) keys: BloomFilter,
    /// Of the file, all in all.
    pub(super) bytes: u64,
}

/// Writes it behind the blocks, which end at `offset`, and syncs the file; how long the file is then.
pub(super) fn append(
    mut file: &File,
    offset: u64,
    rows: usize,
    blocks: &[Block],
    keys: &BloomFilter,
) -> std::io::Result<u64> {
    let number = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let block = |block: &Block| (block.first.to_vec(), block.offset, number(block.bytes), block.checksum);
    let stored = Stored {
        rows: u64::try_from(rows).unwrap_or(u64::MAX),
        blocks: blocks.iter().map(block).collect(),
        filter: keys.as_slice().to_vec(),
        hashes: keys.num_hashes(),
    };
    let frame = codec::encode(SCHEMA, &stored).map_err(std::io::Error::other)?;
    let length = u64::try_from(frame.len()).unwrap_or(u64::MAX);
    in_turn(|| {
        file.write_all(&frame)?;
        file.write_all(&trailer(offset, length))?;
        file.sync_all()
    })?;
    Ok(offset.saturating_add(length).saturating_add(TRAILER_BYTES))
}

fn trailer(offset: u64, length: u64) -> Vec<u8> {
    let mut trailer = [offset.to_be_bytes(), length.to_be_bytes()].concat();
    let checksum = crc32c::crc32c(&trailer);
    trailer.extend_from_slice(&checksum.to_be_bytes());
    trailer
}

/// Reads it; [`Error::Corrupt`] if it isn't one.
pub(super) fn read(file: &File, at: &At) -> Result<Footer, Error> {
    let corrupt = || Error::corrupt(at.clone(), "a file of rows is not as it was written");
    let failed = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::UnexpectedEof => corrupt().with_source(cause),
        _ => Error::unavailable(at.clone(), "a file of rows could not be read").with_source(cause),
    };
    let bytes = file.metadata().map_err(failed)?.len();
    let mut last = [0; 20];
    let trailer_at = bytes.checked_sub(TRAILER_BYTES).ok_or_else(corrupt)?;
    file.read_exact_at(&mut last, trailer_at).map_err(failed)?;
    let number = |from: usize| last.get(from..).and_then(|rest| rest.first_chunk()).copied().map(u64::from_be_bytes);
    let (Some(offset), Some(length)) = (number(0), number(8)) else { return Err(corrupt()) };
    if trailer(offset, length) != last || offset.checked_add(length) != Some(trailer_at) {
        return Err(corrupt());
    }
    let mut frame = vec![0; usize::try_from(length).map_err(|_| corrupt())?];
    file.read_exact_at(&mut frame, offset).map_err(failed)?;
    let stored: Stored = codec::decode_at(at, SCHEMA, &frame)?;
    let end = stored.blocks.last().map_or(0, |block| block.1.saturating_add(u64::from(block.2)));
    if end != offset || stored.filter.is_empty() {
        return Err(corrupt());
    }
    let block = |(first, offset, bytes, checksum): (Vec<u8>, u64, u32, u32)| Block {
        first: Bytes::from(first),
        offset,
        bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        checksum,
    };
    Ok(Footer {
        rows: usize::try_from(stored.rows).map_err(|_| corrupt())?,
        blocks: stored.blocks.into_iter().map(block).collect(),
        keys: BloomFilter::from_vec(stored.filter).seed(&0).hashes(stored.hashes),
        bytes,
    })
}
