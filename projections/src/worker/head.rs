//! A view's head: how far the fold knows each partition, and how many records in a row could not be applied.

use std::collections::BTreeMap;

use orderledger_domain::planted::{self, Bug};
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamMarks;
use orderledger_store::{At, Error, codec};

use super::partition::PartitionState;

/// Topic number, partition, state and records consumed of every partition; then what the breaker counts.
const SCHEMA: u8 = 2;
type Stored = (Vec<(u8, u32, PartitionState, u64)>, u32);

/// Before there was parking: topic number, partition and state of every partition.
const SCHEMA_1: u8 = 1;
type Stored1 = Vec<(u8, u32, PartitionState)>;

/// What stands beside the rows of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// How far each partition is known.
    pub(crate) states: BTreeMap<TopicPartition, PartitionState>,
    /// How many records in a row could not be applied.
    pub(crate) consecutive: u32,
}

impl Head {
    /// Reads one; of a view that was never committed it is empty.
    pub(crate) fn read(head: &[u8]) -> Result<Head, Error> {
        let Some(schema) = head.first() else { return Ok(Head::default()) };
        let (partitions, consecutive) = if *schema == SCHEMA_1 {
            let partitions: Stored1 = codec::decode(SCHEMA_1, head)?;
            let counted = |(topic, partition, state): (u8, u32, PartitionState)| {
                let consumed = state.accounting.consumed();
                (topic, partition, state, consumed)
            };
            (partitions.into_iter().map(counted).collect(), 0)
        } else {
            codec::decode::<Stored>(SCHEMA, head)?
        };
        let mut states = BTreeMap::new();
        for (topic, partition, mut state, consumed) in partitions {
            if planted::is(Bug::ViewWithoutStreamMarks) {
                state.marks = StreamMarks::default();
            }
            let topic = Topic::from_number(topic).ok_or_else(|| Error::corrupt(At::Frame, "an unknown topic"))?;
            states.insert(topic.at(partition), PartitionState { consumed, ..state });
        }
        Ok(Head { states, consecutive })
    }

    /// Writes one.
    pub(crate) fn write(states: &BTreeMap<TopicPartition, PartitionState>, consecutive: u32) -> Result<Vec<u8>, Error> {
        let row = |(of, state): (&TopicPartition, &PartitionState)| {
            (of.topic.number(), of.partition, state.clone(), state.consumed)
        };
        let stored: Stored = (states.iter().map(row).collect(), consecutive);
        codec::encode(SCHEMA, &stored)
    }
}

/// The states of all partitions that a head says; none in an empty one.
pub fn states_of(head: &[u8]) -> Result<BTreeMap<TopicPartition, PartitionState>, Error> {
    Ok(Head::read(head)?.states)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::worker::partition::Accounting;

    fn state() -> PartitionState {
        let accounting = Accounting { applied: 3, parked: 2, ..Accounting::default() };
        PartitionState { next_offset: 7, last: Some((6, 9)), accounting, consumed: 5, ..PartitionState::default() }
    }

    #[test]
    fn a_head_is_read_back_as_written() {
        let states = BTreeMap::from([(Topic::Orders.at(1), state()), (Topic::DeadLetters.at(1), state())]);
        let head = Head { states, consecutive: 4 };
        assert_eq!(Head::read(&Head::write(&head.states, 4).unwrap()).unwrap(), head);
        assert_eq!(Head::read(b"").unwrap(), Head::default());
    }

    #[test]
    fn a_head_from_before_parking_says_the_same() {
        let old: Stored1 = vec![(Topic::Orders.number(), 1, state())];
        let head = Head::read(&codec::encode(SCHEMA_1, &old).unwrap()).unwrap();
        assert_eq!(head, Head { states: BTreeMap::from([(Topic::Orders.at(1), state())]), consecutive: 0 });
    }
}
