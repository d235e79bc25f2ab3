//! What a projection is: a deterministic fold from records to rows.

use std::time::Duration;

use orderledger_domain::entity::{Entity, EntityKind};
use orderledger_domain::position::{Position, Topic};
use orderledger_store::Error;
use orderledger_store::views::{Changes, View};

use super::partition::Arrived;
use super::read::Read;

/// What a fold did with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It changed rows.
    Applied,
    /// The projection keeps nothing of such a record.
    Ignored,
}

/// A record that a fold can't apply, for a reason that lies in the record; nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unappliable(pub String);

/// A deterministic fold of records into the rows of one view.
///
/// Given the same records in the order of each partition it gives the same rows, whatever the batches and however the
/// partitions interleave. It keeps what it needs in memory (bounded) and reads older rows back from its view.
pub trait Fold: Send + Sized {
    /// The projection's name, as `/v1/projections` shows it.
    const NAME: &'static str;
    /// The topics it reads, every partition of each.
    const TOPICS: &'static [Topic];
    /// The schema version of its rows; another one in a stored view means: rebuild.
    const SCHEMA: u8;
    /// Earlier versions whose rows are read meanwhile: whatever queries read of them says the same now, and what a query reads that
    /// such rows don't have, it asks for with [`ViewReader::needs`](orderledger_store::views::ViewReader::needs). A version is never in
    /// here whose rows would be misread.
    const OLDER: &'static [u8] = &[];
    /// The kind of entity that waits alone when one of its records can't be applied; none: the worker halts there.
    const PARKS: Option<EntityKind> = None;
    /// The least time from one live batch to the next; zero for what must be visible at once.
    const PACE: Duration = Duration::ZERO;
    /// Whether somebody waits for what it shows of an order: its thread is urgent while it keeps up.
    const IS_WAITED_FOR: bool = false;
    /// Whether it lets those go first that somebody waits for.
    const YIELDS: bool = false;

    /// The fold as far as it concerns one entity, to try its records without consequences.
    fn load_entity(view: &View, partitions: u32, entity: &Entity) -> Result<Self, Error> {
        let _ = entity;
        Self::load(view, partitions)
    }

    /// The fold as its view's rows say; every topic has that many partitions.
    fn load(view: &View, partitions: u32) -> Result<Self, Error>;

    /// Applies one record, or refuses it whole: a refused record leaves no trace in the fold. Called for every record: derived ones that are the next of their
    /// stream, outside ones, and repeats (which only a view of raw bytes keeps).
    fn apply(&mut self, view: &View, read: &Read, arrived: Arrived) -> Result<Outcome, Failure>;

    /// A record of the entity is never applied: an operator discarded it. Called in its place among those that are applied,
    /// without the record if the log holds it no more.
    fn pass_over(&mut self, entity: &Entity, at: Position, arrived: Arrived, read: Option<&Read>) {
        let _ = (entity, at, arrived, read);
    }

    /// Whether it holds so much in memory that a commit is due.
    fn is_full(&self) -> bool {
        false
    }

    /// Moves the rows that changed since the last call into `changes`. Called at the end of a batch.
    fn write_rows(&mut self, view: &View, changes: &mut Changes) -> Result<(), Error>;
}

/// Why a fold stopped at a record.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The reason lies in the record.
    #[error(transparent)]
    Record(#[from] Unappliable),
    /// The reason lies in the view: never a reason to pass the record over.
    #[error(transparent)]
    View(#[from] Error),
    /// The worker must not go on, for a reason that lies in no single record.
    #[error("{0}")]
    Halt(String),
}
