//! The thread that makes one file of several, while everything goes on.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::layers::Layers;
use super::merge::{self, Merge};
use super::sorted::{self, Sorted};
use super::{Disk, Inner};
use crate::{Error, be_polite, faults, going_last, in_turn, last_no_more};

/// Files of fewer bytes are of one size.
const UNIT_BYTES: u64 = 4 << 20;

/// Where there are so many files it goes last no more, for each look for a row takes longer then.
const MANY_FILES: usize = 64;

/// After a merge that could not be written the next is tried so much later.
const PAUSE: Duration = Duration::from_secs(10);

pub(super) fn start(inner: Arc<Inner>) -> Result<JoinHandle<()>, Error> {
    let at = inner.at.clone();
    let merge_until_closed = move || {
        be_polite();
        let ended = catch_unwind(AssertUnwindSafe(|| run(&inner)));
        if let Err(error) = ended.unwrap_or_else(|_| Err(Error::corrupt(inner.at.clone(), "the merger panicked"))) {
            inner.fail(error);
        }
    };
    let spawned = thread::Builder::new().name("view-merger".to_owned()).spawn(merge_until_closed);
    spawned.map_err(|cause| Error::unavailable(at, "no thread for the view's merger").with_source(cause))
}

fn run(inner: &Inner) -> Result<(), Error> {
    let Some(disk) = &inner.disk else { return Ok(()) };
    while let Some((layers, due)) = wait_until_due(inner) {
        let goes_last = inner.lags() && layers.files.len() < MANY_FILES;
        match going_last(goes_last, || merge(inner, disk, &layers, due)) {
            Ok(()) | Err(Error::Closed { .. }) => {}
            // The files that there are stay as they are: a full disk may have room again.
            Err(error @ Error::Unavailable { .. }) => {
                tracing::warn!(view = %inner.dir.display(), %error, "files of rows could not be merged");
                pause(inner);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The moment of which files are to be merged, and which; `None` once the view is closing or has failed.
fn wait_until_due(inner: &Inner) -> Option<(Arc<Layers>, Range<usize>)> {
    let mut pending = inner.lock();
    loop {
        if pending.closing || inner.check().is_err() {
            return None;
        }
        let layers = inner.layers.load_full();
        if let Some(due) = merge::due(&layers.files, UNIT_BYTES) {
            return Some((layers, due));
        }
        pending = inner.filed.wait(pending).unwrap_or_else(PoisonError::into_inner);
    }
}

fn pause(inner: &Inner) {
    let until_closing = |pending: &mut super::Pending| !pending.closing;
    drop(inner.filed.wait_timeout_while(inner.lock(), PAUSE, until_closing).unwrap_or_else(PoisonError::into_inner));
}

fn merge(inner: &Inner, disk: &Disk, layers: &Layers, due: Range<usize>) -> Result<(), Error> {
    let old = layers.files.get(due.clone()).unwrap_or_default();
    let keep_deletions = due.start > 0 || !disk.base_is_empty;
    let room = inner.options.room;
    room(&inner.dir, old.iter().map(|file| file.bytes).sum())?;
    let go_on = |dir: &Path| match inner.lock().closing {
        true => Err(Error::closed(inner.at.clone(), "the view is closing")),
        false => room(dir, 0),
    };
    let number = disk.catalog().number();
    let rows_max = old.iter().map(|file| file.rows).sum();
    // It may be a view that somebody waits for by now.
    let look = |_: &_| {
        if !inner.lags() {
            last_no_more();
        }
    };
    let rows = Merge::new(old, keep_deletions).inspect(look);
    let merged = Arc::new(Sorted::create((&inner.dir, number), &go_on, &disk.blocks, rows_max, rows)?);
    let catalog = disk.catalog();
    // Only new ones came since, behind these.
    let mut files = inner.layers.load().files.clone();
    files.splice(due, [merged]);
    let durable = inner.lock().durable.clone();
    faults::point("view.before-merge");
    if let Err(error) = in_turn(|| catalog.write(&durable, &files)) {
        if !catalog.names(number) {
            remove(inner, number);
        }
        return Err(error);
    }
    faults::point("view.after-merge");
    let pending = inner.lock();
    let now = inner.layers.load();
    inner.layers.store(Arc::new(Layers { runs: now.runs.clone(), files, head: now.head.clone() }));
    drop((pending, catalog));
    old.iter().for_each(|file| remove(inner, file.number));
    Ok(())
}

/// Removes a file that counts no longer, or never did.
fn remove(inner: &Inner, number: u64) {
    let path = sorted::path(&inner.dir, number);
    if let Err(error) = in_turn(|| std::fs::remove_file(&path)) {
        tracing::warn!(file = %path.display(), %error, "a file of rows that counts no more is removed at the next start");
    }
}
