//! The whole log as one sequence: every partition from offset zero in its own order, merged by append time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::event_log::{EventLog, Record};
use orderledger_store::{At, Error};

/// Records of one look into a partition.
const CHUNK_RECORDS: usize = 512;

/// The records below the ends found at the beginning.
pub(super) struct Timeline<'a> {
    log: &'a dyn EventLog,
    lanes: BTreeMap<TopicPartition, Lane>,
    /// The next record of every partition that has one: append time first, then topic, partition.
    heads: BinaryHeap<Reverse<(i64, TopicPartition)>>,
}

struct Lane {
    next: u64,
    end: u64,
    /// The append time never falls here, whatever a clock did.
    recorded_at_ms: i64,
    chunk: VecDeque<Record>,
}

impl<'a> Timeline<'a> {
    pub(super) fn new(log: &'a dyn EventLog) -> Result<Timeline<'a>, Error> {
        let mut timeline = Timeline { log, lanes: BTreeMap::new(), heads: BinaryHeap::new() };
        for of in Topic::ALL.into_iter().flat_map(|topic| (0..log.partitions()).map(move |number| topic.at(number))) {
            if log.first_offset(of)? > 0 {
                return Err(Error::refused(of, "its first records are gone: what follows from them can't be verified"));
            }
            let lane = Lane { next: 0, end: log.end_offset(of)?, recorded_at_ms: i64::MIN, chunk: VecDeque::new() };
            timeline.lanes.insert(of, lane);
            timeline.announce(of)?;
        }
        Ok(timeline)
    }

    /// The next record.
    pub(super) fn next(&mut self) -> Result<Option<(TopicPartition, Record)>, Error> {
        let Some(Reverse((_, of))) = self.heads.pop() else { return Ok(None) };
        let record = self.lanes.get_mut(&of).and_then(|lane| lane.chunk.pop_front());
        self.announce(of)?;
        record.map(|record| Some((of, record))).ok_or_else(|| Error::corrupt(At::Log, "a record went missing"))
    }

    fn announce(&mut self, of: TopicPartition) -> Result<(), Error> {
        let Some(lane) = self.lanes.get_mut(&of) else { return Ok(()) };
        if lane.chunk.is_empty() && lane.next < lane.end {
            let mut records = self.log.read(of, lane.next, CHUNK_RECORDS)?;
            records.retain(|record| record.offset < lane.end);
            // Behind the last record there may be a hole up to the end.
            lane.next = records.last().map_or(lane.end, |last| last.offset.saturating_add(1));
            lane.chunk = records.into();
        }
        if let Some(head) = lane.chunk.front() {
            lane.recorded_at_ms = lane.recorded_at_ms.max(head.recorded_at_ms);
            self.heads.push(Reverse((lane.recorded_at_ms, of)));
        }
        Ok(())
    }
}
