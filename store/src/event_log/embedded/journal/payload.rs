//! The batches of one commit as bytes, one after another: `topic u8 | partition u32 | base offset u64 | length u32 | frame`, little-endian.

use orderledger_domain::position::{Topic, TopicPartition};

use super::super::batches::Encoded;

/// The bytes of these batches.
pub(super) fn write(batches: &[Encoded]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(batches.iter().map(|batch| HEAD_BYTES + batch.frame.len()).sum());
    for Encoded { of, base, frame } in batches {
        bytes.push(of.topic.number());
        bytes.extend_from_slice(&of.partition.to_le_bytes());
        bytes.extend_from_slice(&base.to_le_bytes());
        // A batch is cut long before 4 GiB.
        bytes.extend_from_slice(&u32::try_from(frame.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(frame);
    }
    bytes
}

/// The batches that these bytes are; `None`: they are damaged.
pub(super) fn read(mut bytes: &[u8]) -> Option<Vec<Encoded>> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let topic = take::<1>(&mut bytes)?;
        let topic = Topic::ALL.into_iter().find(|known| [known.number()] == topic)?;
        let of: TopicPartition = topic.at(u32::from_le_bytes(take(&mut bytes)?));
        let base = u64::from_le_bytes(take(&mut bytes)?);
        let length = usize::try_from(u32::from_le_bytes(take(&mut bytes)?)).ok()?;
        let (frame, rest) = bytes.split_at_checked(length)?;
        batches.push(Encoded { of, base, frame: frame.to_vec() });
        bytes = rest;
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
    fn a_commit_is_read_back_as_written_and_a_cut_one_is_damaged() {
        let batch = |of, base, frame: &[u8]| Encoded { of, base, frame: frame.to_vec() };
        let written = [batch(Topic::Orders.at(3), 7, b"one"), batch(Topic::Trades.at(0), 1 << 40, b"")];
        let bytes = write(&written);
        let same = |found: Vec<Encoded>| {
            let found = found.iter().map(|batch| (batch.of, batch.base, batch.frame.as_slice()));
            found.eq(written.iter().map(|batch| (batch.of, batch.base, batch.frame.as_slice())))
        };
        assert!(read(&bytes).is_some_and(same));
        for cut in 1..bytes.len() {
            let whole = read(bytes.get(..cut).unwrap_or_default());
            assert!(whole.is_none_or(|whole| whole.len() < written.len()), "{cut}");
        }
    }
}
