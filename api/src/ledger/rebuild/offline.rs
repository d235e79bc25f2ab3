//! Offline work on views: rebuilding them from offset zero (a new generation in memory, compared, written in key order,
//! promoted), and verifying them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::rebuild::difference::first_difference;
use orderledger_projections::rebuild::fold_to_end;
use orderledger_projections::rebuild::pass::Passed;
use orderledger_projections::verify::{LedgerRows, Report, verify as recompute};
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::Failure;
use orderledger_store::event_log::{AppenderKind, EventLog};
use orderledger_store::generations::Generations;
use orderledger_store::views::{Options, View};
use orderledger_store::{DataDir, Error};

use super::acceptance::{Acceptance, note};
use super::memory::budget;
use crate::ledger::kinds::Kind;

/// What a rebuild of one projection came to.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// The projection.
    pub projection: &'static str,
    /// The generation that was live.
    pub from_generation: u64,
    /// The new generation; live now if the digests are equal.
    pub to_generation: u64,
    /// The digest of the live rows, at the log's end.
    pub live_digest: String,
    /// The digest of the rebuilt rows, at the log's end.
    pub rebuilt_digest: String,
    /// The first key that differs, in hex.
    pub first_difference: Option<String>,
    /// Rows.
    pub rows: u64,
    /// Records folded.
    pub records: u64,
    /// Whether the difference was accepted before: then the new generation is live.
    pub accepted: bool,
    /// How long folding took; writing and comparing come on top.
    pub folding: Duration,
}

impl Rebuilt {
    /// Whether the rebuilt rows are those that were live.
    pub fn is_equal(&self) -> bool {
        self.live_digest == self.rebuilt_digest
    }
}

/// Rebuilds the named projections (`all` of them, or one) in one pass over the log. A view whose rebuilt rows differ
/// from the live ones stays as it is, unless the difference is accepted.
pub fn rebuild(
    data: &DataDir,
    log: &dyn EventLog,
    key: &StreamKey,
    name: &str,
    acceptance: Option<&Acceptance>,
    memory_limit: u64,
    on_progress: &mut dyn FnMut(Passed),
) -> Result<Vec<Rebuilt>, Failure> {
    let chosen = chosen(&[name])?;
    let mut foldings = fresh(&chosen, log, key, (&data.views_path(), budget(memory_limit, chosen.len())))?;
    let begun = Instant::now();
    let passed = fold_to_end(log, key, &mut foldings, on_progress)?;
    let folding = begun.elapsed();
    side_by_side(&chosen, foldings, |projection, fresh| {
        let compared = compare_and_promote(data, log, key, projection, &*fresh, acceptance)?;
        Ok(Rebuilt { records: passed.records, folding, ..compared })
    })
}

/// Folds the whole log into fresh views of the named projections, and forgets them: a rebuild without its writing. Rows that don't
/// fit lie in nameless files of that directory meanwhile.
pub fn fold_from_zero(
    dir: &Path,
    log: &dyn EventLog,
    key: &StreamKey,
    names: &[String],
    memory_limit: u64,
) -> Result<Passed, Failure> {
    let chosen = chosen(names)?;
    let mut foldings = fresh(&chosen, log, key, (dir, budget(memory_limit, chosen.len())))?;
    fold_to_end(log, key, &mut foldings, &mut |_| {})
}

/// What a rebuild into directories of its own came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    /// Records folded.
    pub records: u64,
    /// Rows written.
    pub rows: u64,
    /// Bytes of the views' files.
    pub disk_bytes: u64,
}

/// Rebuilds the named projections from offset zero into that directory, beside whatever is live: folded, written in key order,
/// synced, and opened again for reading.
pub fn rebuild_into(
    dir: &Path,
    log: &dyn EventLog,
    key: &StreamKey,
    names: &[String],
    memory_limit: u64,
) -> Result<Written, Failure> {
    let chosen = chosen(names)?;
    let mut foldings = fresh(&chosen, log, key, (dir, budget(memory_limit, chosen.len())))?;
    let passed = fold_to_end(log, key, &mut foldings, &mut |_| {})?;
    let mut written = Written { records: passed.records, ..Written::default() };
    let views = side_by_side(&chosen, foldings, |projection, fresh| {
        let path = dir.join(projection.name());
        let rows = projection.write(&path, &*fresh, |_| Ok(()))?;
        drop(fresh);
        let view = View::open(&path, projection.schema, Options::default())?;
        view.reader()?;
        let disk_bytes = view.sizes()?.disk_bytes;
        view.close()?;
        Ok((rows, disk_bytes))
    })?;
    for (rows, disk_bytes) in views {
        written.rows += rows;
        written.disk_bytes += disk_bytes;
    }
    Ok(written)
}

/// Does that with every folding, each on a thread of its own.
fn side_by_side<T: Send>(
    chosen: &[Kind],
    foldings: Vec<Box<dyn AnyFolding>>,
    act: impl Fn(&Kind, Box<dyn AnyFolding>) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let act = &act;
    std::thread::scope(|scope| {
        let pairs = chosen.iter().zip(foldings);
        let threads: Vec<_> =
            pairs.map(|(projection, folding)| scope.spawn(move || act(projection, folding))).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect()
    })
}

/// A fresh folding of each.
fn fresh(
    chosen: &[Kind],
    log: &dyn EventLog,
    key: &StreamKey,
    bound: (&Path, usize),
) -> Result<Vec<Box<dyn AnyFolding>>, Error> {
    chosen.iter().map(|projection| projection.fresh(log, key, bound)).collect()
}

