//! A batch of consecutive records as one value: a head, then the records, compressed when that pays.
//!
//! Head (26 bytes, little-endian): `version u8 | codec u8 | count u32 | recorded_at_ms i64 | raw length u32 | last
//! recorded_at delta u32 | crc32c u32`, where the checksum covers the head before it and everything after it.
//! A record: `recorded_at delta | flags | [key length, key] | [value length, value] | [header count, headers]`, numbers as
//! LEB128. The base offset is the table's key; a record's offset is the base plus its index.

use std::ops::Range;

use bytes::Bytes;
use orderledger_domain::position::Position;

use crate::Error;
use crate::event_log::{Header, Record};

const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const LZ4: u8 = 1;
const HEAD_BYTES: usize = 26;
const CHECKSUM_AT: usize = 22;
const COMPRESS_FROM_BYTES: usize = 1024;

const HAS_KEY: u8 = 1;
const HAS_VALUE: u8 = 2;
const HAS_HEADERS: u8 = 4;

/// What a batch's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) count: u32,
    pub(super) last_recorded_at_ms: i64,
    codec: u8,
    recorded_at_ms: i64,
    raw_bytes: u32,
}

/// The bytes of a batch; its records' append times don't decrease.
pub(super) fn encode(records: &[Record]) -> Vec<u8> {
    let first_ms = records.first().map_or(0, |record| record.recorded_at_ms);
    let last_ms = records.last().map_or(0, |record| record.recorded_at_ms);
    let mut raw = Vec::with_capacity(records.iter().map(Record::bytes).sum());
    for record in records {
        write_record(&mut raw, record, first_ms);
    }
    let raw_bytes = raw.len();
    let (codec, body) = compressed(raw);
    let mut frame = Vec::with_capacity(HEAD_BYTES + body.len());
    frame.extend_from_slice(&[VERSION, codec]);
    frame.extend_from_slice(&count_u32(records.len()).to_le_bytes());
    frame.extend_from_slice(&first_ms.to_le_bytes());
    frame.extend_from_slice(&count_u32(raw_bytes).to_le_bytes());
    frame.extend_from_slice(&u32::try_from(last_ms.saturating_sub(first_ms)).unwrap_or(u32::MAX).to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&frame), &body);
    frame.extend_from_slice(&checksum.to_le_bytes());
    frame.extend_from_slice(&body);
    frame
}

/// The head of a batch whose checksum is right.
pub(super) fn head(frame: &[u8], base: Position) -> Result<Head, Error> {
    let (head, body) = frame.split_at_checked(HEAD_BYTES).ok_or_else(|| damaged(base))?;
    let (covered, checksum) = head.split_at_checked(CHECKSUM_AT).ok_or_else(|| damaged(base))?;
    let mut fields = Fields(covered);
    let parsed = fields.head().ok_or_else(|| damaged(base))?;
    if crc32c::crc32c_append(crc32c::crc32c(covered), body).to_le_bytes() != checksum {
        return Err(damaged(base));
    }
    parsed.ok_or_else(|| Error::corrupt(base, "the batch is of a version that this binary doesn't know"))
}

/// Appends the batch's records from offset `from` on.
pub(super) fn decode(frame: &[u8], base: Position, from: u64, records: &mut Vec<Record>) -> Result<(), Error> {
    let head = head(frame, base)?;
    let body = frame.get(HEAD_BYTES..).ok_or_else(|| damaged(base))?;
    let raw = match head.codec {
        LZ4 => {
            let mut raw = vec![0; head.raw_bytes as usize];
            let length = lz4_flex::block::decompress_into(body, &mut raw).map_err(|_| damaged(base))?;
            raw.truncate(length);
            Bytes::from(raw)
        }
        _ => Bytes::copy_from_slice(body),
    };
    let mut rest = Body { raw: &raw, at: 0 };
    for offset in base.offset..base.offset.saturating_add(u64::from(head.count)) {
        let record = rest.record(&raw, offset, head.recorded_at_ms).ok_or_else(|| damaged(base))?;
        if offset >= from {
            records.push(record);
        }
    }
    if rest.at == raw.len() { Ok(()) } else { Err(damaged(base)) }
}

