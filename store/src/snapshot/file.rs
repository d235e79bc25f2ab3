//! The bytes of a snapshot or mark file:
//! `[magic 8][schema u16][crc32c u32][head length u32][head][body]`, numbers big-endian, the checksum over all the rest.

use std::path::Path;

use orderledger_domain::position::{Topic, TopicPartition};
use serde::{Deserialize, Serialize};

use super::{Mark, Snapshot, TargetMark};
use crate::error::At;
use crate::{Error, codec};

pub(super) const SNAPSHOT: [u8; 8] = *b"olstage\n";
pub(super) const MARK: [u8; 8] = *b"olmark \n";

/// The schema of a mark file, whose body is empty.
pub(super) const MARK_SCHEMA: u16 = 1;

/// The shape of [`Head`].
const HEAD_SCHEMA: u8 = 1;

/// Up to where the parts stand: magic, schema, checksum, head length.
const FIXED_LEN: usize = 18;

/// The positions that both kinds of file hold.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    source_next: u64,
    source_digest: u64,
    targets: Vec<Target>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Target {
    topic: u8,
    partition: u32,
    offset: u64,
    sequence: u64,
    digest: u64,
}

impl Head {
    pub(super) fn of_snapshot(snapshot: &Snapshot) -> Head {
        let Snapshot { source_next, source_digest, .. } = *snapshot;
        Head { source_next, source_digest, targets: snapshot.targets.iter().map(Target::of).collect() }
    }

    pub(super) fn of_mark(mark: &Mark) -> Head {
        let Mark { source_next, source_digest, .. } = *mark;
        Head { source_next, source_digest, targets: mark.targets.iter().map(Target::of).collect() }
    }

    pub(super) fn into_snapshot(self, body: Vec<u8>) -> Snapshot {
        let Mark { source_next, source_digest, targets } = self.into_mark();
        Snapshot { source_next, source_digest, targets, body }
    }

    pub(super) fn into_mark(self) -> Mark {
        let targets = self.targets.iter().filter_map(Target::mark).collect();
        Mark { source_next: self.source_next, source_digest: self.source_digest, targets }
    }
}

impl Target {
    fn of(mark: &TargetMark) -> Target {
        let TargetMark { tp, offset, sequence, digest } = *mark;
        Target { topic: tp.topic.number(), partition: tp.partition, offset, sequence, digest }
    }

    fn mark(&self) -> Option<TargetMark> {
        let tp = TopicPartition { topic: Topic::from_number(self.topic)?, partition: self.partition };
        Some(TargetMark { tp, offset: self.offset, sequence: self.sequence, digest: self.digest })
    }
}

/// Everything that stands before the body.
pub(super) fn encode(magic: &[u8; 8], schema: u16, head: &Head, body: &[u8]) -> Result<Vec<u8>, Error> {
    let head = codec::encode(HEAD_SCHEMA, head)?;
    let too_long = |_| Error::refused(At::Frame, "a snapshot with more target partitions than a file can hold");
    let head_len = u32::try_from(head.len()).map_err(too_long)?.to_be_bytes();
    let before = [&magic[..], &schema.to_be_bytes()].concat();
    let after = [&head_len[..], &head].concat();
    let checksum = [&before[..], &after, body].iter().fold(0, |sum, part| crc32c::crc32c_append(sum, part));
    Ok([&before[..], &checksum.to_be_bytes(), &after].concat())
}

/// The head and the body; [`Error::Corrupt`] if the bytes are anything else.
pub(super) fn decode(path: &Path, magic: &[u8; 8], schema: u16, mut bytes: Vec<u8>) -> Result<(Head, Vec<u8>), Error> {
    let corrupt = |what: &'static str| Error::corrupt(path, what);
    let fixed = bytes.first_chunk::<FIXED_LEN>().ok_or_else(|| corrupt("it is too short"))?;
    let [m0, m1, m2, m3, m4, m5, m6, m7, s0, s1, c0, c1, c2, c3, h0, h1, h2, h3] = *fixed;
    if [m0, m1, m2, m3, m4, m5, m6, m7] != *magic {
        return Err(corrupt("it is another kind of file"));
    }
    let found = u16::from_be_bytes([s0, s1]);
    if found != schema {
        return Err(Error::corrupt(path, format!("schema {found} where {schema} is expected")));
    }
    let (before, after) = (bytes.get(..10).unwrap_or_default(), bytes.get(14..).unwrap_or_default());
    if crc32c::crc32c_append(crc32c::crc32c(before), after) != u32::from_be_bytes([c0, c1, c2, c3]) {
        return Err(corrupt("wrong checksum"));
    }
    let head_len = usize::try_from(u32::from_be_bytes([h0, h1, h2, h3])).unwrap_or(usize::MAX);
    let head_end = FIXED_LEN.saturating_add(head_len);
    let head = bytes.get(FIXED_LEN..head_end).ok_or_else(|| corrupt("its head is cut"))?;
    let head: Head = codec::decode_at(&At::from(path), HEAD_SCHEMA, head)?;
    if head.targets.iter().any(|target| target.mark().is_none()) {
        return Err(corrupt("an unknown topic"));
    }
    bytes.drain(..head_end);
    Ok((head, bytes))
}