/// Brings the stored views of all projections to the log's end, offline.
fn catch_up(data: &DataDir, log: &dyn EventLog, key: &StreamKey) -> Result<Vec<Arc<View>>, Failure> {
    let mut views = Vec::new();
    for projection in Kind::all() {
        let (_, mut folding) = open_live(data, log, key, &projection)?;
        fold_rest(log, key, &mut folding)?;
        views.push(Arc::clone(folding.view()));
    }
    Ok(views)
}

/// What verifying came to.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Checks and differences.
    pub report: Report,
}

/// Brings the views to the log's end, computes everything once more by other code, and compares, offline; and each view's kept
/// digest with its rows.
pub fn verify(
    data: &DataDir,
    log: &dyn EventLog,
    key: &StreamKey,
    on_progress: &mut dyn FnMut(Passed),
) -> Result<Verified, Failure> {
    let views = catch_up(data, log, key)?;
    let readers = views.iter().map(|view| view.reader()).collect::<Result<Vec<_>, Error>>()?;
    let readers: Result<[_; 5], _> = readers.try_into();
    let [settlement, market, audit, notifications, analytics] = readers
        .map_err(|_| Error::refused(orderledger_store::At::Log, "there are not as many views as are verified"))?;
    let rows = LedgerRows { settlement, market, audit, notifications, analytics };
    let all = Topic::ALL.into_iter().flat_map(|topic| (0..log.partitions()).map(move |number| topic.at(number)));
    let length = all.map(|partition| log.end_offset(partition)).sum::<Result<u64, Error>>()?;
    let mut passed = |records: u64| on_progress(Passed { records, left: length.saturating_sub(records) });
    let mut report = recompute(log, key, &rows, &mut passed)?;
    views.iter().try_for_each(|view| report.compare_digest(view))?;
    Ok(Verified { report })
}

fn chosen(names: &[impl AsRef<str>]) -> Result<Vec<Kind>, Error> {
    let all = Kind::all();
    let is_known = |name: &str| name == "all" || all.iter().any(|projection| projection.name() == name);
    if let Some(unknown) = names.iter().map(AsRef::as_ref).find(|name| !is_known(name)) {
        let what = format!(
            "there is no projection {unknown}; name settlement, market, audit, notifications, analytics or all"
        );
        return Err(Error::refused(orderledger_store::At::Log, what));
    }
    let is_chosen = |projection: &Kind| names.iter().any(|name| ["all", projection.name()].contains(&name.as_ref()));
    Ok(all.into_iter().filter(is_chosen).collect())
}

fn open_live(
    data: &DataDir,
    log: &dyn EventLog,
    key: &StreamKey,
    projection: &Kind,
) -> Result<(Generations, Box<dyn AnyFolding>), Error> {
    let open = |path: &Path| projection.open(path, log, key);
    let (generations, folding, _) = projection.open_live(&data.views_path(), open)?;
    if folding.view().reader()?.head().is_empty() {
        // Half of it is nothing to be read by a server, should this not come to its end.
        folding.view().begin_incomplete()?;
    }
    Ok((generations, folding))
}

fn fold_rest(log: &dyn EventLog, key: &StreamKey, folding: &mut Box<dyn AnyFolding>) -> Result<(), Failure> {
    fold_to_end(log, key, std::slice::from_mut(folding), &mut |_| {})?;
    Ok(folding.view().complete()?)
}

fn compare_and_promote(
    data: &DataDir,
    log: &dyn EventLog,
    key: &StreamKey,
    projection: &Kind,
    fresh: &dyn AnyFolding,
    acceptance: Option<&Acceptance>,
) -> Result<Rebuilt, Failure> {
    let (mut generations, mut live) = open_live(data, log, key, projection)?;
    fold_rest(log, key, &mut live)?;
    live.view().flush_and_sync()?;
    let (live_digest, rebuilt_digest) = (live.digest()?, fresh.digest()?);
    let hex = |digest: u128| format!("{digest:032x}");
    let mut rebuilt = Rebuilt {
        projection: projection.schema.name,
        from_generation: generations.current(),
        to_generation: generations.current(),
        live_digest: hex(live_digest.digest.sum),
        rebuilt_digest: hex(rebuilt_digest.digest.sum),
        first_difference: None,
        rows: rebuilt_digest.digest.rows,
        records: 0,
        accepted: false,
        folding: Duration::ZERO,
    };
    if !rebuilt.is_equal() {
        let key = first_difference(live.view(), fresh.view())?;
        rebuilt.first_difference = key.map(|key| key.iter().map(|byte| format!("{byte:02x}")).collect());
        if acceptance.is_none() {
            return Ok(rebuilt);
        }
    }
    live.view().close()?;
    drop(live);
    let (number, path) = generations.create_next()?;
    projection.write(&path, fresh, |_| Ok(()))?;
    // Only now, as the new rows are there for good: a disk too full for them leaves no record of what never came. It stands
    // before the swap, so that no view is taken without its reason; without the swap it stands only where the process, or
    // the disk, ended between the two, and then the difference is found and accepted once more.
    if let Some(acceptance) = acceptance.filter(|_| !rebuilt.is_equal()) {
        let digests = (live_digest.digest.sum, rebuilt_digest.digest.sum);
        let appender = log.appender(AppenderKind::Client)?;
        note(&*appender, projection.name(), number, digests, acceptance)?;
        rebuilt.accepted = true;
    }
    generations.promote(number)?;
    rebuilt.to_generation = number;
    Ok(rebuilt)
}
