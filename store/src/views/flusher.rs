//! The thread that moves commits from memory to the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use bytes::Bytes;

use super::head::DigestAt;
use super::layers::Layers;
use super::run::{Change, Run};
use super::sorted::{Reading, Sorted};
use super::{Disk, Inner, Options};
use crate::{Error, breathe, faults, going_last, in_turn, lag_no_more, last_no_more, while_lagging};

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

fn run(inner: &Inner) -> Result<(), Error> {
    let Some(disk) = &inner.disk else { return Ok(()) };
    while let Some(Due { layers, is_waited_for, is_asked_for }) = wait_until_due(inner) {
        let lags = inner.lags();
        let work = || going_last(lags && !is_asked_for, || flush(inner, disk, &layers));
        if is_waited_for && !lags { work() } else { while_lagging(work) }?;
    }
    Ok(())
}

/// What is to go to the disk.
struct Due {
    /// The moment whose commits in memory they are.
    layers: Arc<Layers>,
    /// Whether somebody waits for it, or commits will soon.
    is_waited_for: bool,
    /// Whether somebody has asked for it: a view that rests, say, or closes.
    is_asked_for: bool,
}

/// What is due; `None` once nothing will be.
fn wait_until_due(inner: &Inner) -> Option<Due> {
    let Options { flush_rows, flush_bytes, flush_interval, .. } = inner.options;
    let mut pending = inner.lock();
    loop {
        if inner.check().is_err() {
            return None;
        }
        let layers = inner.layers.load_full();
        let Some(oldest) = layers.runs.first() else {
            if pending.closing {
                return None;
            }
            pending = inner.wait(pending);
            continue;
        };
        let (now, flush_at) = (Instant::now(), oldest.since + flush_interval);
        let many = pending.rows >= flush_rows || pending.bytes >= flush_bytes;
        let is_asked_for = pending.wanted > pending.flushed || pending.closing;
        let is_wanted = inner.is_full(&pending) || is_asked_for;
        if many || is_wanted || flush_at <= now {
            pending.frozen = layers.runs.len();
            let is_behind = pending.rows / 2 >= flush_rows || pending.bytes / 2 >= flush_bytes;
            return Some(Due { layers, is_waited_for: is_wanted || is_behind, is_asked_for });
        }
        let left = flush_at.saturating_duration_since(now);
        pending = inner.changed.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Moves the commits in memory to a file: first the file, then the catalog that names it together with their head.
fn flush(inner: &Inner, disk: &Disk, layers: &Layers) -> Result<(), Error> {
    let Some(merged) = Run::merge_all(&layers.runs) else { return Ok(()) };
    let mut digest = inner.lock().durable.digest;
    let mut changed: Vec<&Change> = Vec::with_capacity(merged.len());
    for change in merged.rows() {
        breathe_unless_awaited(inner);
        let (key, value) = change;
        let old = below(disk, layers, key)?;
        if old == *value {
            continue;
        }
        if let Some(old) = &old {
            digest.remove(key, old);
        }
        if let Some(value) = value {
            digest.add(key, value);
        }
        changed.push(change);
    }
    let durable = DigestAt { digest, head: merged.head.clone() };
    faults::point("view.before-batch");
    let file = write(inner, disk, &changed)?;
    faults::point("view.after-batch");
    let catalog = disk.catalog();
    // Files may have been merged since.
    let files = inner.layers.load().files.iter().cloned().chain(file).collect::<Vec<_>>();
    faults::point("view.before-sync");
    in_turn(|| catalog.write(&durable, &files))?;
    faults::point("view.after-sync");

    let mut pending = inner.lock();
    let now = inner.layers.load();
    let rest = now.runs.get(layers.runs.len()..).unwrap_or_default().to_vec();
    pending.frozen = 0;
    pending.rows = rest.iter().map(|run| run.len()).sum();
    pending.bytes = rest.iter().map(|run| run.bytes()).sum();
    pending.flushed = merged.last_commit;
    pending.flushes = pending.flushes.saturating_add(1);
    pending.durable = durable;
    inner.layers.store(Arc::new(Layers { runs: rest, files, head: now.head.clone() }));
    drop((pending, catalog));
    inner.changed.notify_all();
    inner.filed.notify_all();
    Ok(())
}

/// A view that lags does so also where somebody waits for it; another one no longer, once somebody does. It may have been one that lags when this began.
fn breathe_unless_awaited(inner: &Inner) {
    if !inner.lags() {
        last_no_more();
        if inner.awaited.load(Ordering::Relaxed) > 0 {
            lag_no_more();
        }
    }
    breathe();
}

/// What the row was before the commits in memory.
fn below(disk: &Disk, layers: &Layers, key: &[u8]) -> Result<Option<Bytes>, Error> {
    for file in layers.files.iter().rev() {
        if let Some(known) = file.get(key, Reading::Once)? {
            return Ok(known);
        }
    }
    disk.base.get(key, Reading::Once)
}

/// The file of these rows, if there are any.
fn write(inner: &Inner, disk: &Disk, rows: &[&Change]) -> Result<Option<Arc<Sorted>>, Error> {
    if rows.is_empty() {
        return Ok(None);
    }
    let number = disk.catalog().number();
    let all = rows.iter().map(|&row| {
        breathe_unless_awaited(inner);
        Ok(row.clone())
    });
    Sorted::create((&inner.dir, number), &|_| Ok(()), &disk.blocks, rows.len(), all).map(|file| Some(Arc::new(file)))
}
