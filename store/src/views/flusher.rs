//! The thread that moves commits from memory to sled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::base::Base;
use super::head::{self, DigestAt, HEAD_KEY};
use super::layers::Layers;
use super::run::{Change, Run};
use super::{Inner, Pending};
use crate::{Error, faults};

pub(super) fn start(inner: Arc<Inner>) -> Result<JoinHandle<()>, Error> {
    let at = inner.at.clone();
    let flush_until_closed = move || {
        let ended = catch_unwind(AssertUnwindSafe(|| run(&inner)));
        let ended = ended.unwrap_or_else(|_| Err(Error::corrupt(inner.at.clone(), "the flusher panicked")));
        if let Err(error) = ended {
            inner.fail(error);
        }
    };
    let spawned = thread::Builder::new().name("view-flusher".to_owned()).spawn(flush_until_closed);
    spawned.map_err(|cause| Error::unavailable(at, "no thread for the view's flusher").with_source(cause))
}

/// What the flusher has to do next.
enum Due {
    /// Move these oldest runs to sled.
    Flush(Vec<Arc<Run>>),
    /// Sync what was flushed.
    Sync,
    /// End.
    Close,
}

fn run(inner: &Inner) -> Result<(), Error> {
    let Some(base) = &inner.base else { return Ok(()) };
    let mut sync_at = None;
    loop {
        match wait_until_due(inner, sync_at) {
            Due::Flush(runs) => {
                flush(inner, base, &runs)?;
                sync_at.get_or_insert_with(|| Instant::now() + inner.options.sync_interval);
            }
            Due::Sync => {
                faults::point("view.before-sync");
                base.sync()?;
                faults::point("view.after-sync");
                sync_at = None;
            }
            Due::Close => return Ok(()),
        }
    }
}

fn wait_until_due(inner: &Inner, sync_at: Option<Instant>) -> Due {
    let mut pending = inner.lock();
    loop {
        if inner.check().is_err() {
            return Due::Close;
        }
        let now = Instant::now();
        if sync_at.is_some_and(|at| at <= now) {
            return Due::Sync;
        }
        let layers = inner.layers.load();
        let Some(oldest) = layers.runs.first() else {
            if pending.closing {
                return Due::Close;
            }
            pending = wait(inner, pending, sync_at.map(|at| at.saturating_duration_since(now)));
            continue;
        };
        let flush_at = oldest.since + inner.options.flush_interval;
        let many = pending.rows >= inner.options.flush_rows || pending.bytes >= inner.options.pending_bytes_max;
        if many || flush_at <= now || pending.wanted > pending.flushed || pending.closing {
            let runs = oldest_up_to(&layers, inner.options.batch_rows_max);
            pending.frozen = runs.len();
            return Due::Flush(runs);
        }
        let next = sync_at.map_or(flush_at, |at| at.min(flush_at));
        pending = wait(inner, pending, Some(next.saturating_duration_since(now)));
    }
}

fn wait<'a>(
    inner: &'a Inner,
    pending: std::sync::MutexGuard<'a, Pending>,
    at_most: Option<Duration>,
) -> std::sync::MutexGuard<'a, Pending> {
    let Some(at_most) = at_most else { return inner.wait(pending) };
    inner.changed.wait_timeout(pending, at_most).unwrap_or_else(PoisonError::into_inner).0
}

/// The oldest runs, at least one, of at most so many rows together.
fn oldest_up_to(layers: &Layers, rows_max: usize) -> Vec<Arc<Run>> {
    let mut rows = 0_usize;
    let fits = |run: &&Arc<Run>| {
        rows = rows.saturating_add(run.len());
        rows == run.len() || rows <= rows_max
    };
    layers.runs.iter().take_while(fits).cloned().collect()
}

/// Moves the oldest runs to sled. Before it writes, what it replaces is hung up for the readers of earlier moments.
fn flush(inner: &Inner, base: &Base, runs: &[Arc<Run>]) -> Result<(), Error> {
    let Some((oldest, newer)) = runs.split_first() else { return Ok(()) };
    let merged = newer.iter().fold(Arc::clone(oldest), |older, newer| Arc::new(Run::merge(&older, newer, true)));
    let mut digest = inner.lock().durable.digest;
    let mut before: Vec<Change> = Vec::with_capacity(merged.len());
    let mut changed: Vec<&Change> = Vec::with_capacity(merged.len());
    for change in merged.rows() {
        let (key, value) = change;
        let old = base.get(key)?;
        if old == *value {
            continue;
        }
        if let Some(old) = &old {
            digest.remove(key, old);
        }
        if let Some(value) = value {
            digest.add(key, value);
        }
        before.push((key.clone(), old));
        changed.push(change);
    }
    let durable = DigestAt { digest, head: merged.head.clone() };
    let head_row = head::encode(inner.schema, &durable)?;
    let replaced = inner.layers.load().replaced.push(before);
    faults::point("view.before-batch");
    base.apply(changed.into_iter(), (&HEAD_KEY, head_row))?;
    faults::point("view.after-batch");

    let mut pending = inner.lock();
    let now = inner.layers.load();
    let rest = now.runs.get(runs.len()..).unwrap_or_default().to_vec();
    pending.frozen = 0;
    pending.rows = rest.iter().map(|run| run.len()).sum();
    pending.bytes = rest.iter().map(|run| run.bytes()).sum();
    pending.flushed = merged.last_commit;
    pending.flushes = pending.flushes.saturating_add(1);
    pending.durable = durable;
    inner.layers.store(Arc::new(Layers { runs: rest, files: Vec::new(), head: now.head.clone(), replaced }));
    drop(pending);
    inner.changed.notify_all();
    Ok(())
}
