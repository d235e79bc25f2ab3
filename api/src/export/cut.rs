//! Where the partitions of a log that is written to may end, so that the part before is one that a crash could have left: whoever
//! goes on from it writes the rest as it was written.
//!
//! The ends are asked for one partition after another, so a record may be below one of them while what it follows from is not below
//! another. Two things are never so in a log: a record without its cause, and one in `books` without what intake wrote to `orders`
//! of the same and earlier causes (it waits for their acknowledgement). The ends grow until both hold. What a record rests on was
//! appended before it, so before the second asking ended: the third one has it.

use std::collections::BTreeMap;

use orderledger_domain::envelope;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_store::Error;
use orderledger_store::event_log::{EventLog, Record};

/// How many records are read at once.
const CHUNK: usize = 1000;

type Ends = BTreeMap<TopicPartition, u64>;

/// A record that a stage wrote while the ends were asked for.
#[derive(Clone, Copy)]
struct Derived {
    at: Position,
    cause: Position,
}

/// The end of every partition, exclusive.
pub(crate) fn consistent_ends(log: &dyn EventLog) -> Result<Ends, Error> {
    let quiet = ends(log)?;
    let mut cut = ends(log)?;
    if cut == quiet {
        return Ok(cut);
    }
    let later = ends(log)?;
    let mut derived = Vec::new();
    for (of, from) in &quiet {
        // What stands below was there before the second asking began, and so was all that it rests on.
        let to = later.get(of).copied().unwrap_or(0);
        written_between(log, *of, *from, to, &mut derived)?;
    }
    grow(&mut cut, &later, &derived);
    Ok(cut)
}

/// Decisions about records come first: they name what must be there, and no cause.
fn ends(log: &dyn EventLog) -> Result<Ends, Error> {
    let topics = Topic::ALL.into_iter().rev();
    let all = topics.flat_map(|topic| (0..log.partitions()).map(move |partition| topic.at(partition)));
    all.map(|of| Ok((of, log.stable_end(of)?))).collect()
}

fn written_between(
    log: &dyn EventLog,
    of: TopicPartition,
    from: u64,
    to: u64,
    derived: &mut Vec<Derived>,
) -> Result<(), Error> {
    let mut next = from;
    while next < to {
        let records = log.read(of, next, CHUNK)?;
        let Some(last) = records.last() else { break };
        next = last.offset.saturating_add(1);
        let written =
            records.iter().filter_map(|record| Some(Derived { at: of.offset(record.offset), cause: cause(record)? }));
        derived.extend(written);
    }
    Ok(())
}

fn cause(record: &Record) -> Option<Position> {
    let value = record.value.as_deref();
    let stamp = match envelope::read(value) {
        Ok(envelope) => envelope.stamp,
        Err(refusal) => envelope::stamp_of_unknown(value, &refusal),
    };
    stamp.map(|stamp| stamp.cause.position)
}

/// Moves the ends behind what the records below them rest on; never beyond `most`, whatever a forged record names.
fn grow(cut: &mut Ends, most: &Ends, derived: &[Derived]) {
    loop {
        let before = cut.clone();
        // The newest cause of each partition that `books` holds something of.
        let mut passed_on = Ends::new();
        for record in derived.iter().filter(|record| is_below(&before, record.at)) {
            include(cut, most, record.cause);
            if record.at.topic == Topic::Books {
                let newest = passed_on.entry(record.cause.topic_partition()).or_default();
                *newest = record.cause.offset.max(*newest);
            }
        }
        let said_before = |other: &&Derived| {
            let newest = passed_on.get(&other.cause.topic_partition());
            other.at.topic == Topic::Orders && newest.is_some_and(|newest| other.cause.offset <= *newest)
        };
        derived.iter().filter(said_before).for_each(|other| include(cut, most, other.at));
        if *cut == before {
            return;
        }
    }
}

fn is_below(ends: &Ends, at: Position) -> bool {
    ends.get(&at.topic_partition()).is_some_and(|end| at.offset < *end)
}

fn include(cut: &mut Ends, most: &Ends, at: Position) {
    if is_below(most, at)
        && let Some(end) = cut.get_mut(&at.topic_partition())
    {
        *end = (*end).max(at.offset.saturating_add(1));
    }
}

#[cfg(test)]
mod tests;