/// When the batch's record at `from`, or the first behind it, was appended; `None` if it has none. `scratch` is for the bytes of the batch, and keeps its room: who
/// asks for a time asks for one after another, and new memory costs more than the rest.
pub(super) fn appended_at(
    frame: &[u8],
    base: Position,
    from: u64,
    scratch: &mut Vec<u8>,
) -> Result<Option<i64>, Error> {
    let head = head(frame, base)?;
    if from >= base.offset.saturating_add(u64::from(head.count)) {
        return Ok(None);
    }
    if from <= base.offset {
        return Ok(Some(head.recorded_at_ms));
    }
    let body = frame.get(HEAD_BYTES..).ok_or_else(|| damaged(base))?;
    let raw = match head.codec {
        LZ4 => {
            scratch.resize(head.raw_bytes as usize, 0);
            let length = lz4_flex::block::decompress_into(body, scratch).map_err(|_| damaged(base))?;
            scratch.get(..length).ok_or_else(|| damaged(base))?
        }
        _ => body,
    };
    let mut rest = Body { raw, at: 0 };
    for _ in base.offset..from {
        rest.skip_record().ok_or_else(|| damaged(base))?;
    }
    rest.recorded_at(head.recorded_at_ms).map(Some).ok_or_else(|| damaged(base))
}

fn compressed(raw: Vec<u8>) -> (u8, Vec<u8>) {
    if raw.len() >= COMPRESS_FROM_BYTES {
        let body = lz4_flex::block::compress(&raw);
        if body.len() < raw.len() / 8 * 7 {
            return (LZ4, body);
        }
    }
    (PLAIN, raw)
}

fn write_record(raw: &mut Vec<u8>, record: &Record, first_ms: i64) {
    write_number(raw, u64::try_from(record.recorded_at_ms.saturating_sub(first_ms)).unwrap_or(0));
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    raw.push(
        flag(record.key.is_some(), HAS_KEY)
            | flag(record.value.is_some(), HAS_VALUE)
            | flag(!record.headers.is_empty(), HAS_HEADERS),
    );
    for bytes in [&record.key, &record.value].into_iter().flatten() {
        write_bytes(raw, bytes);
    }
    if !record.headers.is_empty() {
        write_number(raw, record.headers.len() as u64);
        for (name, value) in &record.headers {
            write_bytes(raw, name.as_bytes());
            write_bytes(raw, value);
        }
    }
}

fn write_bytes(raw: &mut Vec<u8>, bytes: &[u8]) {
    write_number(raw, bytes.len() as u64);
    raw.extend_from_slice(bytes);
}

fn write_number(raw: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        raw.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    raw.push(number as u8);
}

/// A batch is cut long before 4 GiB; a single record is bounded by `MAX_RECORD_BYTES`.
fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn damaged(base: Position) -> Error {
    Error::corrupt(base, "the batch stored here is damaged: its checksum or its form is wrong")
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    /// The inner `None` means: whole, but of another version or codec.
    fn head(&mut self) -> Option<Option<Head>> {
        let [version, codec] = self.take()?;
        let count = u32::from_le_bytes(self.take()?);
        let recorded_at_ms = i64::from_le_bytes(self.take()?);
        let raw_bytes = u32::from_le_bytes(self.take()?);
        let last_ms = recorded_at_ms.saturating_add(i64::from(u32::from_le_bytes(self.take()?)));
        let known = version == VERSION && codec <= LZ4;
        Some(known.then_some(Head { count, last_recorded_at_ms: last_ms, codec, recorded_at_ms, raw_bytes }))
    }
}

/// The records of a batch, one after another.
struct Body<'a> {
    raw: &'a [u8],
    at: usize,
}

