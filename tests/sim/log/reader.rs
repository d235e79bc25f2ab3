//! A reader of the simulated log: pieces of any size, partitions in any order, now and then nothing or an error.

use std::sync::Arc;
use std::time::Duration;

use orderledger_domain::position::TopicPartition;
use orderledger_store::Error;
use orderledger_store::event_log::{Fetched, Reader};

use super::Shared;
use crate::faults::Faults;

pub(super) struct SimReader {
    pub(super) shared: Arc<Shared>,
    pub(super) wanted: Vec<(TopicPartition, u64)>,
}

impl Reader for SimReader {
    fn poll(&mut self, _: Duration) -> Result<Vec<Fetched>, Error> {
        let mut state = self.shared.lock();
        state.answer(15)?;
        let mut fetched = Vec::new();
        let first = state.dice.place(self.wanted.len());
        self.wanted.rotate_left(first);
        let whole = state.faults == Faults::NONE || state.dice.percent(50);
        for (of, next) in &mut self.wanted {
            let max = if whole { usize::MAX } else { *state.dice.pick(&[0, 1, 2, 7, 30]) };
            let partition = state.partition(*of)?;
            let records = partition.from(*next, max).to_vec();
            let passed = records.last().map_or(*next, |last| last.offset + 1);
            let read_to_end = partition.from(passed, 1).is_empty() && max > 0;
            *next = if read_to_end { partition.end } else { passed };
            if !records.is_empty() {
                state.trace.note(|| format!("read {of} below {next}"));
                fetched.push(Fetched { from: *of, records });
            }
        }
        Ok(fetched)
    }

    fn position(&self, of: TopicPartition) -> u64 {
        self.wanted.iter().find(|(partition, _)| *partition == of).map_or(0, |(_, next)| *next)
    }
}
