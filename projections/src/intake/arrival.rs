//! What a record of `orders` is to intake: its own, another stage's, or an outsider's.

use std::collections::VecDeque;

use orderledger_domain::envelope::{Refusal, Stamp};
use orderledger_domain::ids::KeyId;
use orderledger_domain::position::Topic;
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::stream::{Arrival, StreamId, StreamMark, StreamMarks};
use serde::{Deserialize, Serialize};

use crate::stage::fold::Failure;
use crate::worker::partition::may_end_in;
use crate::worker::read::{Read, lacks};

/// A record as intake takes it.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Intake's own record, as expected.
    Own,
    /// The next record of another stage's stream, or a control event from partition 0.
    Next,
    /// A repeat of a stream.
    Repeat,
    /// Intake's own record, as expected, but not yet: one before it is missing.
    Early,
    /// A record from outside, to be judged.
    Outside,
    /// An outsider's record of a derived type.
    Forged(Refusal),
}

/// The streams that end in this partition, and the own records that have not come back yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arrivals {
    marks: StreamMarks,
    expected: VecDeque<StreamMark>,
}

impl Arrivals {
    /// Remembers an own record that will come back.
    pub(crate) fn expect(&mut self, mark: StreamMark) {
        self.expected.push_back(mark);
    }

    /// The keys that the streams have taken.
    pub(crate) fn keys(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.marks.keys()
    }

    pub(crate) fn take(&mut self, read: &Read) -> Result<Taken, Failure> {
        let Some(stamp) = read.stamp else { return Ok(Taken::Outside) };
        let here = Topic::Orders.at(read.position.partition);
        let stream = StreamId::of(&stamp);
        if !may_end_in(stream, here) {
            return Ok(forged("no stage writes such a stream to this partition"));
        }
        let taken = if stream.is_intake_of(here.partition) {
            self.take_own(&stamp, read)?
        } else {
            match self.marks.take(&stamp, read.digest) {
                Arrival::Next => Taken::Next,
                Arrival::Repeat { diverges } => repeat(read, diverges),
                Arrival::OutOfStream => forged("neither the next of its stream nor a repeat"),
            }
        };
        if matches!(taken, Taken::Next | Taken::Own)
            && let Some(id) = read.lacks
        {
            return Err(Failure::Halt(format!("{}: {}", read.position, lacks(id))));
        }
        let readable = read.envelope.as_ref().and_then(|envelope| envelope.event.as_ref());
        match (&taken, readable) {
            (Taken::Next | Taken::Own, Err(refusal)) => Err(Failure::Halt(format!(
                "{} is a valid record that this program can't read: {refusal}",
                read.position
            ))),
            _ => Ok(taken),
        }
    }

    fn take_own(&mut self, stamp: &Stamp, read: &Read) -> Result<Taken, Failure> {
        match self.marks.judge(stamp, read.digest) {
            Arrival::Repeat { diverges } => return Ok(repeat(read, diverges)),
            Arrival::Next => match self.expected.front() {
                Some(expected) if expected.digest == read.digest => {
                    self.expected.pop_front();
                    self.marks.take(stamp, read.digest);
                    return Ok(Taken::Own);
                }
                Some(_) => {
                    let what = "an own record came back with other bytes than the rules give: wrong binary or rules";
                    return Err(Failure::Halt(format!("{}: {what}", read.position)));
                }
                None => {}
            },
            Arrival::OutOfStream => {
                let came = StreamMark { sequence: stamp.sequence, digest: read.digest };
                if self.expected.contains(&came) {
                    return Ok(Taken::Early);
                }
            }
        }
        Ok(forged("not a record that intake wrote"))
    }
}

fn repeat(read: &Read, diverges: bool) -> Taken {
    if diverges {
        tracing::error!(position = %read.position, "a repeat with other bytes: a diverging twin writes to this log");
    }
    Taken::Repeat
}

fn forged(detail: &str) -> Taken {
    Taken::Forged(Refusal::new(RefuseReason::NotInStream, detail))
}
