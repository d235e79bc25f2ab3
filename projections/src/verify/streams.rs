//! Streams, and what they say compared with what they should say.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use orderledger_domain::envelope::{self, Envelope, Stamp};
use orderledger_domain::event::Event;
use orderledger_domain::ids::KeyId;
use orderledger_domain::position::{Position, Topic, TopicPartition};

use super::report::{Check, Report};

/// A stream: where its causes stand, where it ends.
type Stream = (TopicPartition, TopicPartition);

/// What a record is to its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The next of its stream.
    Next(Stamp),
    /// At or below the last of its stream.
    Repeat,
    /// Ahead of its stream: written right after records that a crash lost, or by a stranger.
    Ahead,
    /// In no stream.
    Outside,
}

/// The last sequence and digest of every stream, and what stands ahead of it.
#[derive(Debug, Default)]
pub(super) struct Streams {
    last: BTreeMap<Stream, (u64, u64)>,
    /// The key that the stream has taken.
    keys: BTreeMap<Stream, KeyId>,
    /// Where records of a later sequence stand, by sequence and digest.
    ahead: BTreeMap<(Stream, u64, u64), Vec<u64>>,
}

impl Streams {
    pub(super) fn place(
        &mut self,
        at: Position,
        envelope: Option<&Envelope>,
        digest: u64,
        report: &mut Report,
    ) -> Place {
        let Some(stamp) = envelope.and_then(|envelope| envelope.stamp) else { return Place::Outside };
        let (from, to) = (stamp.cause.position.topic_partition(), at.topic_partition());
        if !is_written(from, to) {
            return Place::Outside;
        }
        let last = self.last.entry((from, to)).or_insert((0, 0));
        if stamp.sequence <= last.0 {
            report.count(Check::Streams);
            if stamp.sequence == last.0 && digest != last.1 {
                report.differs(Check::Streams, at, "the same record again", "a repeat with other bytes");
            }
            return Place::Repeat;
        }
        let is_sealed = stamp.key == self.keys.get(&(from, to)).copied();
        if stamp.sequence != last.0.saturating_add(1) || stamp.prev != last.1 || !is_sealed {
            self.ahead.entry(((from, to), stamp.sequence, digest)).or_default().push(at.offset);
            return Place::Ahead;
        }
        *last = (stamp.sequence, digest);
        if let Some(key) = stamp.takes {
            self.keys.insert((from, to), key);
        }
        report.count(Check::Streams);
        self.ahead.remove(&((from, to), stamp.sequence, digest));
        Place::Next(stamp)
    }

    /// At the log's end: what was ahead of its stream and never came again in its place is no stage's.
    pub(super) fn finish(&self, report: &mut Report) {
        let strangers = self.ahead.iter().flat_map(|(((_, to), ..), offsets)| offsets.iter().map(|at| to.offset(*at)));
        // In `orders` intake refuses them, which the answers show.
        let mut strangers: Vec<Position> = strangers.filter(|at| at.topic != Topic::Orders).collect();
        strangers.sort_unstable();
        for at in strangers {
            report.count(Check::Streams);
            stranger(at, report);
        }
    }
}

/// A record that no reader applies.
pub(super) fn stranger(at: Position, report: &mut Report) {
    report.differs(Check::Streams, at, "the next of a stream, or a repeat", "neither: no reader applies it");
}

/// Whether the stages write such a stream.
pub(super) fn is_written(from: TopicPartition, to: TopicPartition) -> bool {
    let same = from.partition == to.partition;
    match from.topic {
        Topic::Orders => match to.topic {
            Topic::Orders => same || from.partition == 0,
            Topic::Books => true,
            Topic::DeadLetters => same,
            Topic::Trades | Topic::Notifications => false,
        },
        Topic::Books => to.topic == Topic::Orders || (to.topic == Topic::Trades && same),
        Topic::Trades | Topic::DeadLetters | Topic::Notifications => false,
    }
}

/// A record that a stream has, or should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The offset of its cause.
    pub(super) cause: u64,
    /// Its key.
    pub(super) key: Bytes,
    /// What it says.
    pub(super) event: Event,
}

#[derive(Debug, Default)]
struct Comparing {
    expected: VecDeque<Item>,
    found: VecDeque<(u64, Item)>,
    /// After the first difference nothing of the stream can be compared.
    differs: bool,
}

/// What streams say beside what they should say; whichever is read first waits for the other.
#[derive(Debug, Default)]
pub(super) struct Comparisons(BTreeMap<Stream, Comparing>);

impl Comparisons {
    pub(super) fn expect(&mut self, from: TopicPartition, to: TopicPartition, item: Item, report: &mut Report) {
        self.0.entry((from, to)).or_default().expected.push_back(item);
        self.settle((from, to), report);
    }

    pub(super) fn find(&mut self, from: TopicPartition, at: Position, item: Item, report: &mut Report) {
        let stream = (from, at.topic_partition());
        self.0.entry(stream).or_default().found.push_back((at.offset, item));
        self.settle(stream, report);
    }

    fn settle(&mut self, stream: Stream, report: &mut Report) {
        let Some(comparing) = self.0.get_mut(&stream) else { return };
        while !comparing.expected.is_empty() && !comparing.found.is_empty() {
            let (Some(expected), Some((offset, found))) = (comparing.expected.pop_front(), comparing.found.pop_front())
            else {
                return;
            };
            if !comparing.differs {
                let at = stream.1.offset(offset);
                comparing.differs =
                    !report.compare(check_of(stream), at, &expected, &found, |item| text(stream.0, item));
            }
        }
    }

    /// At the log's end: what is expected may still be written, what was found should not be there.
    pub(super) fn finish(&self, report: &mut Report) {
        for (stream, comparing) in self.0.iter().filter(|(_, comparing)| !comparing.differs) {
            report.pending = report.pending.saturating_add(u64::try_from(comparing.expected.len()).unwrap_or(u64::MAX));
            for (offset, found) in &comparing.found {
                let at = stream.1.offset(*offset);
                report.count(check_of(*stream));
                report.differs(check_of(*stream), at, "no such record", text(stream.0, found));
            }
        }
    }
}

fn check_of((from, _): Stream) -> Check {
    if from.topic == Topic::Orders { Check::Copies } else { Check::Matching }
}

fn text(from: TopicPartition, item: &Item) -> String {
    let cause = from.offset(item.cause);
    format!("{} of {}, because of {cause}", event_text(&item.event), String::from_utf8_lossy(&item.key))
}

/// An event as people read it.
pub(super) fn event_text(event: &Event) -> String {
    let payload = envelope::payload_bytes(event);
    format!("{} {}", event.event_type().as_str(), String::from_utf8_lossy(&payload))
}
