//! `lag`: once a second how far every group is behind the log.

use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;
use orderledger_projections::worker::progress::PartitionProgress;
use orderledger_store::Error;

use super::channel::Channel;
use super::hub::Present;
use super::look::Look;
use super::message::Message;
use crate::lag::Group;
use crate::rows::LagRow;

/// How often it is told.
const EVERY: Duration = Duration::from_secs(1);

/// What was told last.
#[derive(Default)]
pub(super) struct Lag {
    told: Vec<Message>,
    at: Option<Instant>,
}

impl Present for Lag {
    fn advance(&mut self, look: &Look<'_>) -> Result<Vec<Message>, Error> {
        if self.at.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(Vec::new());
        }
        // Nothing is asked for it: what looks for all channels delivers what people wait for.
        let groups = look.ledger.lag.found()?;
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let told = groups.iter().filter_map(|group| Message::new(&Channel::Lag, &row(group), None)).collect();
        (self.told, self.at) = (told, Some(Instant::now()));
        Ok(self.told.clone())
    }

    fn snapshot(&self) -> Vec<Message> {
        self.told.clone()
    }
}

fn row(group: &Group) -> LagRow {
    let last = |(of, at): (&TopicPartition, &PartitionProgress)| Some((of.to_string(), at.next_offset.checked_sub(1)?));
    let positions = group.standing.partitions.iter().filter_map(last).collect();
    LagRow { name: group.name, state: group.state, positions, lag: group.into() }
}
