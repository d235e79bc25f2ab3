//! What a stage is: a deterministic fold of one partition that decides and emits.

use orderledger_domain::stream::StreamKey;
use orderledger_store::Error;
use orderledger_store::id_index::Kept;

use super::emitter::Output;
use crate::worker::partition::Accounting;
use crate::worker::read::Read;

/// Why a stage can't go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// A valid record that this binary can't know, or its own records with other bytes: wrong binary or rules.
    #[error("{0}")]
    Halt(String),
    /// Its own records came back with one missing: it must be sent again, from a restart. The record that shows it is
    /// passed over, so where the missing one was sent again already the fold goes on.
    #[error("{0}")]
    Gap(String),
    /// The store failed: nothing is decided without it.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A deterministic fold of one source partition into derived records.
pub trait StageFold: Send + Sized {
    /// The stage's name: its consumer group and the `source` of its records.
    const NAME: &'static str;
    /// The schema version of its snapshots.
    const SCHEMA: u16;
    /// What all partitions of the stage share.
    type Shared;

    /// The fold before the first record.
    fn new(partition: u32, partitions: u32, key: StreamKey) -> Self;

    /// Folds one record and pushes what it decides.
    fn step(&mut self, read: &Read, shared: &mut Self::Shared, outputs: &mut Vec<Output>) -> Result<(), Failure>;

    /// The offset from which it reads on.
    fn next_offset(&self) -> u64;

    /// The offset and digest of the last record read.
    fn last(&self) -> Option<(u64, u64)>;

    /// What became of the records.
    fn accounting(&self) -> Accounting;

    /// The whole state as bytes.
    fn image(&self) -> Result<Vec<u8>, Error>;

    /// Replaces the state by stored bytes.
    fn restore(&mut self, image: &[u8]) -> Result<(), Error>;

    /// Called at the end of every batch with the folds of all partitions: publishes what others look at, and keeps
    /// what the folds share; `durable` where snapshots are taken now, which may be kept once what is given here is written.
    fn end_batch(folds: &mut [Self], shared: &mut Self::Shared, durable: bool) -> Result<Kept, Error>;

    /// Called before the folds are restored once more: what earlier ones shared and did not commit is forgotten.
    fn begin_again(shared: &mut Self::Shared);

    /// Whether what the folds share allows a fold to go on from that offset of that partition.
    fn supports_resuming(shared: &Self::Shared, partition: u32, next_offset: u64) -> bool;
}
