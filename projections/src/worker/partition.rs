//! How far one reader knows one partition: position, streams, what intake has not answered yet, the accounting.

use std::collections::VecDeque;

use orderledger_domain::event::Origin;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::{Arrival, StreamId, StreamMarks};
use orderledger_domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::read::Read;

/// What became of the records consumed so far; `consumed` is always the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounting {
    /// Changed rows.
    pub applied: u64,
    /// Repeats of a stream, dropped.
    pub duplicate: u64,
    /// Not the next of its stream, or discarded by an operator: not applied.
    pub rejected: u64,
    /// Waiting behind a record that can't be applied.
    pub parked: u64,
    /// Nothing that this projection keeps.
    pub ignored: u64,
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It changed rows.
    Applied,
    /// A repeat.
    Duplicate,
    /// Not the next of its stream, or discarded by an operator.
    Rejected,
    /// It waits.
    Parked,
    /// Nothing that this projection keeps.
    Ignored,
}

impl Accounting {
    /// Counts one record.
    pub fn count(&mut self, fate: Fate) {
        let count = match fate {
            Fate::Applied => &mut self.applied,
            Fate::Duplicate => &mut self.duplicate,
            Fate::Rejected => &mut self.rejected,
            Fate::Parked => &mut self.parked,
            Fate::Ignored => &mut self.ignored,
        };
        *count = count.saturating_add(1);
    }

    /// How many records were consumed.
    pub fn consumed(&self) -> u64 {
        [self.duplicate, self.rejected, self.parked, self.ignored].iter().fold(self.applied, |sum, n| sum + n)
    }
}

/// What a record is to a reader of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// A derived record, the next of its stream: it counts.
    Derived,
    /// A record from outside (or an outsider's of a derived type): intake will answer it, or has refused it.
    Outside,
    /// A repeat of a stream: dropped.
    Repeat {
        /// The stream's last record again, with other bytes: a diverging twin.
        diverges: bool,
    },
}

/// The state of one partition's reading; stored in one write with the rows that it led to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionState {
    /// The offset from which to read on.
    pub next_offset: u64,
    /// The offset and digest of the last record consumed; the log must still hold that very record there.
    pub last: Option<(u64, u64)>,
    /// The running maximum of the append time.
    pub recorded_at: Timestamp,
    /// The streams that end in this partition.
    pub marks: StreamMarks,
    /// The offsets of outside records that intake has not answered yet, oldest first (`orders` only). Records that claim
    /// to be intake's own and are not the next are left out: intake passes over those that it wrote itself, too early,
    /// and refuses the others, which changes no row.
    pub unanswered: VecDeque<u64>,
    /// What became of the records.
    pub accounting: Accounting,
    /// How many there were, counted apart from what became of them. It stands beside the state in a head.
    #[serde(skip)]
    pub consumed: u64,
}

/// Intake answered a later record than the oldest unanswered one: the log and the rules disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("intake answers offset {answered} while {expected:?} is the oldest unanswered one")]
pub struct AnswerOutOfOrder {
    /// The offset that the record answers.
    pub answered: u64,
    /// The offset that should be answered next.
    pub expected: Option<u64>,
}

impl PartitionState {
    /// Judges the next record of the partition and moves past it.
    pub fn take(&mut self, read: &Read) -> Result<Arrived, AnswerOutOfOrder> {
        let offset = read.position.offset;
        self.consumed = self.consumed.saturating_add(1);
        self.next_offset = offset.saturating_add(1);
        self.last = Some((offset, read.digest));
        self.recorded_at = self.recorded_at.max(read.recorded_at);
        let stamp = read.stamp;
        let arrival = match &stamp {
            Some(stamp) if may_end_in(StreamId::of(stamp), read.position.topic_partition()) => {
                self.marks.take(stamp, read.digest)
            }
            _ => Arrival::OutOfStream,
        };
        match (arrival, stamp) {
            (Arrival::Repeat { diverges }, _) => Ok(Arrived::Repeat { diverges }),
            (Arrival::Next, Some(stamp)) => {
                if read.position.topic == Topic::Orders && StreamId::of(&stamp).is_intake_of(read.position.partition) {
                    self.answer(stamp.cause.position.offset)?;
                }
                Ok(Arrived::Derived)
            }
            _ => {
                let is_own = stamp.is_some_and(|stamp| StreamId::of(&stamp).is_intake_of(read.position.partition));
                if read.position.topic == Topic::Orders && !is_own {
                    self.unanswered.push_back(offset);
                }
                Ok(Arrived::Outside)
            }
        }
    }

    fn answer(&mut self, answered: u64) -> Result<(), AnswerOutOfOrder> {
        match self.unanswered.front().copied() {
            Some(oldest) if oldest == answered => {
                self.unanswered.pop_front();
                Ok(())
            }
            Some(oldest) if oldest < answered => Err(AnswerOutOfOrder { answered, expected: Some(oldest) }),
            // The refusal of a record that claims to be intake's own.
            _ => Ok(()),
        }
    }

    /// Whether the record at `offset` and all that was decided at it has been applied.
    pub fn has_reached(&self, offset: u64) -> bool {
        self.next_offset > offset && self.unanswered.front().is_none_or(|oldest| *oldest > offset)
    }
}

/// Whether a stream from that source may end in that partition at all.
pub fn may_end_in(stream: StreamId, target: TopicPartition) -> bool {
    let StreamId(source) = stream;
    match (source.topic, target.topic) {
        // Intake answers in its own partition; partition 0 sends control events everywhere.
        (Topic::Orders, Topic::Orders) => source.partition == target.partition || source.partition == 0,
        (Topic::Orders, Topic::Books) | (Topic::Books, Topic::Orders) => true,
        (Topic::Orders, Topic::DeadLetters) | (Topic::Books, Topic::Trades) => source.partition == target.partition,
        _ => false,
    }
}

/// Whether a record of `orders` is of a type that only stages may write.
pub fn claims_to_be_derived(read: &Read) -> bool {
    read.envelope.as_ref().is_ok_and(|envelope| envelope.event_type.origin() == Origin::Derived)
}
