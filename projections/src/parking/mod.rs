//! parking: one record that can't be applied holds up its entity alone.
//!
//! A record that a projection can't apply, for a reason that lies in the record, parks its **entity** (the user, the
//! symbol): the record is the head of a queue, and every later record of the entity waits behind it, in order. All others
//! go on. An operator retries the head, once the program can apply it, or discards it; then what waits is applied in
//! order, until the queue is empty or another head can't be applied. What a projection's rows are follows from the
//! records, the discards and the program alone: a retry only says when to try again.
//!
//! - [`rows`]: what is stored, and under which keys
//! - [`queries`]: what HTTP and proofs read
//! - [`dry_run`]: what a retry would come to
//! - `entities`, `queue`: what is parked, in memory
//! - `asked`: whose record an answer answers
//! - `decisions`: what operators said
//! - [`notices`]: what `dead-letters` is told
//! - [`breaker`]: when it is too much

pub(crate) mod asked;
pub mod breaker;
pub(crate) mod decisions;
pub mod dry_run;
pub(crate) mod entities;
pub mod notices;
pub mod queries;
mod queue;
pub mod rows;

use orderledger_domain::position::Position;
use orderledger_store::Error;
use orderledger_store::event_log::{EventLog, Record};

/// Why a record that waits can't be applied if the log lost it.
pub const LOST: &str = "the log holds it no more: discard it, or restore the log";

/// A record that waits, out of the log; none if the log lost it.
pub fn waiting_record(log: &dyn EventLog, at: Position) -> Result<Option<Record>, Error> {
    let found = match log.read(at.topic_partition(), at.offset, 1) {
        Err(Error::Refused { .. }) => return Ok(None),
        found => found?,
    };
    Ok(found.into_iter().find(|record| record.offset == at.offset))
}

/// The program that tries: what stands with a head that it could not apply.
pub const fn code_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
