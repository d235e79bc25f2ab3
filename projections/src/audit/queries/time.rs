//! From recorded time to offsets: the newest append time so far never falls, so a partition can be bisected.

use orderledger_domain::position::TopicPartition;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::views::ViewReader;

use super::super::block::Block;

/// The offset of the first record of a partition up to which the newest append time is at or after `time`; one above the
/// last record if there is none. So what was recorded in `from..to` are the offsets between two of these.
pub fn first_offset_since(reader: &ViewReader, of: TopicPartition, time: Timestamp) -> Result<u64, Error> {
    let (mut low, mut high) = (0, u64::MAX);
    if let Some(last) = Block::at_or_before(reader, of, high)? {
        high = last.head.last_offset.saturating_add(1);
    }
    // The last block that begins before that time: what is asked for lies in it or right behind it.
    let mut before: Option<Block> = None;
    while low < high {
        let middle = low.midpoint(high);
        match Block::at_or_before(reader, of, middle)? {
            Some(block) if Timestamp::from_micros(block.head.recorded_max) >= time => high = block.base,
            Some(block) => {
                low = block.head.last_offset.max(middle).saturating_add(1);
                before = Some(block);
            }
            None => low = middle.saturating_add(1),
        }
    }
    let Some(block) = before else { return Ok(0) };
    let records = block.decode()?;
    let since = records.iter().find(|record| record.recorded_max >= time);
    Ok(since.map_or(block.head.last_offset.saturating_add(1), |record| record.position.offset))
}

/// The offsets recorded in `from..to` that are also in the given range.
pub(super) fn range(
    reader: &ViewReader,
    of: TopicPartition,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    (low, high): (u64, u64),
) -> Result<(u64, u64), Error> {
    let low = from.map_or(Ok(0), |time| first_offset_since(reader, of, time))?.max(low);
    let high = to.map_or(Ok(u64::MAX), |time| first_offset_since(reader, of, time))?.min(high);
    Ok((low, high))
}
