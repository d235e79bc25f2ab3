//! What waits behind one entity's head: a block at its front and one at its end in memory, all others in the view alone.

use std::collections::VecDeque;
use std::ops::Bound;

use bytes::Bytes;
use orderledger_domain::entity::Entity;
use orderledger_store::Error;
use orderledger_store::keys::after_prefix;
use orderledger_store::views::{Changes, Direction, View, ViewReader};

use super::rows::{BlockRow, Kind, block_key, blocks_key, first_of_block_key};

/// So many waiting records fill a block. In tests few, so that there are many blocks.
const PER_BLOCK: usize = if cfg!(test) { 4 } else { 128 };

#[derive(Debug)]
struct Block {
    /// The offset in its key.
    first: u64,
    waiting: VecDeque<(u64, Kind)>,
    /// The view has it, perhaps with records that were taken off since.
    stored: bool,
}

/// The records behind a head, oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Where records are taken off, once any were.
    front: Option<Block>,
    /// Full blocks that are not in the view yet.
    full: VecDeque<Block>,
    /// Where records are added.
    end: Option<Block>,
    /// The newest block that was emptied: what the view still has at or below it doesn't count.
    emptied: Option<u64>,
    /// The blocks that were emptied since the last write.
    deleted: Vec<u64>,
}

impl Queue {
    /// The queue behind the head at that offset, as the view has it.
    pub(super) fn load(reader: &ViewReader, entity: &Entity, head: u64) -> Result<Queue, Error> {
        let last = reader.scan_prefix_rows::<BlockRow>(&blocks_key(entity).build(), Direction::Descending).next();
        let end = last.transpose()?.map(|(key, row)| {
            let first = first_of_block_key(&key)?;
            let waiting = row.waiting(first).filter(|(offset, _)| *offset > head).collect();
            Ok::<Block, Error>(Block { first, waiting, stored: true })
        });
        Ok(Queue { end: end.transpose()?, ..Queue::default() })
    }

    /// Adds a record.
    pub(super) fn push(&mut self, offset: u64, kind: Kind) {
        let empty = || Block { first: offset, waiting: VecDeque::new(), stored: false };
        let end = self.end.get_or_insert_with(empty);
        end.waiting.push_back((offset, kind));
        end.stored = false;
        if end.waiting.len() >= PER_BLOCK {
            self.full.extend(self.end.take());
        }
    }

    /// Takes the oldest record off; `head` is the offset of the one before it.
    pub(super) fn pop(&mut self, view: &View, entity: &Entity, head: u64) -> Result<Option<(u64, Kind)>, Error> {
        loop {
            if let Some(mut front) = self.front.take() {
                while let Some(next) = front.waiting.pop_front() {
                    if next.0 > head {
                        self.front = Some(front);
                        return Ok(Some(next));
                    }
                }
                self.emptied = Some(front.first);
                self.deleted.push(front.first);
            }
            self.front = self.oldest(view, entity)?;
            if self.front.is_none() {
                return Ok(None);
            }
        }
    }

    /// The oldest block, out of the view or out of memory.
    fn oldest(&mut self, view: &View, entity: &Entity) -> Result<Option<Block>, Error> {
        let all = blocks_key(entity).build();
        let low = self.emptied.map_or(Bound::Included(all.clone()), |first| Bound::Excluded(block_key(entity, first)));
        let in_memory = self.full.front().or(self.end.as_ref()).map(|block| block_key(entity, block.first));
        let high = in_memory.or_else(|| after_prefix(&all).map(Bytes::from)).map_or(Bound::Unbounded, Bound::Excluded);
        let stored = view.reader()?.scan_rows::<BlockRow, Bytes>((low, high), Direction::Ascending).next();
        match stored.transpose()? {
            Some((key, row)) => {
                let first = first_of_block_key(&key)?;
                Ok(Some(Block { first, waiting: row.waiting(first).collect(), stored: true }))
            }
            None => Ok(self.full.pop_front().or_else(|| self.end.take())),
        }
    }

    /// The keys of the blocks that were emptied and are in the view, perhaps, still.
    pub(super) fn emptied_keys(&self, entity: &Entity) -> impl Iterator<Item = Bytes> {
        self.deleted.iter().map(|first| block_key(entity, *first))
    }

