//! What was committed last, a row for each commit: it is put in its place later, many commits at once.
//!
//! A commit's records go to several partitions, and so to as many places of the table of batches; a B-tree that is never changed in
//! place writes the whole way to each of them again. One row at the end of a small table costs a third of that (docs/adr/0030). Only the
//! newest file has such rows, and as long as it has any, its format says so.

use orderledger_domain::position::{Topic, TopicPartition};
use redb::TableDefinition;

use super::batches::Encoded;

/// The number of a commit since the table was empty → [`row`].
pub(super) const JOURNAL: TableDefinition<u64, &[u8]> = TableDefinition::new("journal");

/// The batches of one commit, one after another: `topic u8 | partition u32 | base offset u64 | length u32 | frame`, little-endian.
pub(super) fn row(batches: &[Encoded]) -> Vec<u8> {
    let mut row = Vec::with_capacity(batches.iter().map(|batch| HEAD_BYTES + batch.frame.len()).sum());
    for Encoded { of, base, frame } in batches {
        row.push(of.topic.number());
        row.extend_from_slice(&of.partition.to_le_bytes());
        row.extend_from_slice(&base.to_le_bytes());
        // A batch is cut long before 4 GiB.
        row.extend_from_slice(&u32::try_from(frame.len()).unwrap_or(u32::MAX).to_le_bytes());
        row.extend_from_slice(frame);
    }
    row
}

/// The batches of a row; `None`: it is damaged. Each frame has a checksum of its own, what stands before it that of redb's page.
pub(super) fn batches(mut row: &[u8]) -> Option<Vec<Encoded>> {
    let mut batches = Vec::new();
    while !row.is_empty() {
        let topic = take::<1>(&mut row)?;
        let topic = Topic::ALL.into_iter().find(|known| [known.number()] == topic)?;
        let of: TopicPartition = topic.at(u32::from_le_bytes(take(&mut row)?));
        let base = u64::from_le_bytes(take(&mut row)?);
        let length = usize::try_from(u32::from_le_bytes(take(&mut row)?)).ok()?;
        let (frame, rest) = row.split_at_checked(length)?;
        batches.push(Encoded { of, base, frame: frame.to_vec() });
        row = rest;
    }
    Some(batches)
}

const HEAD_BYTES: usize = 17;

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_back_as_written_and_a_cut_one_is_damaged() {
        let batch = |of, base, frame: &[u8]| Encoded { of, base, frame: frame.to_vec() };
        let written = [batch(Topic::Orders.at(3), 7, b"one"), batch(Topic::Trades.at(0), 1 << 40, b"")];
        let row = row(&written);
        let same = |read: Vec<Encoded>| {
            let read = read.iter().map(|batch| (batch.of, batch.base, batch.frame.as_slice()));
            read.eq(written.iter().map(|batch| (batch.of, batch.base, batch.frame.as_slice())))
        };
        assert!(batches(&row).is_some_and(same));
        for cut in 1..row.len() {
            let whole = batches(row.get(..cut).unwrap_or_default());
            assert!(whole.is_none_or(|whole| whole.len() < written.len()), "{cut}");
        }
    }
}
