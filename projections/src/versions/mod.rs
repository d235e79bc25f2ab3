//! Which versions stand in a log, and whether this program can go on with all of them.
//!
//! In: records. Out: how many there are of each type and version, and the gaps: records that a stage wrote and this program
//! can't read, for a newer one wrote them. What outsiders write is no gap whatever it is: intake refuses what it can't read.
//! Never: a decision. What a record must be to count as a stage's own is what it must be to every reader of its stream.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orderledger_domain::envelope::Envelope;
use orderledger_domain::event::Event;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::rules::Rules;
use orderledger_domain::said;
use orderledger_domain::stream::{Arrival, StreamId, StreamKey, StreamMarks};
use orderledger_domain::version::Version;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;

use crate::worker::partition::may_end_in;
use crate::worker::read::Read;

mod newest;
#[cfg(test)]
mod tests;

pub use newest::check_newest;

/// How many records are read at once.
const CHUNK: usize = 1000;
/// How many gaps are named; the others are counted.
const NAMED_MAX: usize = 20;

/// How many records, and the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How many.
    pub records: u64,
    /// The first one met.
    pub first: Position,
}

/// A record of a stage that this program can't read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where it stands.
    pub position: Position,
    /// What can't be read, in words.
    pub why: String,
}

/// What stands in a log.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Records that were looked at.
    pub records: u64,
    /// What is read, by type and version as they stand.
    pub read: BTreeMap<(Topic, &'static str, Version), Seen>,
    /// What isn't, and needn't be, by the reason.
    pub refused: BTreeMap<(Topic, RefuseReason), Seen>,
    /// The first gaps.
    pub gaps: Vec<Gap>,
    /// How many gaps there are in all.
    pub gap_count: u64,
}

impl Survey {
    /// Every record of a log from its beginning; `passed` is told how many were read now and then.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn of(log: &dyn EventLog, key: &StreamKey, passed: &mut dyn FnMut(u64)) -> Result<Survey, Error> {
        let mut survey = Survey::default();
        for of in Topic::ALL.into_iter().flat_map(|topic| (0..log.partitions()).map(move |number| topic.at(number))) {
            let (mut from, mut marks) = (log.first_offset(of)?, StreamMarks::default());
            loop {
                let records = log.read(of, from, CHUNK)?;
                let Some(last) = records.last() else { break };
                from = last.offset.saturating_add(1);
                for record in records {
                    let read = Read::new(of, record, key);
                    let is_own = read.stamp.is_some_and(|stamp| {
                        may_end_in(StreamId::of(&stamp), of) && marks.take(&stamp, read.digest) == Arrival::Next
                    });
                    survey.take(&read, is_own);
                }
                passed(survey.records);
            }
        }
        Ok(survey)
    }

    /// Takes a record, which is the next of its stream or isn't.
    fn take(&mut self, read: &Read, is_own: bool) {
        self.records = self.records.saturating_add(1);
        let topic = read.position.topic;
        if let Some(why) = unreadable(read).filter(|_| is_own) {
            self.gap_count = self.gap_count.saturating_add(1);
            if self.gaps.len() < NAMED_MAX {
                self.gaps.push(Gap { position: read.position, why });
            }
            return;
        }
        match named(read) {
            Ok((name, version)) => count(&mut self.read, (topic, name, version), read.position),
            Err(reason) => count(&mut self.refused, (topic, reason), read.position),
        }
    }
}

/// The type and the version of a record, or why nobody reads it.
fn named(read: &Read) -> Result<(&'static str, Version), RefuseReason> {
    if read.position.topic == Topic::Notifications {
        let spoken = said::read(read.value.as_deref()).map_err(|refusal| refusal.reason)?;
        return Ok((spoken.said.name(), spoken.version));
    }
    match &read.envelope {
        Ok(Envelope { version, event_type, event: Ok(_), .. }) => Ok((event_type.as_str(), *version)),
        Ok(Envelope { event: Err(refusal), .. }) | Err(refusal) => Err(refusal.reason),
    }
}

fn count<K: Ord>(seen: &mut BTreeMap<K, Seen>, key: K, position: Position) {
    let seen = seen.entry(key).or_insert(Seen { records: 0, first: position });
    seen.records = seen.records.saturating_add(1);
}

/// What of a stage's record can't be read, in words.
fn unreadable(read: &Read) -> Option<String> {
    match &read.envelope {
        Ok(Envelope { event: Ok(Event::RulesVersionSet(set)), .. }) => {
            Rules::try_from(set.rules_version).err().map(|unknown| unknown.to_string())
        }
        Ok(Envelope { event: Ok(_), .. }) => None,
        Ok(Envelope { event_type, event: Err(refusal), .. }) => {
            Some(format!("{}: {}", event_type.as_str(), refusal.detail))
        }
        Err(refusal) => Some(refusal.detail.clone()),
    }
}
