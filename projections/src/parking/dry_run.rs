//! A trial without consequences: what would become of an entity's waiting records, were the head retried now.

use std::collections::BTreeSet;

use orderledger_domain::entity::Entity;
use orderledger_domain::position::Position;
use orderledger_domain::stream::StreamKey;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use orderledger_store::views::View;

use super::rows::Verdict;
use super::{LOST, queries, waiting_record};
use crate::worker::fold::{Failure, Fold};
use crate::worker::poison;
use crate::worker::read::Read;

/// What would become of what waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DryRun {
    /// So many would be applied, or are nothing that is kept.
    pub applied: u64,
    /// So many are discarded already and would be passed over.
    pub discarded: u64,
    /// Where it would stop, and why; none if nothing that was tried stops it.
    pub stops: Option<(Position, String)>,
    /// So many behind were not tried: behind the one that stops, or beyond the limit.
    pub untried: u64,
}

/// Tries the entity's waiting records, at most so many, in a fold of their own that is thrown away. None if it is not
/// parked. The fold reads the view as it goes on: where what waits was another at the end, it is tried once more.
pub fn dry_run<F: Fold>(
    view: &View,
    log: &dyn EventLog,
    key: &StreamKey,
    entity: &Entity,
    limit: usize,
) -> Result<Option<DryRun>, Error> {
    let waits = || Ok::<_, Error>(queries::parked(&view.reader()?, entity)?.map(|parked| parked.row));
    let before = waits()?;
    let run = try_now::<F>(view, log, key, entity, limit)?;
    if waits()? == before { Ok(run) } else { try_now::<F>(view, log, key, entity, limit) }
}

fn try_now<F: Fold>(
    view: &View,
    log: &dyn EventLog,
    key: &StreamKey,
    entity: &Entity,
    limit: usize,
) -> Result<Option<DryRun>, Error> {
    let reader = view.reader()?;
    let Some(parked) = queries::parked(&reader, entity)? else { return Ok(None) };
    let mut discarded = BTreeSet::new();
    for decision in queries::decisions(&reader) {
        let decision = decision?;
        if !decision.void && decision.verdict == Verdict::Discarded && decision.entity == *entity {
            discarded.insert(decision.about);
        }
    }
    let mut fold = F::load_entity(view, log.partitions(), entity)?;
    let mut run = DryRun::default();
    for (at, kind) in queries::waiting(&reader, entity, 0, limit)? {
        let read = waiting_record(log, at)?.map(|record| Read::new(at.topic_partition(), record, key));
        if discarded.contains(&at) {
            run.discarded += 1;
            fold.pass_over(entity, at, kind.into(), read.as_ref());
            continue;
        }
        let tried = if let Some(read) = &read
            && !poison::refuses(F::NAME, at)
        {
            match fold.apply(view, read, kind.into()) {
                Ok(_) => Ok(()),
                Err(Failure::View(error)) => return Err(error),
                Err(failure) => Err(failure.to_string()),
            }
        } else {
            Err(if read.is_some() { "it is poisoned" } else { LOST }.to_owned())
        };
        if let Err(why) = tried {
            run.stops = Some((at, why));
            break;
        }
        run.applied += 1;
    }
    let tried = run.applied.saturating_add(run.discarded).saturating_add(u64::from(run.stops.is_some()));
    run.untried = parked.row.waiting.saturating_sub(tried);
    Ok(Some(run))
}
