//! Posting lists: where in the log a user, an order or a symbol is spoken of.

use std::collections::HashMap;

use bytes::Bytes;
use orderledger_store::Error;
use orderledger_store::views::{Changes, Direction, View, ViewReader};

use super::rows::{self, LIST_ENTRIES_MAX, ListBlock, OPEN, RawBytes, TypeSet};
use super::varint::{self, Decoder};

/// An offset and the number of its record's event type.
pub(super) type Entry = (u64, u8);

/// How many open blocks one of the two generations keeps in memory; in bytes of entries, too.
const KEPT_LISTS_MAX: usize = 32 << 10;
const KEPT_BYTES_MAX: usize = 16 << 20;

/// The open blocks of the lists that were written last; others are read back from the view.
///
/// Two generations stand in for a list by last use: what is touched moves to the young one; when that is full it becomes
/// the old one, and what was old is forgotten.
#[derive(Debug, Default)]
pub(super) struct OpenLists {
    /// Changed since the last batch.
    changed: HashMap<Bytes, ListBlock>,
    /// Full since the last batch: they never change again.
    full: Vec<(Bytes, ListBlock)>,
    young: HashMap<Bytes, ListBlock>,
    young_bytes: usize,
    old: HashMap<Bytes, ListBlock>,
}

impl OpenLists {
    /// Appends an offset, which is above all others of the list.
    pub(super) fn append(&mut self, view: &View, list: Bytes, entry: Entry) -> Result<(), Error> {
        if let Some(block) = self.changed.get_mut(&list) {
            self.full.extend(block.append(entry).map(|full| (list, full)));
            return Ok(());
        }
        let kept = self.young.remove(&list).or_else(|| self.old.remove(&list));
        let mut block = match kept {
            Some(block) => block,
            None => view.reader()?.get_row(&rows::list_block(&list, OPEN))?.unwrap_or_default(),
        };
        self.full.extend(block.append(entry).map(|full| (list.clone(), full)));
        self.changed.insert(list, block);
        Ok(())
    }

    /// Writes what changed since the last call.
    pub(super) fn write_rows(&mut self, changes: &mut Changes) -> Result<(), Error> {
        for (list, block) in self.full.drain(..) {
            changes.put_row(rows::list_block(&list, block.last), &block)?;
        }
        for (list, block) in self.changed.drain() {
            changes.put_row(rows::list_block(&list, OPEN), &block)?;
            self.young_bytes = self.young_bytes.saturating_add(block.entries.0.len());
            self.young.insert(list, block);
        }
        if self.young.len() > KEPT_LISTS_MAX || self.young_bytes > KEPT_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        Ok(())
    }
}

impl ListBlock {
    /// Appends an entry; a full block is returned whole, and the entry begins the next.
    fn append(&mut self, (offset, number): Entry) -> Option<ListBlock> {
        let full = (self.count >= LIST_ENTRIES_MAX).then(|| std::mem::take(self));
        if self.count == 0 {
            self.first = offset;
            self.last = offset;
        }
        varint::write(offset.saturating_sub(self.last), &mut self.entries.0);
        self.entries.0.push(number);
        self.last = offset;
        self.count = self.count.saturating_add(1);
        self.types.add(TypeSet::of_number(number));
        full
    }

    fn decode(self) -> Result<Vec<Entry>, Error> {
        let ListBlock { first, last, count, entries: RawBytes(entries), .. } = self;
        let mut decoder = Decoder::new(Bytes::from(entries));
        let mut decoded = Vec::with_capacity(usize::try_from(count.min(LIST_ENTRIES_MAX)).unwrap_or(0));
        let mut offset = first;
        while let Some((distance, number)) = decoder.number().and_then(|distance| Some((distance, decoder.byte()?))) {
            offset = offset.saturating_add(distance);
            decoded.push((offset, number));
        }
        let whole = decoder.is_at_end() && u32::try_from(decoded.len()) == Ok(count) && offset == last;
        let damaged = || Error::corrupt(orderledger_store::At::Frame, "a posting list's block is damaged");
        if whole { Ok(decoded) } else { Err(damaged()) }
    }
}

/// The entries of a list with `from` ≤ offset < `to` whose types are in `types`, in order.
pub(super) struct Entries {
    blocks: Box<dyn Iterator<Item = Result<(Bytes, ListBlock), Error>>>,
    block: std::vec::IntoIter<Entry>,
    from: u64,
    to: u64,
    types: TypeSet,
    direction: Direction,
}

impl Entries {
    pub(super) fn new(
        reader: &ViewReader,
        list: &[u8],
        (from, to): (u64, u64),
        types: TypeSet,
        direction: Direction,
    ) -> Entries {
        // A block stands at its last offset: the first block at or above `to` may hold offsets below it, too.
        let open = rows::list_block(list, OPEN);
        let at = |offset| rows::list_block(list, offset);
        let blocks: Box<dyn Iterator<Item = _>> = match direction {
            _ if from >= to => Box::new(std::iter::empty()),
            Direction::Ascending => Box::new(reader.scan_rows(at(from)..=open, direction)),
            Direction::Descending => {
                let newest = reader.scan_rows(at(to)..=open, Direction::Ascending).take(1);
                Box::new(newest.chain(reader.scan_rows(at(from)..at(to), direction)))
            }
        };
        Entries { blocks, block: Vec::new().into_iter(), from, to, types, direction }
    }

    /// Decodes the next block that may have something; false at the end.
    fn read_block(&mut self) -> Result<bool, Error> {
        for row in self.blocks.by_ref() {
            let (_, block) = row?;
            if block.first >= self.to && self.direction == Direction::Ascending {
                return Ok(false);
            }
            if !block.types.meets(self.types) || block.first >= self.to || block.last < self.from {
                continue;
            }
            let mut entries = block.decode()?;
            entries.retain(|(offset, number)| {
                (self.from..self.to).contains(offset) && TypeSet::of_number(*number).meets(self.types)
            });
            if self.direction == Direction::Descending {
                entries.reverse();
            }
            self.block = entries.into_iter();
            return Ok(true);
        }
        Ok(false)
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.block.next() {
                return Some(Ok(entry));
            }
            match self.read_block() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.blocks = Box::new(std::iter::empty());
                    return Some(Err(error));
                }
            }
        }
    }
}
