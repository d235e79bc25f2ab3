//! Streams: the derived records of one stage from one source partition into one target partition.
//!
//! `metadata.sequence` is gap-free in a stream and `metadata.prev` is a keyed digest of its previous record, so a
//! reader that keeps the last (sequence, digest) of each stream takes every record exactly once, in order: go-back-N.

use std::collections::BTreeMap;
use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

use crate::envelope::{Cause, Stamp};
use crate::planted::{self, Bug};
use crate::position::{Topic, TopicPartition};

/// The secret of the streams' digests. Without one (the default) a digest finds damage, not forgery.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamKey([u8; 16]);

impl std::fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StreamKey(secret)")
    }
}

impl StreamKey {
    /// A key of 16 secret bytes.
    pub const fn new(bytes: [u8; 16]) -> StreamKey {
        StreamKey(bytes)
    }

    /// What the first record of a stream names as `prev`: 0 without a key, else a digest that only the key gives, so that
    /// nobody else can begin a stream.
    pub fn first_prev(&self, stream: StreamId, target: TopicPartition) -> u64 {
        if *self == StreamKey::default() {
            return 0;
        }
        self.digest(Some(format!("{}>{target}", stream.0).as_bytes()), None)
    }

    /// The stamp as readers and writers of streams judge it, who know a stream that has not begun by the digest 0: a first
    /// record's `prev` is 0 if it is the right one, and never matches if it is not.
    pub fn check_first(&self, stamp: Stamp, target: TopicPartition) -> Stamp {
        if stamp.sequence != 1 {
            return stamp;
        }
        let right = stamp.prev == self.first_prev(StreamId::of(&stamp), target);
        Stamp { prev: if right { 0 } else { u64::MAX }, ..stamp }
    }

    /// The digest of a record: SipHash-2-4 (Aumasson, Bernstein 2012) of its key's length, its key and its value.
    pub fn digest(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        for part in [key, value] {
            let length = part.map_or(u64::MAX, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            hasher.write(&length.to_le_bytes());
            hasher.write(part.unwrap_or_default());
        }
        hasher.finish()
    }
}

/// A stream's name in the partition where it ends: its source partition. `orders` is read by intake, `books` by matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub TopicPartition);

impl StreamId {
    /// The stream that a stamp claims to belong to.
    pub const fn of(stamp: &Stamp) -> StreamId {
        StreamId(stamp.cause.position.topic_partition())
    }

    /// Whether the stream is the intake's of that partition of `orders`.
    pub fn is_intake_of(self, partition: u32) -> bool {
        self.0 == Topic::Orders.at(partition)
    }
}

/// How far a stream is known: its last record's sequence and digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamMark {
    /// The last record's sequence, 0 before the first.
    pub sequence: u64,
    /// The last record's digest, 0 before the first.
    pub digest: u64,
}

impl StreamMark {
    /// The stamp of the stream's next record.
    pub fn next_stamp(&self, cause: Cause) -> Stamp {
        Stamp { cause, sequence: self.sequence.saturating_add(1), prev: self.digest }
    }

    /// What a record with that stamp is to a reader that stands here.
    pub fn judge(&self, stamp: &Stamp, digest: u64) -> Arrival {
        if stamp.sequence == self.sequence && self.sequence > 0 && planted::is(Bug::RepeatApplied) {
            return Arrival::Next;
        }
        if stamp.sequence <= self.sequence {
            return Arrival::Repeat { diverges: stamp.sequence == self.sequence && digest != self.digest };
        }
        let next = stamp.sequence == self.sequence.saturating_add(1) && stamp.prev == self.digest;
        if next { Arrival::Next } else { Arrival::OutOfStream }
    }
}

/// What a derived record is to a reader of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next of the stream: apply it.
    Next,
    /// At or below the last: drop it.
    Repeat {
        /// The last record again, with other bytes: a diverging twin.
        diverges: bool,
    },
    /// Neither: a gap or a forgery; not applied, and it stops nothing.
    OutOfStream,
}

/// The streams that end in one partition, as one reader knows them: O(partitions) memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamMarks(BTreeMap<StreamId, StreamMark>);

impl StreamMarks {
    /// How far that stream is known.
    pub fn mark(&self, stream: StreamId) -> StreamMark {
        self.0.get(&stream).copied().unwrap_or_default()
    }

    /// Judges a stamped record and, if it is the next of its stream, remembers it.
    pub fn take(&mut self, stamp: &Stamp, digest: u64) -> Arrival {
        let stream = StreamId::of(stamp);
        let arrival = self.mark(stream).judge(stamp, digest);
        if arrival == Arrival::Next {
            self.0.insert(stream, StreamMark { sequence: stamp.sequence, digest });
        }
        arrival
    }

    /// All streams in their order.
    pub fn iter(&self) -> impl Iterator<Item = (StreamId, StreamMark)> + '_ {
        self.0.iter().map(|(stream, mark)| (*stream, *mark))
    }
}

impl FromIterator<(StreamId, StreamMark)> for StreamMarks {
    fn from_iter<I: IntoIterator<Item = (StreamId, StreamMark)>>(marks: I) -> Self {
        StreamMarks(marks.into_iter().collect())
    }
}

type MarkRow = (u8, u32, u64, u64);

impl Serialize for StreamMarks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.iter().map(|(StreamId(source), mark)| -> MarkRow {
            (source.topic.number(), source.partition, mark.sequence, mark.digest)
        });
        rows.collect::<Vec<_>>().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StreamMarks {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let rows = Vec::<MarkRow>::deserialize(deserializer)?;
        rows.into_iter()
            .map(|(topic, partition, sequence, digest)| {
                let topic = Topic::from_number(topic).ok_or_else(|| D::Error::custom("unknown topic number"))?;
                Ok((StreamId(topic.at(partition)), StreamMark { sequence, digest }))
            })
            .collect()
    }
}
