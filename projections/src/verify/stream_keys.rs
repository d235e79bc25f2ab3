//! Keys of streams: where one is set, each stage takes it in each of its streams.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use orderledger_domain::event::{Event, StreamKeyChange};
use orderledger_domain::ids::KeyId;
use orderledger_domain::position::{Position, Topic, TopicPartition};

use super::Verifying;
use super::report::{Check, Report};
use super::streams::{Item, is_written};

/// Which keys are set, and which are still to be taken.
#[derive(Debug, Default)]
pub(super) struct StreamKeys {
    /// The key that each source's stage seals with.
    sealed_by: BTreeMap<TopicPartition, KeyId>,
    /// Where intake read a key that it has not taken yet.
    untaken: BTreeMap<TopicPartition, VecDeque<(u64, StreamKeyChange)>>,
}

impl StreamKeys {
    /// At the log's end: what is expected may still be written.
    pub(super) fn finish(&self, report: &mut Report) {
        let untaken = self.untaken.values().flatten().count();
        report.pending = report.pending.saturating_add(u64::try_from(untaken).unwrap_or(u64::MAX));
    }
}

impl Verifying {
    /// The stage that reads a StreamKeySet must write StreamKeyTaken in each of its streams. Matching has nothing else to say
    /// in between; intake's answers to earlier records may still follow, so what it says in its own partition tells when.
    pub(super) fn expect_taken(&mut self, at: Position, event: &Event) {
        let (Event::StreamKeySet(set), source) = (event, at.topic_partition()) else { return };
        if self.stream_keys.sealed_by.insert(source, set.key_id) == Some(set.key_id) {
            return;
        }
        match source.topic {
            Topic::Books => self.expect_taken_everywhere(at, *set),
            _ => self.stream_keys.untaken.entry(source).or_default().push_back((at.offset, *set)),
        }
    }

    /// Intake's own StreamKeyTaken.
    pub(super) fn taken(&mut self, at: Position, cause: Position, taken: StreamKeyChange) {
        let expected = self.stream_keys.untaken.entry(at.topic_partition()).or_default().pop_front();
        let found = Some((cause.offset, taken));
        let text = |key: &Option<(u64, StreamKeyChange)>| {
            key.map_or("no key to take".to_owned(), |(offset, set)| format!("{} taken because of {offset}", set.key_id))
        };
        if self.report.compare(Check::Copies, at, &expected, &found, text) {
            self.expect_taken_everywhere(cause, taken);
        }
    }

    fn expect_taken_everywhere(&mut self, cause: Position, set: StreamKeyChange) {
        let source = cause.topic_partition();
        for topic in Topic::ALL {
            let all = (0..self.partitions).map(|number| topic.at(number));
            for to in all.filter(|to| is_written(source, *to) && *to != source) {
                let (key, event) = (Bytes::from_static(b"_control"), Event::StreamKeyTaken(set));
                self.comparisons.expect(source, to, Item { cause: cause.offset, key, event }, &mut self.report);
            }
        }
    }
}
