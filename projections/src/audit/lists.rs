//! Posting lists: where in the log a user, an order or a symbol is spoken of.

use bytes::Bytes;
use hashbrown::HashMap;
use orderledger_store::Error;
use orderledger_store::keys::KeyBuilder;
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
    pub(super) fn append(&mut self, view: &View, list: &KeyBuilder, entry: Entry) -> Result<(), Error> {
        if let Some(block) = self.changed.get_mut(list.as_slice()) {
            self.full.extend(block.append(entry).map(|full| (list.clone().build(), full)));
            return Ok(());
        }
        let list = list.clone().build();
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
            // A batch of a rebuild has far more than are worth keeping.
            if self.old.len() > 2 * KEPT_LISTS_MAX || self.young_bytes > 2 * KEPT_BYTES_MAX {
                self.old = HashMap::new();
            }
            self.young_bytes = 0;
        }
        Ok(())
    }

    /// How many lists changed since the last batch.
    pub(super) fn changed(&self) -> usize {
        self.changed.len()
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

/// Whether offsets stand in a list: neighbours cost one block.
pub(super) struct Named<'a> {
    reader: &'a ViewReader,
    list: KeyBuilder,
    /// The offsets of the block that holds all of the list's in this range.
    block: Option<(std::ops::RangeInclusive<u64>, Vec<Entry>)>,
}

impl<'a> Named<'a> {
    pub(super) const fn new(reader: &'a ViewReader, list: KeyBuilder) -> Named<'a> {
        Named { reader, list, block: None }
    }

    /// Whether the list has that offset.
    pub(super) fn has(&mut self, offset: u64) -> Result<bool, Error> {
        if self.block.as_ref().is_none_or(|(range, _)| !range.contains(&offset)) {
            let list = self.list.as_slice();
            // A block stands at its last offset: the first at or above this one has it, if any has.
            let range = rows::list_block(list, offset)..=rows::list_block(list, OPEN);
            let found = self.reader.first_row::<ListBlock, _>(range, Direction::Ascending)?;
            let block = found.map(|(_, block)| block).unwrap_or_default();
            let known = block.first.min(offset)..=block.last.max(offset);
            self.block = Some((known, block.decode()?));
        }
        let entries = self.block.as_ref().map(|(_, entries)| entries.as_slice()).unwrap_or_default();
        Ok(entries.binary_search_by_key(&offset, |(offset, _)| *offset).is_ok())
    }
}

/// The entries of a list with `from` ≤ offset < `to` whose types are in `types`, in order: as many as so many blocks have.
pub(super) struct Entries<'a> {
    blocks: Box<dyn Iterator<Item = Result<(Bytes, ListBlock), Error>>>,
    block: std::vec::IntoIter<Entry>,
    from: u64,
    to: u64,
    types: TypeSet,
    direction: Direction,
    /// How many more blocks may be looked at; one always may.
    left: &'a mut usize,
    /// The last offset of the last block looked at, in that direction.
    passed: Option<u64>,
    is_stopped: bool,
}

impl<'a> Entries<'a> {
    pub(super) fn new(
        reader: &ViewReader,
        list: &[u8],
        (from, to): (u64, u64),
        types: TypeSet,
        direction: Direction,
        left: &'a mut usize,
    ) -> Entries<'a> {
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
        let block = Vec::new().into_iter();
        Entries { blocks, block, from, to, types, direction, left, passed: None, is_stopped: false }
    }

    /// Behind which offset the list goes on, where it ended because no more blocks might be looked at.
    pub(super) fn stopped_behind(&self) -> Option<u64> {
        self.passed.filter(|_| self.is_stopped)
    }

    /// Decodes the next block that may have something; false at the end.
    fn read_block(&mut self) -> Result<bool, Error> {
        while let Some(row) = self.blocks.next() {
            let (_, block) = row?;
            if block.first >= self.to && self.direction == Direction::Ascending {
                return Ok(false);
            }
            if block.first >= self.to || block.last < self.from {
                continue;
            }
            self.is_stopped = *self.left == 0 && self.passed.is_some();
            if self.is_stopped {
                self.blocks = Box::new(std::iter::empty());
                return Ok(false);
            }
            *self.left = self.left.saturating_sub(1);
            self.passed = Some(if self.direction == Direction::Ascending { block.last } else { block.first });
            if !block.types.meets(self.types) {
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

impl Iterator for Entries<'_> {
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
