//! Offline work on views: rebuilding them from offset zero (a new generation in memory, compared, written in key order,
//! promoted), and verifying them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::audit::Audit;
use orderledger_projections::market::Market;
use orderledger_projections::rebuild::{Passed, first_difference, fold_to_end};
use orderledger_projections::settlement::Settlement;
use orderledger_projections::verify::{LedgerRows, Report, verify as recompute};
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::{Failure, Fold};
use orderledger_projections::worker::folding::Folding;
use orderledger_store::event_log::EventLog;
use orderledger_store::generations::Generations;
use orderledger_store::views::{Direction, Options, Schema, View, bulk_load};
use orderledger_store::{DataDir, Error};

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
    /// How long folding took; writing and comparing come on top.
    pub folding: Duration,
}

impl Rebuilt {
    /// Whether the rebuilt rows are those that were live.
    pub fn is_equal(&self) -> bool {
        self.live_digest == self.rebuilt_digest
    }
}

type Opener = fn(Arc<View>, &dyn EventLog, &StreamKey, &str) -> Result<Box<dyn AnyFolding>, Error>;

struct Projection {
    schema: Schema,
    resume: Opener,
}

fn projection<F: Fold + 'static>() -> Projection {
    let resume: Opener = |view, log, key, kept| Ok(Box::new(Folding::<F>::resume(view, log, key, kept)?));
    Projection { schema: Schema { name: F::NAME, version: F::SCHEMA }, resume }
}

/// Rebuilds the named projections (`all` of them, or one) in one pass over the log. A view whose rebuilt rows differ
/// from the live ones stays as it is.
pub fn rebuild(
    data: &DataDir,
    log: &dyn EventLog,
    key: &StreamKey,
    name: &str,
    on_progress: &mut dyn FnMut(Passed),
) -> Result<Vec<Rebuilt>, Failure> {
    let chosen = chosen(name)?;
    let mut foldings = fresh(&chosen, log, key)?;
    let begun = Instant::now();
    let passed = fold_to_end(log, key, &mut foldings, &BTreeMap::new(), on_progress)?;
    let folding = begun.elapsed();
    let mut rebuilt = Vec::new();
    for (projection, fresh) in chosen.iter().zip(foldings) {
        let compared = compare_and_promote(data, log, key, projection, &*fresh)?;
        rebuilt.push(Rebuilt { records: passed.records, folding, ..compared });
    }
    Ok(rebuilt)
}

/// Folds the whole log into fresh views of all projections in memory, and forgets them: a rebuild without its writing.
pub fn fold_from_zero(log: &dyn EventLog, key: &StreamKey) -> Result<Passed, Failure> {
    let mut foldings = fresh(&chosen("all")?, log, key)?;
    fold_to_end(log, key, &mut foldings, &BTreeMap::new(), &mut |_| {})
}

fn fresh(chosen: &[Projection], log: &dyn EventLog, key: &StreamKey) -> Result<Vec<Box<dyn AnyFolding>>, Error> {
    let fresh = |projection: &Projection| {
        let view = Arc::new(View::in_memory(projection.schema));
        (projection.resume)(view, log, key, "memory")
    };
    chosen.iter().map(fresh).collect()
}

/// Brings the stored views of all projections to the log's end, offline.
fn catch_up(data: &DataDir, log: &dyn EventLog, key: &StreamKey) -> Result<Vec<Arc<View>>, Failure> {
    let mut views = Vec::new();
    for projection in chosen("all")? {
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

/// Brings the views to the log's end, computes everything once more by other code, and compares, offline.
pub fn verify(
    data: &DataDir,
    log: &dyn EventLog,
    key: &StreamKey,
    on_progress: &mut dyn FnMut(Passed),
) -> Result<Verified, Failure> {
    let views = catch_up(data, log, key)?;
    let [settlement, market, audit] = views.as_slice() else { return Ok(Verified { report: Report::default() }) };
    let rows = LedgerRows { settlement: settlement.reader()?, market: market.reader()?, audit: audit.reader()? };
    let all = Topic::ALL.into_iter().flat_map(|topic| (0..log.partitions()).map(move |number| topic.at(number)));
    let length = all.map(|partition| log.end_offset(partition)).sum::<Result<u64, Error>>()?;
    let mut passed = |records: u64| on_progress(Passed { records, left: length.saturating_sub(records) });
    Ok(Verified { report: recompute(log, key, &rows, &mut passed)? })
}

fn chosen(name: &str) -> Result<Vec<Projection>, Error> {
    let mut all = vec![projection::<Settlement>(), projection::<Market>(), projection::<Audit>()];
    if name != "all" {
        all.retain(|projection| projection.schema.name == name);
    }
    if all.is_empty() {
        let what = format!("there is no projection {name}; name settlement, market, audit or all");
        return Err(Error::refused(orderledger_store::At::Log, what));
    }
    Ok(all)
}

fn open_live(
    data: &DataDir,
    log: &dyn EventLog,
    key: &StreamKey,
    projection: &Projection,
) -> Result<(Generations, Box<dyn AnyFolding>), Error> {
    let generations = Generations::open(&data.views_path(), projection.schema.name)?;
    let path = generations.current_path();
    let open = |view: View| (projection.resume)(Arc::new(view), log, key, &path.display().to_string());
    let folding = match open(View::open(&path, projection.schema, Options::default())?) {
        // The view is condemned now: opening it again puts it aside and begins a fresh one.
        Err(Error::Corrupt { .. }) => open(View::open(&path, projection.schema, Options::default())?)?,
        opened => opened?,
    };
    Ok((generations, folding))
}

fn fold_rest(log: &dyn EventLog, key: &StreamKey, folding: &mut Box<dyn AnyFolding>) -> Result<(), Failure> {
    let from = folding.positions().into_iter().collect();
    fold_to_end(log, key, std::slice::from_mut(folding), &from, &mut |_| {}).map(drop)
}

fn compare_and_promote(
    data: &DataDir,
    log: &dyn EventLog,
    key: &StreamKey,
    projection: &Projection,
    fresh: &dyn AnyFolding,
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
        folding: Duration::ZERO,
    };
    if !rebuilt.is_equal() {
        let key = first_difference(live.view(), fresh.view())?;
        rebuilt.first_difference = key.map(|key| key.iter().map(|byte| format!("{byte:02x}")).collect());
        return Ok(rebuilt);
    }
    live.view().close()?;
    drop(live);
    let (number, path) = generations.create_next()?;
    let reader = fresh.view().reader()?;
    let all = (std::ops::Bound::<Vec<u8>>::Unbounded, std::ops::Bound::Unbounded);
    bulk_load(&path, projection.schema, reader.scan(all, Direction::Ascending), reader.head().clone())?;
    generations.promote(number)?;
    rebuilt.to_generation = number;
    Ok(rebuilt)
}
