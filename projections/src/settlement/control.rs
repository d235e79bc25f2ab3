//! What control events set, as it stands in each partition: the fee schedule, the version of the stages'
//! rules, the key of their streams; and where sessions closed.

use std::collections::BTreeMap;

use orderledger_domain::event::{Event, FeeSchedule};
use orderledger_domain::rules::Rules;
use orderledger_store::Error;
use orderledger_store::views::{Changes, ViewReader};
use serde::Serialize;

use super::holder::Fact;
use super::rows::{self, FeeScheduleRow, RulesRow, SessionRow, StreamKeyRow};
use super::{Kept, queries};
use crate::worker::read::Read;

/// By partition of `orders`.
#[derive(Debug, Default)]
pub(super) struct Control {
    fees: BTreeMap<u32, Kept<FeeScheduleRow>>,
    rules: BTreeMap<u32, Kept<RulesRow>>,
    stream_keys: BTreeMap<u32, Kept<StreamKeyRow>>,
    /// Closes that the view doesn't have yet, by where they were asked for and by partition.
    sessions: Vec<((u64, u32), SessionRow)>,
}

impl Control {
    pub(super) fn load(reader: &ViewReader) -> Result<Control, Error> {
        let mut control = Control::default();
        for row in queries::fee_schedules(reader) {
            let (partition, row) = row?;
            control.fees.insert(partition, Kept { row, changed: false });
        }
        for row in queries::rules_versions(reader) {
            let (partition, row) = row?;
            control.rules.insert(partition, Kept { row, changed: false });
        }
        for row in queries::stream_keys(reader) {
            let (partition, row) = row?;
            control.stream_keys.insert(partition, Kept { row, changed: false });
        }
        Ok(control)
    }

    /// The fee rates as they stand in partition 0, where they are requested.
    pub(super) fn fee_schedule(&self) -> FeeSchedule {
        self.fees.get(&0).map_or_else(FeeSchedule::default, |kept| kept.row.schedule)
    }

    /// Whether an outside record is of a version that intake reads where it stands.
    pub(super) fn reads(&self, read: &Read) -> bool {
        read.is_read_under(self.rules.get(&read.position.partition).map(|kept| kept.row.version))
    }

    /// Takes what a control event sets; false if it is none that sets anything.
    pub(super) fn set(&mut self, fact: &Fact, event: &Event) -> bool {
        let (partition, offset) = (fact.position.partition, fact.position.offset);
        match event {
            Event::FeeScheduleSet(schedule) => {
                let row = FeeScheduleRow { schedule: *schedule, offset };
                self.fees.insert(partition, Kept { row, changed: true });
            }
            Event::RulesVersionSet(set) => {
                let version = set.rules_version;
                // The first version is in force anyway: views of before this row existed have none for it either.
                if version != Rules::default().version() || self.rules.contains_key(&partition) {
                    self.rules.insert(partition, Kept { row: RulesRow { version, offset }, changed: true });
                }
            }
            Event::StreamKeySet(set) => {
                let row = StreamKeyRow { key_id: set.key_id, offset };
                self.stream_keys.insert(partition, Kept { row, changed: true });
            }
            Event::SessionClosed(close) => {
                let symbols = close.symbols.as_ref().filter(|_| partition == 0).cloned().unwrap_or_default();
                let (closed_at, is_whole) = (fact.time, close.symbols.is_none());
                let row = SessionRow { offset, closed_at, is_whole, symbols };
                self.sessions.push(((fact.cause.offset, partition), row));
            }
            _ => return false,
        }
        true
    }

    pub(super) fn write_rows(&mut self, changes: &mut Changes) -> Result<(), Error> {
        for ((asked, partition), row) in self.sessions.drain(..) {
            changes.put_row(rows::session_key(asked, partition), &row)?;
        }
        write_changed(rows::FEES, &mut self.fees, changes)?;
        write_changed(rows::RULES, &mut self.rules, changes)?;
        write_changed(rows::STREAM_KEY, &mut self.stream_keys, changes)
    }
}

fn write_changed<R: Serialize>(
    name: &str,
    kept: &mut BTreeMap<u32, Kept<R>>,
    changes: &mut Changes,
) -> Result<(), Error> {
    for (partition, kept) in kept {
        if std::mem::take(&mut kept.changed) {
            changes.put_row(rows::control_key(name, *partition), &kept.row)?;
        }
    }
    Ok(())
}
