//! Who asked: an answer whose own key names nobody belongs to the entity whose record it answers.
//!
//! Intake refuses a record under a key of the ledger's own. The refusal must not overtake the record where that waits, and
//! must wait wherever its entity does, whatever became of the record itself: else a rebuild would queue other records.

use std::collections::{BTreeMap, VecDeque};

use orderledger_domain::entity::name_in_key;
use orderledger_domain::envelope;
use orderledger_domain::event::Origin;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamId;
use orderledger_store::Error;
use orderledger_store::event_log::{EventLog, Record};

use crate::worker::partition::{Arrived, PartitionState};
use crate::worker::read::Read;

/// Records of one look into the log.
const CHUNK_RECORDS: usize = 512;

/// The names in the keys of the records that intake has not answered, in their order.
#[derive(Debug, Default)]
pub(crate) struct Asked(BTreeMap<TopicPartition, VecDeque<(u64, Box<str>)>>);

impl Asked {
    /// Of the unanswered records of all partitions.
    pub(crate) fn load(log: &dyn EventLog, states: &BTreeMap<TopicPartition, PartitionState>) -> Result<Asked, Error> {
        let mut asked = Asked::default();
        for (of, state) in states {
            let mut wanted = state.unanswered.iter().copied().peekable();
            while let Some(first) = wanted.peek().copied() {
                let records = log.read(*of, first, CHUNK_RECORDS)?;
                // What the log doesn't hold any more names nobody.
                let below = records.last().map_or(u64::MAX, |last| last.offset.saturating_add(1));
                for record in &records {
                    while wanted.next_if(|offset| *offset < record.offset).is_some() {}
                    // One that claims to be a stage's is refused without ever having been asked.
                    if wanted.next_if_eq(&record.offset).is_some() && !claims_to_be_derived(record) {
                        asked.ask(*of, record.offset, record.key.as_deref());
                    }
                }
                while wanted.next_if(|offset| *offset < below).is_some() {}
            }
        }
        Ok(asked)
    }

    fn ask(&mut self, of: TopicPartition, offset: u64, key: Option<&[u8]>) {
        if let Some(name) = name_in_key(key) {
            self.0.entry(of).or_default().push_back((offset, Box::from(name)));
        }
    }

    /// Takes note of a record: one that is to be answered, or an answer, of which it says to whose record, if its own key
    /// names nobody.
    pub(crate) fn take(&mut self, read: &Read, arrived: Arrived) -> Option<Box<str>> {
        let of = read.position.topic_partition();
        if of.topic != Topic::Orders {
            return None;
        }
        match arrived {
            // As in what counts as unanswered: intake passes over its own record that came too early.
            Arrived::Outside if read.stamp.is_some_and(|stamp| StreamId::of(&stamp).is_intake_of(of.partition)) => None,
            Arrived::Outside => {
                self.ask(of, read.position.offset, read.key.as_deref());
                None
            }
            Arrived::Derived => {
                let cause = read.stamp?.cause.position;
                if cause.topic_partition() != of {
                    return None;
                }
                let waiting = self.0.get_mut(&of)?;
                while waiting.pop_front_if(|(offset, _)| *offset < cause.offset).is_some() {}
                let (_, name) = waiting.pop_front_if(|(offset, _)| *offset == cause.offset)?;
                name_in_key(read.key.as_deref()).is_none().then_some(name)
            }
            Arrived::Repeat { .. } => None,
        }
    }
}

fn claims_to_be_derived(record: &Record) -> bool {
    envelope::read(record.value.as_deref()).is_ok_and(|envelope| envelope.event_type.origin() == Origin::Derived)
}
