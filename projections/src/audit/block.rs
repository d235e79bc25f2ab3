//! Blocks of consecutive records, byte for byte. Where a block ends depends on its records alone.

use bytes::Bytes;
use orderledger_domain::event::EventType;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::event_log::Header;
use orderledger_store::keys::{KeyReader, RECORD_BLOCK};
use orderledger_store::views::{Direction, ViewReader};

use super::rows::{self, BLOCK_BYTES_MAX, BLOCK_RECORDS_MAX, BlockHead, BlockPart, PART_BYTES_MAX, RawBytes, TypeSet};
use super::varint::{self, Decoder};
use crate::worker::read::Read;

/// A record as the trail keeps it: what stood in the log, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Where it stands in the log.
    pub position: Position,
    /// When the log took it.
    pub recorded_at: Timestamp,
    /// The newest append time of its partition up to it: what questions by recorded time go by.
    pub recorded_max: Timestamp,
    /// Its event type, where it has one that can be read.
    pub event_type: Option<EventType>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
}

impl StoredRecord {
    /// The bytes of key, value and headers.
    pub fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len().saturating_add(value.len()));
        [&self.key, &self.value].into_iter().flatten().map(Bytes::len).chain(headers).fold(0, usize::saturating_add)
    }

    /// The same record in memory of its own, so that keeping it does not keep its whole block.
    #[must_use]
    pub fn detached(mut self) -> StoredRecord {
        let own = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        self.key = self.key.as_ref().map(own);
        self.value = self.value.as_ref().map(own);
        self.headers.iter_mut().for_each(|(_, value)| *value = own(value));
        self
    }
}

/// A block that grows, or has just stopped to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenBlock {
    base: u64,
    count: u32,
    last_offset: u64,
    last_recorded_at: i64,
    recorded_max: i64,
    types: TypeSet,
    raw: Vec<u8>,
    /// In how many rows it stands in the view.
    parts_written: u32,
}

impl OpenBlock {
    /// An empty block that begins with the record at `base`.
    pub(super) fn new(base: u64, recorded_max: Timestamp) -> OpenBlock {
        OpenBlock {
            base,
            count: 0,
            last_offset: base,
            last_recorded_at: recorded_max.micros(),
            recorded_max: recorded_max.micros(),
            types: TypeSet::default(),
            raw: Vec::with_capacity(BLOCK_BYTES_MAX),
            parts_written: 0,
        }
    }

    /// Appends the record unless the block is full; false if it is.
    pub(super) fn append(&mut self, read: &Read, type_number: u8) -> bool {
        if self.count >= BLOCK_RECORDS_MAX {
            return false;
        }
        let before = self.raw.len();
        varint::write(read.position.offset.saturating_sub(self.last_offset), &mut self.raw);
        varint::write_signed(read.recorded_at.micros().saturating_sub(self.last_recorded_at), &mut self.raw);
        self.raw.push(type_number);
        varint::write_option(read.key.as_deref(), &mut self.raw);
        varint::write_option(read.value.as_deref(), &mut self.raw);
        varint::write(u64::try_from(read.headers.len()).unwrap_or(u64::MAX), &mut self.raw);
        for (name, value) in &read.headers {
            varint::write_bytes(name.as_bytes(), &mut self.raw);
            varint::write_bytes(value, &mut self.raw);
        }
        if self.count > 0 && self.raw.len() > BLOCK_BYTES_MAX {
            self.raw.truncate(before);
            return false;
        }
        self.count = self.count.saturating_add(1);
        self.last_offset = read.position.offset;
        self.last_recorded_at = read.recorded_at.micros();
        self.types.add(TypeSet::of_number(type_number));
        true
    }

