//! The client alone: what reading costs before anything is made of a record.

use std::ops::Range;
use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::Offset;

use super::errors::{passes, translated};
use super::names::Names;
use super::queries::list;
use super::reader::{end, positions};
use super::{ASK_WITHIN, KafkaSettings};
use crate::Error;
use crate::error::At;
use crate::event_log::ReaderKind;

/// How long a silent client is waited for before its positions are looked at.
const WAIT: Duration = Duration::from_millis(10);
/// A busy client's positions are looked at after so many records: the topics may grow meanwhile.
const LOOK_EVERY: u64 = 65_536;

/// Reads those offsets with a plain consumer that is configured as a rebuild's, and does nothing but count: records, and bytes of
/// their keys and values. Records that come behind an end meanwhile may be among them. [`Error::Unavailable`] if nothing comes
/// for 90 s, [`Error::Refused`] if the cluster no longer has the offsets.
pub fn read_bare(settings: &KafkaSettings, of: &[(TopicPartition, Range<u64>)]) -> Result<(u64, u64), Error> {
    let partitions = of.iter().map(|(of, _)| of.partition.saturating_add(1)).max().unwrap_or(0);
    let names = Names::new(settings, partitions);
    let from = of.iter().map(|(of, held)| (*of, Offset::Offset(i64::try_from(held.start).unwrap_or(i64::MAX))));
    let from = list(&names, from)?;
    let consumer: BaseConsumer =
        settings.consumer(ReaderKind::Rebuild).create().map_err(|error| translated(At::Log, error))?;
    let assigned = consumer.assign(&from).map_err(|error| translated(At::Log, error));
    let counted = assigned.and_then(|()| count(&consumer, &names, of));
    end(consumer);
    counted
}

fn count(consumer: &BaseConsumer, names: &Names, of: &[(TopicPartition, Range<u64>)]) -> Result<(u64, u64), Error> {
    // Without holes, so many come.
    let most = of.iter().map(|(_, held)| held.end.saturating_sub(held.start)).fold(0, u64::saturating_add);
    let (mut records, mut bytes) = (0_u64, 0_u64);
    let (mut seen, mut since) = (0, Instant::now());
    if most == 0 {
        return Ok((0, 0));
    }
    loop {
        match consumer.poll(WAIT) {
            Some(Ok(message)) => {
                records = records.saturating_add(1);
                let length = message.key_len().saturating_add(message.payload_len());
                bytes = bytes.saturating_add(u64::try_from(length).unwrap_or(0));
                if records != most && !records.is_multiple_of(LOOK_EVERY) {
                    continue;
                }
            }
            Some(Err(error)) if !passes(&error) => return Err(translated(At::Log, error)),
            Some(Err(_)) | None => {}
        }
        // The client passes holes without giving a record.
        let at = positions(consumer, names)?;
        let is_read = |(of, held): &(_, Range<u64>)| held.is_empty() || at.get(of).is_some_and(|at| *at >= held.end);
        if of.iter().all(is_read) {
            return Ok((records, bytes));
        }
        if records > seen {
            (seen, since) = (records, Instant::now());
        } else if since.elapsed() >= ASK_WITHIN {
            return Err(Error::unavailable(At::Log, "the cluster sends no more records"));
        }
    }
}