impl Body<'_> {
    /// The next record; its bytes are slices of `whole`, which is the same as `raw`.
    fn record(&mut self, whole: &Bytes, offset: u64, first_ms: i64) -> Option<Record> {
        let recorded_at_ms = self.recorded_at(first_ms)?;
        let flags = self.byte()?;
        let key = if flags & HAS_KEY != 0 { Some(self.bytes(whole)?) } else { None };
        let value = if flags & HAS_VALUE != 0 { Some(self.bytes(whole)?) } else { None };
        let headers = if flags & HAS_HEADERS != 0 { self.headers(whole)? } else { Vec::new() };
        Some(Record { offset, recorded_at_ms, key, value, headers })
    }

    /// When the next record was appended, with which it begins.
    fn recorded_at(&mut self, first_ms: i64) -> Option<i64> {
        first_ms.checked_add_unsigned(self.number()?)
    }

    fn skip_record(&mut self) -> Option<()> {
        self.number()?;
        let flags = self.byte()?;
        for _ in [HAS_KEY, HAS_VALUE].into_iter().filter(|has| flags & has != 0) {
            self.span()?;
        }
        if flags & HAS_HEADERS != 0 {
            for _ in 0..self.number()? {
                self.span()?;
                self.span()?;
            }
        }
        Some(())
    }

    fn headers(&mut self, whole: &Bytes) -> Option<Vec<Header>> {
        let count = self.number()?;
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = String::from_utf8(self.bytes(whole)?.to_vec()).ok()?;
            headers.push((name, self.bytes(whole)?));
        }
        Some(headers)
    }

    fn bytes(&mut self, whole: &Bytes) -> Option<Bytes> {
        self.span().map(|span| whole.slice(span))
    }

    /// Where bytes of a length that stands before them lie.
    fn span(&mut self) -> Option<Range<usize>> {
        let length = usize::try_from(self.number()?).ok()?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.raw.len())?;
        let span = self.at..end;
        self.at = end;
        Some(span)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.raw.get(self.at)?;
        self.at += 1;
        Some(byte)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::position::Topic;
    use proptest::prelude::*;

    use super::*;

    fn base(offset: u64) -> Position {
        Topic::Orders.at(0).offset(offset)
    }

    fn decoded(frame: &[u8], from: u64) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        decode(frame, base(100), from, &mut records).map(|()| records)
    }

    fn is_corrupt<T>(decoded: &Result<T, Error>) -> bool {
        matches!(decoded, Err(Error::Corrupt { .. }))
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from));
        let headers = proptest::collection::vec(("[a-z]{0,9}", bytes().prop_map(Option::unwrap_or_default)), 0..3);
        proptest::collection::vec((0..500_i64, bytes(), bytes(), headers), 1..40).prop_map(|rows| {
            let mut recorded_at_ms = 1_700_000_000_000;
            let row = |(index, (later, key, value, headers))| {
                recorded_at_ms += later;
                Record { offset: 100 + index as u64, recorded_at_ms, key, value, headers }
            };
            rows.into_iter().enumerate().map(row).collect()
        })
    }

    proptest! {
        #[test]
        fn a_batch_is_read_back_as_written(records in records(), skip in 0_u64..40) {
            let frame = encode(&records);
            let head = head(&frame, base(100)).unwrap();
            prop_assert_eq!(head.count as usize, records.len());
            prop_assert_eq!(head.last_recorded_at_ms, records.last().unwrap().recorded_at_ms);
            prop_assert_eq!(decoded(&frame, 0).unwrap(), records.clone());
            let rest: Vec<Record> = records.iter().filter(|record| record.offset >= 100 + skip).cloned().collect();
            let mut scratch = vec![7; 3];
            let time = |record: &Record| record.recorded_at_ms;
            prop_assert_eq!(appended_at(&frame, base(100), 100 + skip, &mut scratch).unwrap(), rest.first().map(time));
            prop_assert_eq!(appended_at(&frame, base(100), 0, &mut scratch).unwrap(), records.first().map(time));
            prop_assert_eq!(decoded(&frame, 100 + skip).unwrap(), rest);
        }

        #[test]
        fn a_damaged_batch_is_corrupt_and_never_a_panic(records in records(), at: prop::sample::Index, bit in 0..8) {
            let mut frame = encode(&records);
            let at = at.index(frame.len());
            frame[at] ^= 1_u8 << bit;
            let has_no_time = |frame: &[u8]| is_corrupt(&appended_at(frame, base(100), 0, &mut Vec::new()));
            prop_assert!(is_corrupt(&decoded(&frame, 0)) && has_no_time(&frame));
            frame.truncate(at);
            prop_assert!(is_corrupt(&decoded(&frame, 0)) && has_no_time(&frame));
        }
    }

    #[test]
    fn text_is_compressed_and_noise_is_not() {
        let record = |value: Vec<u8>| Record {
            offset: 100,
            recorded_at_ms: 1,
            key: None,
            value: Some(Bytes::from(value)),
            headers: Vec::new(),
        };
        let text = encode(&[record(b"{\"price\":150.25}".repeat(1000))]);
        assert!(text.len() < 1000, "{}", text.len());
        let mut state = 1_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let noise: Vec<u8> = std::iter::repeat_with(&mut noise).take(16_000).collect();
        assert_eq!(encode(&[record(noise)]).len(), HEAD_BYTES + 16_000 + 4);
    }
}
