//! Filling an empty log with the records of another one, as they stand there.

use orderledger_domain::position::TopicPartition;

use super::Record;
use crate::Error;

/// Takes records as they stood in another log: each keeps its offset, its append time and its bytes. Nobody else may write to
/// the log meanwhile.
pub trait Restoring {
    /// Takes records of a partition, the next ones in offset order; offsets may have holes.
    fn take(&mut self, of: TopicPartition, records: Vec<Record>) -> Result<(), Error>;

    /// The partition has no more records, and the other log's ended here.
    fn end(&mut self, of: TopicPartition, at: u64) -> Result<(), Error>;

    /// Returns once everything that was taken is acknowledged where it belongs.
    fn sync(&mut self) -> Result<(), Error>;
}
