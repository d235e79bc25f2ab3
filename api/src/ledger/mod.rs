//! The ledger put together: log, stages, projections and what others look at. Everything that names concrete parts is here.

mod open;
mod rebuild;
mod settled;

use std::sync::Arc;
use std::time::Duration;

use orderledger_domain::stream::StreamKey;
use orderledger_projections::intake::answers::Answers;
use orderledger_projections::worker::board::Board;
use orderledger_projections::worker::progress::Progress;
use orderledger_projections::worker::stop::Stop;
use orderledger_store::event_log::{Appender, EventLog};
use orderledger_store::views::View;

pub use open::{Opened, Settings, Workers, open_log};
pub use rebuild::{Rebuilt, catch_up, rebuild};

/// A projection's view and how far it is.
#[derive(Clone)]
pub struct ViewHandle {
    /// The projection's name.
    pub name: &'static str,
    /// The rows.
    pub view: Arc<View>,
    /// How far the worker is.
    pub progress: Progress,
    /// The number of the live generation.
    pub generation: u64,
}

/// What handlers and commands use; the workers run beside it.
pub struct Ledger {
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// Writes outside records.
    pub appender: Box<dyn Appender>,
    /// The partition count of every topic.
    pub partitions: u32,
    /// The key of the streams.
    pub key: StreamKey,
    /// Intake's newest answers.
    pub answers: Arc<Answers>,
    /// How far intake is: everything below is judged, and all that follows from it is acknowledged.
    pub intake: Progress,
    /// How far matching is, likewise.
    pub matching: Progress,
    /// Balances, orders, fills, postings.
    pub settlement: ViewHandle,
    /// Tape, candles, figures.
    pub market: ViewHandle,
    /// The log itself, for questions.
    pub audit: ViewHandle,
    /// The live books.
    pub board: Arc<Board>,
    /// How long a write waits for its acknowledgement and intake's answer.
    pub answer_timeout: Duration,
    /// Says when to end.
    pub stop: Stop,
}

impl Ledger {
    /// The three views.
    pub const fn views(&self) -> [&ViewHandle; 3] {
        [&self.settlement, &self.market, &self.audit]
    }
}
