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

impl Fate {
    /// Its name, as the accounting has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Fate::Applied => "applied",
            Fate::Duplicate => "duplicate",
            Fate::Rejected => "rejected",
            Fate::Parked => "parked",
            Fate::Ignored => "ignored",
        }
    }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use bytes::Bytes;
    use orderledger_domain::envelope::{self, Cause, Stamp};
    use orderledger_domain::event::EventType;
    use orderledger_domain::stream::StreamKey;
    use orderledger_store::event_log::Record;

    use super::*;

    const HERE: TopicPartition = Topic::Orders.at(2);

    fn read(from: TopicPartition, offset: u64, value: Vec<u8>) -> Read {
        let (key, value) = (Some(Bytes::from_static(b"u")), Some(Bytes::from(value)));
        let recorded_at_ms = i64::try_from(offset).unwrap();
        Read::new(from, Record { offset, recorded_at_ms, key, value, headers: Vec::new() }, &StreamKey::default())
    }

    /// A record that nobody's stage wrote.
    fn outside(from: TopicPartition, offset: u64) -> Read {
        read(from, offset, b"{}".to_vec())
    }

    /// The record of that number in the stream of the cause's partition, behind one of that digest.
    fn derived(from: TopicPartition, offset: u64, (sequence, prev): (u64, u64), cause: (TopicPartition, u64)) -> Read {
        let cause = Cause { position: cause.0.offset(cause.1), index: 0 };
        let stamp = Stamp { cause, sequence, prev, key: None, takes: None };
        let payload = br#"{"orderId":"o","userId":"u","symbol":"A","reason":"ioc_remainder","expiredQuantity":1}"#;
        let value = envelope::write_derived(EventType::OrderExpired, payload, Timestamp::default(), &stamp, "test");
        read(from, offset, value)
    }

    #[test]
    fn what_is_unanswered_waits_for_intakes_answer_in_order() {
        let mut state = PartitionState::default();
        assert_eq!(state.take(&outside(HERE, 0)), Ok(Arrived::Outside));
        assert_eq!(state.take(&outside(HERE, 1)), Ok(Arrived::Outside));
        assert_eq!((state.unanswered.len(), state.has_reached(0)), (2, false));
        let first = derived(HERE, 2, (1, 0), (HERE, 0));
        assert_eq!(state.take(&first), Ok(Arrived::Derived));
        assert_eq!([0, 1, 2, 3].map(|offset| state.has_reached(offset)), [true, false, false, false]);
        // What the book says answers nothing, and neither does a repeat.
        assert_eq!(state.take(&derived(HERE, 3, (1, 0), (Topic::Books.at(0), 1))), Ok(Arrived::Derived));
        let again = Read { position: HERE.offset(4), ..first.clone() };
        assert_eq!(state.take(&again), Ok(Arrived::Repeat { diverges: false }));
        let twin = Read { digest: first.digest ^ 1, ..again };
        assert_eq!(state.take(&twin), Ok(Arrived::Repeat { diverges: true }));
        assert_eq!(state.unanswered, [1]);
        // The refusal of a record that was never counted as unanswered, before the oldest one that is.
        let refusal = derived(HERE, 5, (2, first.digest), (HERE, 0));
        assert_eq!((state.take(&refusal), state.unanswered.len()), (Ok(Arrived::Derived), 1));
        let late = derived(HERE, 6, (3, refusal.digest), (HERE, 2));
        assert_eq!(state.take(&late), Err(AnswerOutOfOrder { answered: 2, expected: Some(1) }));
        assert_eq!((state.consumed, state.next_offset, state.last), (8, 7, Some((6, late.digest))));
        assert_eq!(state.recorded_at, Timestamp::from_millis(6));
    }

    #[test]
    fn only_outsiders_records_of_orders_are_unanswered() {
        let mut state = PartitionState::default();
        assert_eq!(state.take(&derived(HERE, 0, (5, 9), (HERE, 0))), Ok(Arrived::Outside));
        assert_eq!(state.unanswered.len(), 0, "intake's own that came too early");
        assert_eq!(state.take(&derived(HERE, 1, (5, 9), (Topic::Books.at(0), 0))), Ok(Arrived::Outside));
        assert_eq!(state.unanswered, [1]);
        let mut books = PartitionState::default();
        assert_eq!(books.take(&outside(Topic::Books.at(2), 0)), Ok(Arrived::Outside));
        assert_eq!(books.take(&derived(Topic::Books.at(2), 1, (1, 0), (HERE, 7))), Ok(Arrived::Derived));
        assert_eq!(books.take(&derived(Topic::Books.at(2), 2, (1, 0), (Topic::Books.at(2), 7))), Ok(Arrived::Outside));
        assert!(books.unanswered.is_empty() && books.has_reached(2) && !books.has_reached(3));
    }

    #[test]
    fn streams_end_where_this_table_says() {
        use Topic::{Books, DeadLetters, Orders, Trades};
        // Same partition, from partition 0, from another.
        for (source, target, expected) in [
            (Orders, Orders, [true, true, false]),
            (Orders, Books, [true, true, true]),
            (Books, Orders, [true, true, true]),
            (Orders, DeadLetters, [true, false, false]),
            (Books, Trades, [true, false, false]),
            (Orders, Trades, [false; 3]),
            (Books, Books, [false; 3]),
            (Books, DeadLetters, [false; 3]),
            (Trades, Orders, [false; 3]),
            (DeadLetters, Orders, [false; 3]),
        ] {
            let found = [2, 0, 1].map(|partition| may_end_in(StreamId(source.at(partition)), target.at(2)));
            assert_eq!(found, expected, "{source} to {target}");
        }
    }

    #[test]
    fn what_became_of_records_sums_up_to_what_was_consumed() {
        let mut accounting = Accounting::default();
        use Fate::{Applied, Duplicate, Ignored, Parked, Rejected};
        for (times, fate) in [(1, Applied), (2, Duplicate), (3, Rejected), (4, Parked), (5, Ignored)] {
            (0..times).for_each(|_| accounting.count(fate));
        }
        assert_eq!(accounting, Accounting { applied: 1, duplicate: 2, rejected: 3, parked: 4, ignored: 5 });
        assert_eq!(accounting.consumed(), 15);
    }

    #[test]
    fn a_record_claims_to_be_derived_by_its_type_alone() {
        assert!(claims_to_be_derived(&derived(HERE, 0, (9, 9), (HERE, 0))));
        assert!(!claims_to_be_derived(&outside(HERE, 0)));
        let asked = br#"{"eventId":"7d444840-9dc0-11d1-b245-5ffdce74fad2","eventType":"OrderCancelRequested","timestamp":"2025-01-15T10:30:00Z","payload":{"orderId":"o","userId":"u"},"metadata":{"version":"2.0"}}"#;
        assert!(!claims_to_be_derived(&read(HERE, 0, asked.to_vec())));
    }
}
