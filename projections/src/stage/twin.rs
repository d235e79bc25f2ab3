//! Whether another server runs this stage on the same log: its records stand there beside this one's.
//!
//! A stage writes each output of a record that came after its start once. So where such an output stands in the log before
//! it was sent, or twice, another server wrote it. What an earlier run of this server sent follows from earlier records,
//! and never counts. Seen only by a stage that reads what it writes: intake.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;
use orderledger_domain::stream::{StreamId, StreamMark};

use super::emitter::Output;
use crate::worker::progress::Progress;
use crate::worker::read::Read;

/// How many outputs of a partition are remembered; the other server's records come at about the same time.
const REMEMBERED: usize = 1024;
/// How often the log says it again.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Looks for a twin in one source partition.
#[derive(Debug)]
pub(super) struct TwinWatch {
    source: TopicPartition,
    /// The source's end as this run found it.
    since: u64,
    written: VecDeque<Written>,
    /// The sequence of the newest output that was sent.
    sent: u64,
    told: Option<Instant>,
}

#[derive(Debug)]
struct Written {
    mark: StreamMark,
    seen: bool,
}

impl TwinWatch {
    /// A watch of the stage's source partition, which ended there when this run began.
    pub(super) const fn new(source: TopicPartition, since: u64) -> TwinWatch {
        TwinWatch { source, since, written: VecDeque::new(), sent: 0, told: None }
    }

    /// Remembers those outputs that will be read again.
    pub(super) fn wrote<'o>(&mut self, outputs: impl Iterator<Item = &'o Output>) {
        for output in outputs.filter(|output| output.to == self.source && output.cause_offset >= self.since) {
            self.written.push_back(Written { mark: output.mark, seen: false });
            if self.written.len() > REMEMBERED {
                self.written.pop_front();
            }
        }
    }

    /// All that was remembered is on its way.
    pub(super) fn sent(&mut self) {
        self.sent = self.written.back().map_or(self.sent, |written| written.mark.sequence);
    }

    /// Looks at a record that was read; tells of the other server if it wrote it.
    pub(super) fn look(&mut self, read: &Read, progress: &Progress) {
        if self.is_twins(read) {
            progress.saw_twin(read.position);
            if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                self.told = Some(Instant::now());
                tracing::error!(
                    position = %read.position,
                    "another server with another data directory writes to the same topics: nothing is booked twice, but one \
                     of both is superfluous; end it, or give it another --topic-prefix"
                );
            }
        }
    }

    fn is_twins(&mut self, read: &Read) -> bool {
        let Some(stamp) = read.stamp.filter(|stamp| StreamId::of(stamp) == StreamId(self.source)) else { return false };
        let place = self.written.binary_search_by_key(&stamp.sequence, |written| written.mark.sequence);
        let written = place.ok().and_then(|place| self.written.get_mut(place));
        let Some(written) = written.filter(|written| written.mark.digest == read.digest) else { return false };
        let another = written.seen || stamp.sequence > self.sent;
        written.seen = true;
        another
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::position::Topic;
    use orderledger_domain::rules::Rules;
    use orderledger_domain::stream::StreamKey;
    use orderledger_domain::timestamp::Timestamp;
    use orderledger_store::event_log::Record;

    use super::super::emitter::Emitter;
    use super::*;
    use crate::worker::progress::Standing;

    const HERE: TopicPartition = Topic::Orders.at(0);

    /// The answers to the records at those offsets.
    fn outputs(causes: &[u64]) -> Vec<Output> {
        use orderledger_domain::event::EventType;
        let (mut emitter, mut outputs) = (Emitter::new(HERE, "intake", StreamKey::default()), Vec::new());
        for cause in causes {
            let record = Record { offset: *cause, recorded_at_ms: 0, key: None, value: None, headers: Vec::new() };
            let read = Read::new(HERE, record, &StreamKey::default());
            let mut to = emitter.cause(&read, Rules::default(), Timestamp::from_millis(0));
            to.emit_payload(HERE, "u", EventType::DuplicateIgnored, b"{}", &mut outputs);
        }
        outputs
    }

    fn read(output: &Output, offset: u64) -> Read {
        let (key, value) = (Some(output.key.clone()), Some(output.value.clone()));
        Read::new(HERE, Record { offset, recorded_at_ms: 0, key, value, headers: Vec::new() }, &StreamKey::default())
    }

    /// At which offsets another server is seen, the outputs having been sent, or not yet.
    fn check(since: u64, sent: bool, stand: &[(usize, u64)], seen: &[u64]) {
        let (outputs, progress) = (outputs(&[4, 7, 9]), Progress::new(Standing::default()));
        let mut watch = TwinWatch::new(HERE, since);
        watch.wrote(outputs.iter());
        if sent {
            watch.sent();
        }
        let looked = stand.iter().filter(|(which, offset)| {
            let before = progress.twin().map_or(0, |twin| twin.records);
            watch.look(&read(outputs.get(*which).unwrap(), *offset), &progress);
            progress.twin().map_or(0, |twin| twin.records) > before
        });
        assert_eq!(looked.map(|(_, offset)| *offset).collect::<Vec<_>>(), seen);
    }

    #[test]
    fn own_records_once_each_are_no_twin() {
        check(0, true, &[(0, 10), (1, 11), (2, 12)], &[]);
    }

    #[test]
    fn a_record_that_stands_twice_is_a_twins() {
        check(0, true, &[(0, 10), (1, 11), (0, 12), (2, 13), (2, 14)], &[12, 14]);
    }

    #[test]
    fn a_record_that_was_not_sent_yet_is_a_twins() {
        check(0, false, &[(0, 10)], &[10]);
    }

    #[test]
    fn what_follows_from_records_before_the_start_is_an_earlier_runs() {
        check(8, true, &[(0, 10), (0, 11), (1, 12), (1, 13), (2, 14)], &[]);
        check(10, false, &[(0, 10), (1, 11), (2, 12), (2, 13)], &[]);
        check(8, true, &[(1, 12), (2, 13), (2, 14)], &[14]);
    }
}
