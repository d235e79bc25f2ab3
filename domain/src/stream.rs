//! Streams: the derived records of one stage from one source partition into one target partition.
//!
//! `metadata.sequence` is gap-free in a stream and `metadata.prev` is a keyed digest of its previous record, so a
//! reader that keeps the last (sequence, digest) of each stream takes every record exactly once, in order: go-back-N.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::envelope::{Cause, Stamp};
use crate::ids::KeyId;
use crate::planted::{self, Bug};
use crate::position::{Topic, TopicPartition};

pub use crate::stream_key::{DuplicateKey, StreamKey};

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
        Stamp { cause, sequence: self.sequence.saturating_add(1), prev: self.digest, key: None, takes: None }
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
pub struct StreamMarks {
    marks: BTreeMap<StreamId, StreamMark>,
    /// The key that seals each stream, from its StreamKeyTaken on.
    keys: BTreeMap<StreamId, KeyId>,
}

impl StreamMarks {
    /// How far that stream is known.
    pub fn mark(&self, stream: StreamId) -> StreamMark {
        self.marks.get(&stream).copied().unwrap_or_default()
    }

    /// What a stamped record is to a reader that knows these streams. Only a record sealed with the key that its stream
    /// has taken can be the next.
    pub fn judge(&self, stamp: &Stamp, digest: u64) -> Arrival {
        let stream = StreamId::of(stamp);
        match self.mark(stream).judge(stamp, digest) {
            Arrival::Next if stamp.key != self.keys.get(&stream).copied() => Arrival::OutOfStream,
            arrival => arrival,
        }
    }

    /// Judges a stamped record and, if it is the next of its stream, remembers it.
    pub fn take(&mut self, stamp: &Stamp, digest: u64) -> Arrival {
        let stream = StreamId::of(stamp);
        let arrival = self.judge(stamp, digest);
        if arrival == Arrival::Next {
            self.marks.insert(stream, StreamMark { sequence: stamp.sequence, digest });
            if let Some(key) = stamp.takes {
                self.keys.insert(stream, key);
            }
        }
        arrival
    }

    /// All streams in their order.
    pub fn iter(&self) -> impl Iterator<Item = (StreamId, StreamMark)> + '_ {
        self.marks.iter().map(|(stream, mark)| (*stream, *mark))
    }

    /// The key that a stream has taken.
    pub fn key(&self, stream: StreamId) -> Option<KeyId> {
        self.keys.get(&stream).copied()
    }

    /// The keys that the streams have taken.
    pub fn keys(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.keys.values().copied()
    }
}

impl FromIterator<(StreamId, StreamMark)> for StreamMarks {
    fn from_iter<I: IntoIterator<Item = (StreamId, StreamMark)>>(marks: I) -> Self {
        StreamMarks { marks: marks.into_iter().collect(), keys: BTreeMap::new() }
    }
}

/// Topic number, partition, sequence, digest. A row whose number has [`KEY`] in it says with the last two which key its
/// stream has taken: so marks of streams that took none are stored as they were before there was more than one key.
type MarkRow = (u8, u32, u64, u64);
const KEY: u8 = 0x80;

