//! Records that posting lists name.

use orderledger_domain::position::{Position, TopicPartition};
use orderledger_store::Error;
use orderledger_store::views::ViewReader;

use super::super::block::{Block, StoredRecord};
use super::recent::Recent;
use super::visit::Visit;

/// Offsets that lie so far from each other on average are in blocks of their own.
const SPARSE: u64 = 32;
/// Fewer are not worth a second thread.
const SHARED_MIN: usize = 16;

/// Gives the records at these offsets of a partition, those asked for lately from memory. True once the page is full: there
/// are more, behind [`Visit::next`].
pub(super) fn give_listed<F: FnMut(&StoredRecord)>(
    reader: &ViewReader,
    recent: Option<&Recent>,
    of: TopicPartition,
    mut offsets: impl Iterator<Item = Result<u64, Error>>,
    visit: &mut Visit<F>,
) -> Result<bool, Error> {
    let mut lookup = RecordLookup::new(reader);
    loop {
        if visit.is_full() {
            return Ok(offsets.next().transpose()?.is_some());
        }
        let due = offsets.by_ref().take(visit.room()).collect::<Result<Vec<u64>, Error>>()?;
        if due.is_empty() {
            return Ok(false);
        }
        let due: Vec<(u64, Option<StoredRecord>)> =
            due.into_iter().map(|offset| (offset, recent.and_then(|recent| recent.get(of.offset(offset))))).collect();
        let missing: Vec<u64> = due.iter().filter(|(_, kept)| kept.is_none()).map(|(offset, _)| *offset).collect();
        let mut found = if is_sparse(&missing) { find_apart(reader, of, &missing)? } else { Vec::new() }.into_iter();
        for (offset, kept) in due {
            if visit.is_full() {
                return Ok(true);
            }
            if let Some(record) = kept {
                visit.give(&record);
                continue;
            }
            let record = match found.next() {
                Some(record) => record,
                None => lookup.listed(of.offset(offset))?,
            };
            visit.give(&record);
            if let Some(recent) = recent {
                recent.keep(record.detached());
            }
        }
    }
}

fn is_sparse(offsets: &[u64]) -> bool {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return false };
    let count = u64::try_from(offsets.len()).unwrap_or(u64::MAX);
    offsets.len() >= SHARED_MIN && first.abs_diff(*last) / SPARSE >= count
}

/// Each record costs a block that is read and unpacked for it: two threads share that.
fn find_apart(reader: &ViewReader, of: TopicPartition, offsets: &[u64]) -> Result<Vec<StoredRecord>, Error> {
    let find = |offsets: &[u64]| {
        let mut lookup = RecordLookup::new(reader);
        let one = |offset: &u64| Ok(lookup.listed(of.offset(*offset))?.detached());
        offsets.iter().map(one).collect::<Result<Vec<StoredRecord>, Error>>()
    };
    let (first, second) = offsets.split_at(offsets.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| find(second));
        let mut records = find(first)?;
        // Its panic is this call's.
        records.append(&mut other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        Ok(records)
    })
}

/// Finds records one by one; neighbours cost one block.
pub struct RecordLookup<'a> {
    reader: &'a ViewReader,
    block: Option<(TopicPartition, Vec<StoredRecord>)>,
}

impl<'a> RecordLookup<'a> {
    /// Looks in that moment of the view.
    pub const fn new(reader: &'a ViewReader) -> RecordLookup<'a> {
        RecordLookup { reader, block: None }
    }

    /// The record there; it shares the memory of its block.
    pub fn get(&mut self, position: Position) -> Result<Option<StoredRecord>, Error> {
        let of = position.topic_partition();
        let held = self.block.as_ref().filter(|(held, records)| {
            let holds = |edge: Option<&StoredRecord>| edge.map(|record| record.position.offset);
            let (first, last) = (holds(records.first()), holds(records.last()));
            *held == of && first.is_some_and(|first| first <= position.offset) && last >= Some(position.offset)
        });
        if held.is_none() {
            let Some(block) = Block::at_or_before(self.reader, of, position.offset)? else { return Ok(None) };
            self.block = Some((of, block.decode()?));
        }
        let records = self.block.as_ref().map(|(_, records)| records.as_slice()).unwrap_or_default();
        let found = records.binary_search_by_key(&position.offset, |record| record.position.offset);
        Ok(found.ok().and_then(|at| records.get(at)).cloned())
    }

    /// A record that a posting list names: it must be there. It shares memory with its neighbours.
    fn listed(&mut self, position: Position) -> Result<StoredRecord, Error> {
        let missing = || Error::corrupt(position, "a posting list names a record that the audit trail does not have");
        self.get(position)?.ok_or_else(missing)
    }
}