    /// The block's rows, compressed, and those of a longer form of it, which go.
    pub(super) fn rows(&mut self, of: TopicPartition) -> Result<Vec<(Bytes, Option<BlockPart>)>, Error> {
        let packed = lz4_flex::block::compress(&self.raw);
        let part_count = u32::try_from(packed.chunks(PART_BYTES_MAX).len()).unwrap_or(u32::MAX);
        let head = BlockHead {
            count: self.count,
            last_offset: self.last_offset,
            recorded_max: self.recorded_max,
            types: self.types,
            raw_len: u32::try_from(self.raw.len()).map_err(|_| too_long(of, self.base))?,
            parts: part_count,
        };
        let there = (0..).zip(packed.chunks(PART_BYTES_MAX)).map(|(part, bytes)| {
            let row = BlockPart { head: (part == 0).then_some(head), packed: RawBytes(bytes.to_vec()) };
            (rows::record_block(of, self.base, part), Some(row))
        });
        let gone = (part_count..self.parts_written).map(|part| (rows::record_block(of, self.base, part), None));
        self.parts_written = part_count;
        Ok(there.chain(gone).collect())
    }

    /// The last block of a partition, to grow on.
    pub(super) fn load(reader: &ViewReader, of: TopicPartition) -> Result<Option<OpenBlock>, Error> {
        let Some(block) = Block::at_or_before(reader, of, u64::MAX)? else { return Ok(None) };
        let raw = block.raw()?;
        let last = block.decode()?.pop().ok_or_else(|| damaged(of, block.base, "no record"))?;
        let BlockHead { count, last_offset, recorded_max, types, parts, .. } = block.head;
        let last_recorded_at = last.recorded_at.micros();
        let (base, raw, parts_written) = (block.base, raw.to_vec(), parts);
        Ok(Some(OpenBlock { base, count, last_offset, last_recorded_at, recorded_max, types, raw, parts_written }))
    }
}

/// A block as it stands in a view.
#[derive(Clone, Debug)]
pub(super) struct Block {
    of: TopicPartition,
    pub(super) base: u64,
    pub(super) head: BlockHead,
    /// The compressed bytes of all parts.
    packed: Vec<u8>,
}

impl Block {
    /// The block that holds the record at `offset`, or the one before it where the log has a hole.
    pub(super) fn at_or_before(reader: &ViewReader, of: TopicPartition, offset: u64) -> Result<Option<Block>, Error> {
        let (low, high) = (rows::record_blocks(of), rows::record_block(of, offset, u32::MAX));
        let found = reader.first_row::<BlockPart, _>(low..=high, Direction::Descending)?;
        let Some((key, last)) = found else { return Ok(None) };
        let (base, last_number) = read_key(of, &key)?;
        let part = |part| {
            let row = reader.get_row::<BlockPart>(&rows::record_block(of, base, part))?;
            row.ok_or_else(|| damaged(of, base, "a part is missing"))
        };
        let mut last = Some(last);
        let mut part = |number| match last.take_if(|_| number == last_number) {
            Some(found) => Ok(found),
            None => part(number),
        };
        let mut block = Block::new(of, base, part(0)?)?;
        for number in 1..block.head.parts {
            block.extend(part(number)?)?;
        }
        Ok(Some(block))
    }

    fn new(of: TopicPartition, base: u64, first: BlockPart) -> Result<Block, Error> {
        let head = first.head.ok_or_else(|| damaged(of, base, "it does not begin with its first part"))?;
        Ok(Block { of, base, head, packed: first.packed.0 })
    }

    fn extend(&mut self, part: BlockPart) -> Result<(), Error> {
        if part.head.is_some() {
            return Err(damaged(self.of, self.base, "a part is another block's first"));
        }
        self.packed.extend_from_slice(&part.packed.0);
        Ok(())
    }

    fn raw(&self) -> Result<Bytes, Error> {
        let length = usize::try_from(self.head.raw_len).unwrap_or(usize::MAX);
        let raw = lz4_flex::block::decompress(&self.packed, length);
        Ok(Bytes::from(raw.map_err(|cause| damaged(self.of, self.base, "can't be unpacked").with_source(cause))?))
    }

