//! One rebuild or rollback: what was asked, and how far it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::rebuild::pass::Passed;
use orderledger_projections::worker::stop::Stop;
use serde::Serialize;

use super::Acceptance;
use crate::ledger::now;

/// How many of the keys that differ are named.
pub(crate) const DIFFERENCES_NAMED: usize = 10;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// From offset zero. A view that comes out differently takes the live one's place only if that was accepted before.
    Rebuild(Option<Acceptance>),
    /// Back to the generation before.
    Rollback,
}

/// What it is doing, or what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Folding the log into memory.
    Folding,
    /// Writing the rows in key order.
    Writing,
    /// Following the log up to the live view.
    CatchingUp,
    /// The live view rests; both are compared.
    Comparing,
    /// The generation is live.
    Done,
    /// It differs from the live one, which stays.
    Different,
    /// It was called off.
    Canceled,
    /// It could not be done.
    Failed,
}

impl Phase {
    pub(crate) const fn has_ended(self) -> bool {
        matches!(self, Phase::Done | Phase::Different | Phase::Canceled | Phase::Failed)
    }
}

/// How far it is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// Records folded.
    pub(crate) records: u64,
    /// Offsets still to be read.
    pub(crate) left: u64,
    /// Rows written.
    pub(crate) rows: u64,
    /// Records a second since it began.
    pub(crate) records_per_second: u64,
    /// How long folding what is left takes at this rate; null once nothing is.
    pub(crate) eta_ms: Option<u64>,
    pub(crate) begun_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    /// How long the live view stood still for the comparison.
    pub(crate) rested_ms: Option<u64>,
    /// Of the live view, at the position at which both were compared.
    pub(crate) live_digest: Option<String>,
    /// Of the new one, at the same position.
    pub(crate) digest: Option<String>,
    /// The first keys that differ, in hexadecimal digits.
    pub(crate) differences: Vec<String>,
    pub(crate) error: Option<String>,
}

/// One rebuild or rollback of one projection.
pub(crate) struct Job {
    /// The generation that it makes, or goes back to.
    pub(crate) generation: u64,
    pub(crate) asked: Asked,
    cancel: Stop,
    pauses: AtomicBool,
    hurries: AtomicBool,
    begun: Instant,
    state: Mutex<State>,
}

impl Job {
    pub(crate) fn new(generation: u64, asked: Asked) -> Job {
        let phase = if asked == Asked::Rollback { Phase::CatchingUp } else { Phase::Folding };
        let state = State {
            phase,
            records: 0,
            left: 0,
            rows: 0,
            records_per_second: 0,
            eta_ms: None,
            begun_at: now(),
            ended_at: None,
            rested_ms: None,
            live_digest: None,
            digest: None,
            differences: Vec::new(),
            error: None,
        };
        Job {
            generation,
            asked,
            cancel: Stop::default(),
            pauses: AtomicBool::new(false),
            hurries: AtomicBool::new(false),
            begun: Instant::now(),
            state: Mutex::new(state),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.lock().clone()
    }

    pub(crate) fn runs(&self) -> bool {
        !self.lock().phase.has_ended()
    }

    /// Calls it off; the live view stays. Nothing happens if it has ended.
    pub(crate) fn cancel(&self) {
        self.cancel.set();
    }

    pub(crate) fn is_canceled(&self) -> bool {
        self.cancel.is_set()
    }

    /// Sleeps, but not on after it was called off.
    pub(crate) fn sleep(&self, pause: Duration) {
        self.pauses.store(true, Ordering::Relaxed);
        self.cancel.sleep(pause);
        self.pauses.store(false, Ordering::Relaxed);
    }

    /// Whether it lets others have the time.
    pub(crate) fn pauses(&self) -> bool {
        self.pauses.load(Ordering::Relaxed)
    }

    /// From now on it takes all the time there is: it would never end otherwise, or nobody can read the live view.
    pub(crate) fn hurry(&self) {
        self.hurries.store(true, Ordering::Relaxed);
    }

    /// Whether others make room for it.
    pub(crate) fn hurries(&self) -> bool {
        self.hurries.load(Ordering::Relaxed)
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.lock().phase = phase;
    }

    pub(super) fn passed(&self, before: u64, passed: Passed) {
        let mut state = self.lock();
        state.records = before.saturating_add(passed.records);
        state.left = passed.left;
        let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        state.records_per_second = state.records.saturating_mul(1000) / elapsed;
        let left_ms = passed.left.saturating_mul(1000) / state.records_per_second.max(1);
        state.eta_ms = (passed.left > 0).then_some(left_ms);
    }

    pub(super) fn wrote(&self, rows: u64) {
        self.lock().rows = rows;
    }

    pub(super) fn compared(&self, live: Option<u128>, rebuilt: u128) {
        let hex = |digest: u128| format!("{digest:032x}");
        let mut state = self.lock();
        state.live_digest = live.map(hex);
        state.digest = Some(hex(rebuilt));
    }

    pub(super) fn differs_at(&self, keys: &[Vec<u8>]) {
        let hex = |key: &Vec<u8>| key.iter().map(|byte| format!("{byte:02x}")).collect();
        self.lock().differences = keys.iter().map(hex).collect();
    }

    pub(super) fn rested(&self, since: Instant) {
        self.lock().rested_ms = u64::try_from(since.elapsed().as_millis()).ok();
    }

    pub(super) fn end(&self, phase: Phase, error: Option<String>) {
        let mut state = self.lock();
        (state.phase, state.error, state.eta_ms, state.ended_at) = (phase, error, None, Some(now()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
