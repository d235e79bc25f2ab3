//! Which outside records intake reads, by the rules in force where they stand: what it doesn't read names no order and no
//! symbol.

use std::collections::BTreeMap;

use orderledger_domain::envelope::Envelope;
use orderledger_domain::event::Event;
use orderledger_domain::position::Topic;
use orderledger_store::Error;
use orderledger_store::keys::{KeyReader, READABLE};
use orderledger_store::views::{Changes, Direction, ViewReader};

use super::rows;
use crate::worker::partition::Arrived;
use crate::worker::read::Read;

/// The versions of the rules, by partition of `orders`; none where no version was ever set under which more is read than
/// under the first. So a log of before such versions has no rows here.
#[derive(Debug, Default)]
pub(super) struct Readable {
    versions: BTreeMap<u32, u32>,
    changed: Vec<u32>,
}

impl Readable {
    pub(super) fn load(reader: &ViewReader) -> Result<Readable, Error> {
        let mut readable = Readable::default();
        for row in reader.scan_prefix_rows::<u32>(&[READABLE], Direction::Ascending) {
            let (key, version) = row?;
            readable.versions.insert(KeyReader::new(READABLE, &key)?.u32()?, version);
        }
        Ok(readable)
    }

    /// What a record says, if it is read.
    pub(super) fn envelope<'a>(&self, read: &'a Read, arrived: Arrived) -> Option<&'a Envelope> {
        let at = read.position;
        let is_judged = at.topic == Topic::Orders && matches!(arrived, Arrived::Outside);
        let envelope = read.envelope.as_ref().ok()?;
        (!is_judged || read.is_read_under(self.versions.get(&at.partition).copied())).then_some(envelope)
    }

    /// Takes a record that sets the rules where it stands.
    pub(super) fn take(&mut self, read: &Read, arrived: Arrived) {
        let at = read.position;
        let Ok(Envelope { event: Ok(Event::RulesVersionSet(set)), .. }) = &read.envelope else { return };
        if at.topic != Topic::Orders || !matches!(arrived, Arrived::Derived) {
            return;
        }
        if Read::reads_more(set.rules_version) || self.versions.contains_key(&at.partition) {
            self.versions.insert(at.partition, set.rules_version);
            self.changed.push(at.partition);
        }
    }

    pub(super) fn write_rows(&mut self, changes: &mut Changes) -> Result<(), Error> {
        for partition in self.changed.drain(..) {
            if let Some(version) = self.versions.get(&partition) {
                changes.put_row(rows::readable(partition), version)?;
            }
        }
        Ok(())
    }
}
