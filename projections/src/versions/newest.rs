//! A look at a log's newest records before anything is started: a newer program that wrote to it last left its versions there.

use std::time::Instant;

use orderledger_store::event_log::ReaderKind;

use super::*;

/// So many offsets of each partition are looked at.
const OFFSETS: u64 = 256;
/// A log that doesn't give them within this time is looked at by who reads it anyway.
const WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// Refuses a log whose newest records hold one that a newer program's stage wrote and that this one can't read. Only the first record
/// behind its predecessor in a stream counts: nobody makes that one's digest without the key, and who reads it from the record that
/// follows comes too late.
///
/// # Errors
/// Refused at such a record, with what to do; those of reading the log.
pub fn check_newest(log: &dyn EventLog, key: &StreamKey) -> Result<(), Error> {
    let (mut from, mut left) = (Vec::new(), BTreeMap::new());
    for of in Topic::ALL.into_iter().flat_map(|topic| (0..log.partitions()).map(move |number| topic.at(number))) {
        let end = log.stable_end(of)?;
        let first = log.first_offset(of)?.max(end.saturating_sub(OFFSETS));
        if first < end {
            from.push((of, first));
            left.insert(of, end);
        }
    }
    if from.is_empty() {
        return Ok(());
    }
    let (mut reader, begun) = (log.reader(&from, ReaderKind::Rebuild)?, Instant::now());
    let mut seen: BTreeMap<TopicPartition, BTreeSet<(StreamId, u64, u64)>> = BTreeMap::new();
    let mut taken: BTreeSet<(TopicPartition, StreamId, u64)> = BTreeSet::new();
    while !left.is_empty() && begun.elapsed() < WITHIN {
        for fetched in reader.poll(POLL)? {
            let seen = seen.entry(fetched.from).or_default();
            for record in fetched.records {
                let read = Read::new(fetched.from, record, key);
                let Some(stamp) = read.stamp else { continue };
                let stream = StreamId::of(&stamp);
                let previous = stamp.sequence.checked_sub(1).map(|sequence| (stream, sequence, stamp.prev));
                let follows = previous.is_some_and(|previous| seen.contains(&previous))
                    && taken.insert((fetched.from, stream, stamp.sequence));
                if follows
                    && may_end_in(stream, fetched.from)
                    && let Some(why) = unreadable(&read)
                {
                    return Err(Error::refused(read.position, newer(&why)));
                }
                seen.insert((stream, stamp.sequence, read.digest));
            }
        }
        left.retain(|of, end| reader.position(*of) < *end);
    }
    Ok(())
}

fn newer(why: &str) -> String {
    format!(
        "{why}: a newer program wrote it, and this one would stop there; start that program again (`orderledger schema \
         check` names every such record)"
    )
}