impl Serialize for StreamMarks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let marks = self.iter().map(|(StreamId(source), mark)| -> MarkRow {
            (source.topic.number(), source.partition, mark.sequence, mark.digest)
        });
        let keys = self.keys.iter().map(|(StreamId(source), key)| -> MarkRow {
            let (high, low) = key.halves();
            (source.topic.number() | KEY, source.partition, high, low)
        });
        marks.chain(keys).collect::<Vec<_>>().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StreamMarks {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let mut all = StreamMarks::default();
        for (number, partition, high, low) in Vec::<MarkRow>::deserialize(deserializer)? {
            let topic = Topic::from_number(number & !KEY).ok_or_else(|| D::Error::custom("unknown topic number"))?;
            let stream = StreamId(topic.at(partition));
            if number & KEY == 0 {
                all.marks.insert(stream, StreamMark { sequence: high, digest: low });
            } else {
                let key = KeyId::of_halves(high, low).ok_or_else(|| D::Error::custom("no key's id"))?;
                all.keys.insert(stream, key);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const SOURCE: TopicPartition = Topic::Orders.at(3);

    fn stamp(sequence: u64, prev: u64) -> Stamp {
        let cause = Cause { position: SOURCE.offset(9), index: 0 };
        Stamp { cause, sequence, prev, key: None, takes: None }
    }

    fn id(text: &str) -> KeyId {
        KeyId::new(text).unwrap()
    }

    #[test]
    fn a_record_is_judged_by_number_and_digest_as_this_table_says() {
        let mark = StreamMark { sequence: 5, digest: 50 };
        for (sequence, prev, digest, expected) in [
            (4, 50, 50, Arrival::Repeat { diverges: false }),
            (4, 50, 51, Arrival::Repeat { diverges: false }),
            (5, 0, 50, Arrival::Repeat { diverges: false }),
            (5, 0, 51, Arrival::Repeat { diverges: true }),
            (6, 50, 60, Arrival::Next),
            (6, 51, 60, Arrival::OutOfStream),
            (7, 50, 60, Arrival::OutOfStream),
        ] {
            assert_eq!(mark.judge(&stamp(sequence, prev), digest), expected, "{sequence} {prev} {digest}");
        }
        let next = mark.next_stamp(stamp(0, 0).cause);
        assert_eq!(next, stamp(6, 50));
        assert_eq!(StreamMark::default().judge(&stamp(0, 0), 0), Arrival::Repeat { diverges: false });
    }

    #[test]
    fn a_stream_takes_what_comes_next_and_from_a_key_on_what_that_seals() {
        let mut marks = StreamMarks::default();
        let stream = StreamId(SOURCE);
        assert_eq!(marks.take(&stamp(2, 0), 7), Arrival::OutOfStream);
        assert_eq!((marks.mark(stream), marks.iter().count()), (StreamMark::default(), 0), "it left no trace");
        assert_eq!(marks.take(&Stamp { takes: Some(id("k2")), ..stamp(1, 0) }, 7), Arrival::Next);
        assert_eq!((marks.key(stream), marks.keys().collect::<Vec<_>>()), (Some(id("k2")), vec![id("k2")]));
        let sealed = |key| Stamp { key: Some(id(key)), ..stamp(2, 7) };
        for wrong in [stamp(2, 7), sealed("k3")] {
            assert_eq!(marks.judge(&wrong, 8), Arrival::OutOfStream);
        }
        assert_eq!(marks.judge(&stamp(1, 0), 7), Arrival::Repeat { diverges: false });
        assert_eq!(marks.take(&sealed("k2"), 8), Arrival::Next);
        assert_eq!(marks.iter().collect::<Vec<_>>(), [(stream, StreamMark { sequence: 2, digest: 8 })]);
        assert_eq!(marks.key(StreamId(Topic::Books.at(3))), None);
    }

    #[test]
    fn marks_and_keys_are_read_back_as_written() {
        let marks: StreamMarks = [(3, 5), (4, 6)]
            .map(|(partition, sequence)| (StreamId(Topic::Books.at(partition)), StreamMark { sequence, digest: 9 }))
            .into_iter()
            .collect();
        let text = serde_json::to_string(&marks).unwrap();
        assert_eq!(text, "[[1,3,5,9],[1,4,6,9]]");
        let mut with_key = marks.clone();
        let cause = Cause { position: Topic::Books.at(3).offset(1), index: 0 };
        let takes = Stamp { cause, takes: Some(id("0")), ..stamp(6, 9) };
        assert_eq!(with_key.take(&takes, 10), Arrival::Next);
        let text = serde_json::to_string(&with_key).unwrap();
        assert_eq!(text, "[[1,3,6,10],[1,4,6,9],[129,3,3458764513820540928,0]]");
        assert_eq!(serde_json::from_str::<StreamMarks>(&text).unwrap(), with_key);
        for wrong in ["[[5,0,1,1]]", "[[129,3,0,0]]"] {
            assert!(serde_json::from_str::<StreamMarks>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn intakes_own_stream_comes_from_the_partition_where_it_ends() {
        assert!(StreamId(SOURCE).is_intake_of(3));
        assert!(!StreamId(SOURCE).is_intake_of(4) && !StreamId(Topic::Books.at(3)).is_intake_of(3));
    }
}
