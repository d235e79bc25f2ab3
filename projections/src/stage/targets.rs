//! The target logs, as a stage without a snapshot finds them: how far each of its streams is there.

use std::collections::BTreeMap;
use std::time::Duration;

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::{Arrival, StreamId, StreamKey, StreamMarks};
use orderledger_store::Error;
use orderledger_store::event_log::{EventLog, ReaderKind};

use super::emitter::Emitted;
use crate::worker::partition::may_end_in;
use crate::worker::read::Read;

/// Where the streams of all source partitions end in all targets.
pub(super) type StreamEnds = BTreeMap<(StreamId, TopicPartition), Emitted>;

const OTHER_KEY: &str = "neither this record nor any other of its stage fits the stream key: the log was begun with another \
                         key, or with none; use that one (--stream-key-file), or begin with fresh topics";

/// Reads the whole of the target topics and verifies every stream of the source topic that ends there.
pub(super) fn verify_streams(log: &dyn EventLog, source: Topic, key: &StreamKey) -> Result<StreamEnds, Error> {
    let targets: &[Topic] = match source {
        Topic::Orders => &[Topic::Orders, Topic::Books, Topic::DeadLetters],
        _ => &[Topic::Orders, Topic::Trades],
    };
    let mut ends = StreamEnds::new();
    let mut left = BTreeMap::new();
    for target in targets {
        for partition in 0..log.partitions() {
            let target = target.at(partition);
            left.insert(target, log.end_offset(target)?);
        }
    }
    let assigned =
        left.keys().map(|target| Ok((*target, log.first_offset(*target)?))).collect::<Result<Vec<_>, Error>>()?;
    let mut reader = log.reader(&assigned, ReaderKind::Rebuild)?;
    let mut marks: BTreeMap<TopicPartition, StreamMarks> = BTreeMap::new();
    let mut unverified = None;
    left.retain(|target, end| reader.position(*target) < *end);
    while !left.is_empty() {
        for fetched in reader.poll(Duration::from_millis(100))? {
            let marks = marks.entry(fetched.from).or_default();
            for record in fetched.records {
                let read = Read::new(fetched.from, record, key);
                if !take(&read, source, marks, &mut ends) {
                    unverified.get_or_insert(read.position);
                }
            }
        }
        left.retain(|target, end| reader.position(*target) < *end);
    }
    match unverified {
        // With another key all that the stages ever wrote looks forged, and they would write everything a second time.
        // Intake answers every record, so one of its own fits if any does; of matching there may be forged ones alone.
        Some(position) if ends.is_empty() && source == Topic::Orders => Err(Error::refused(position, OTHER_KEY)),
        _ => Ok(ends),
    }
}

/// Remembers the record if it is the next of its stream. False if it names a place there that it can't have.
fn take(read: &Read, source: Topic, marks: &mut StreamMarks, ends: &mut StreamEnds) -> bool {
    let Some(stamp) = read.stamp else { return true };
    let (stream, target) = (StreamId::of(&stamp), read.position.topic_partition());
    if stream.0.topic != source || !may_end_in(stream, target) {
        return true;
    }
    let arrival = marks.take(&stamp, read.digest);
    if arrival == Arrival::Next {
        ends.insert((stream, target), Emitted { offset: read.position.offset, mark: marks.mark(stream) });
    }
    // A later record may be out of its stream because one before it was lost.
    arrival != Arrival::OutOfStream || stamp.sequence > 1
}