    /// Its records, in order; they share one piece of memory.
    pub(super) fn decode(&self) -> Result<Vec<StoredRecord>, Error> {
        let mut decoder = Decoder::new(self.raw()?);
        let mut records = Vec::with_capacity(usize::try_from(self.head.count.min(BLOCK_RECORDS_MAX)).unwrap_or(0));
        let (mut offset, mut recorded_at, mut recorded_max) =
            (self.base, self.head.recorded_max, self.head.recorded_max);
        for _ in 0..self.head.count {
            let fields = decode_record(&mut decoder, &mut offset, &mut recorded_at);
            let (number, key, value, headers) = fields.ok_or_else(|| damaged(self.of, self.base, "ends early"))?;
            recorded_max = recorded_max.max(recorded_at);
            records.push(StoredRecord {
                position: self.of.offset(offset),
                recorded_at: Timestamp::from_micros(recorded_at),
                recorded_max: Timestamp::from_micros(recorded_max),
                event_type: rows::type_of_number(number),
                key,
                value,
                headers,
            });
        }
        let whole = decoder.is_at_end() && offset == self.head.last_offset;
        if whole { Ok(records) } else { Err(damaged(self.of, self.base, "other records than its head says")) }
    }
}

type Fields = (u8, Option<Bytes>, Option<Bytes>, Vec<Header>);

fn decode_record(decoder: &mut Decoder, offset: &mut u64, recorded_at: &mut i64) -> Option<Fields> {
    *offset = offset.checked_add(decoder.number()?)?;
    *recorded_at = recorded_at.checked_add(decoder.signed()?)?;
    let number = decoder.byte()?;
    let (key, value) = (decoder.option()?, decoder.option()?);
    let mut headers = Vec::new();
    for _ in 0..decoder.number()? {
        let name = String::from_utf8(decoder.bytes()?.to_vec()).ok()?;
        headers.push((name, decoder.bytes()?));
    }
    Some((number, key, value, headers))
}

/// The blocks of a range of offsets of one partition, in order, each read once.
pub(super) struct Blocks {
    of: TopicPartition,
    parts: Parts,
}

type Parts = Box<dyn Iterator<Item = Result<(Bytes, BlockPart), Error>>>;

impl Blocks {
    /// From the block that holds `from`, or the first behind it, to the last that begins below `to`.
    pub(super) fn new(reader: &ViewReader, of: TopicPartition, from: u64, to: u64) -> Result<Blocks, Error> {
        let before = Block::at_or_before(reader, of, from)?.filter(|block| block.head.last_offset >= from);
        let low = rows::record_block(of, before.map_or(from, |block| block.base), 0);
        let high = rows::record_block(of, to, 0);
        let parts: Parts = if low < high {
            Box::new(reader.scan_rows(low..high, Direction::Ascending))
        } else {
            Box::new(std::iter::empty())
        };
        Ok(Blocks { of, parts })
    }

    fn read(&mut self, key: &[u8], first: BlockPart) -> Result<Block, Error> {
        let (base, _) = read_key(self.of, key)?;
        let mut block = Block::new(self.of, base, first)?;
        for part in 1..block.head.parts {
            let (key, row) = self.parts.next().ok_or_else(|| damaged(self.of, base, "a part is missing"))??;
            if read_key(self.of, &key)? != (base, part) {
                return Err(damaged(self.of, base, "a part is missing"));
            }
            block.extend(row)?;
        }
        Ok(block)
    }
}

impl Iterator for Blocks {
    type Item = Result<Block, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.parts.next()?;
        Some(row.and_then(|(key, first)| self.read(&key, first)))
    }
}

fn read_key(of: TopicPartition, key: &[u8]) -> Result<(u64, u32), Error> {
    let mut fields = KeyReader::new(RECORD_BLOCK, key)?;
    let place = (fields.u8()?, fields.u32()?);
    let base = (fields.u64()?, fields.u32()?);
    fields.end()?;
    if place == (of.topic.number(), of.partition) { Ok(base) } else { Err(damaged(of, base.0, "another partition's")) }
}

fn damaged(of: TopicPartition, base: u64, what: &'static str) -> Error {
    Error::corrupt(of.offset(base), format!("a block of the audit trail is damaged: {what}"))
}

fn too_long(of: TopicPartition, base: u64) -> Error {
    Error::refused(of.offset(base), "a record of more than 4 GiB can't be kept")
}