    /// Moves what changed into `changes`.
    pub(super) fn write_rows(&mut self, entity: &Entity, changes: &mut Changes) -> Result<(), Error> {
        for first in self.deleted.drain(..) {
            changes.delete(block_key(entity, first));
        }
        let blocks = self.front.iter_mut().chain(&mut self.full).chain(&mut self.end);
        for block in blocks.filter(|block| !block.stored) {
            let row = BlockRow::of(block.first, block.waiting.iter().copied());
            changes.put_row(block_key(entity, block.first), &row)?;
            block.stored = true;
        }
        self.full.clear();
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_store::views::Schema;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(u64, bool),
        Pop(u8),
        Commit,
        Restart,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (1_u64..300, any::<bool>()).prop_map(|(gap, outside)| Step::Push(gap, outside)),
            2 => (1_u8..12).prop_map(Step::Pop),
            2 => Just(Step::Commit),
            1 => Just(Step::Restart),
        ];
        prop::collection::vec(step, 1..120)
    }

    proptest! {
        #[test]
        fn it_is_a_queue_whatever_is_written_and_read_back(steps in steps()) {
            let view = View::in_memory(Schema { name: "test", version: 1 });
            let entity: Entity = "user:u1".parse().unwrap();
            let mut queue = Queue::default();
            let (mut model, mut head, mut last) = (VecDeque::new(), 100, 100);
            let mut committed = (model.clone(), head, last);
            for step in steps {
                match step {
                    Step::Push(gap, outside) => {
                        last += gap;
                        let kind = if outside { Kind::Outside } else { Kind::Derived };
                        queue.push(last, kind);
                        model.push_back((last, kind));
                    }
                    Step::Pop(times) => {
                        for _ in 0..times {
                            let popped = queue.pop(&view, &entity, head).unwrap();
                            prop_assert_eq!(popped, model.pop_front());
                            head = popped.map_or(head, |(offset, _)| offset);
                        }
                    }
                    Step::Commit => {
                        let mut changes = view.changes();
                        queue.write_rows(&entity, &mut changes).unwrap();
                        view.commit(changes, "").unwrap();
                        committed = (model.clone(), head, last);
                    }
                    Step::Restart => {
                        (model, head, last) = committed.clone();
                        queue = Queue::load(&view.reader().unwrap(), &entity, head).unwrap();
                    }
                }
            }
            while let Some(next) = queue.pop(&view, &entity, head).unwrap() {
                prop_assert_eq!(Some(next), model.pop_front());
                head = next.0;
            }
            prop_assert!(model.is_empty());
            let mut changes = view.changes();
            queue.write_rows(&entity, &mut changes).unwrap();
            view.commit(changes, "").unwrap();
            prop_assert!(view.reader().unwrap().scan::<&[u8]>(.., Direction::Ascending).next().is_none());
        }
    }

    #[test]
    fn so_many_records_fill_a_block_and_a_restart_goes_on_filling_it() {
        let view = View::in_memory(Schema { name: "test", version: 1 });
        let entity: Entity = "user:u1".parse().unwrap();
        let blocks_with = |queue: &mut Queue, offset: u64| {
            queue.push(offset, Kind::Derived);
            let mut changes = view.changes();
            queue.write_rows(&entity, &mut changes).unwrap();
            view.commit(changes, "").unwrap();
            view.reader().unwrap().scan::<&[u8]>(.., Direction::Ascending).count()
        };
        let mut queue = Queue::default();
        let blocks: Vec<usize> = (101..106).map(|offset| blocks_with(&mut queue, offset)).collect();
        assert_eq!(blocks, [1, 1, 1, 1, 2]);
        let load = |head| Queue::load(&view.reader().unwrap(), &entity, head).unwrap();
        assert_eq!(blocks_with(&mut load(100), 106), 2);
        assert_eq!(blocks_with(&mut load(105), 107), 2);
        let row: BlockRow = view.reader().unwrap().get_row(&block_key(&entity, 105)).unwrap().unwrap();
        let waiting: Vec<u64> = row.waiting(105).map(|(offset, _)| offset).collect();
        assert_eq!(waiting, [106, 107], "the head waits no more");
    }
}
