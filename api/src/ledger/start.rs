//! Stages and projections taken up where what is kept of them stands.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::intake::answers::Answers;
use orderledger_projections::stage::gate::Place;
use orderledger_projections::stage::runner;
use orderledger_projections::worker::clock::Clock;
use orderledger_projections::worker::progress::Progress;
use orderledger_projections::worker::rest::Rest;
use orderledger_projections::worker::standing::check_standing;
use orderledger_store::event_log::EventLog;
use orderledger_store::{DataDir, Error, IdIndex};

use super::kinds::{Kind, Served};
use super::view_handle::{HeadRead, Seat};
use super::{Conditions, Generation, ViewHandle};

/// What stages and projections are taken up with.
pub(super) struct Start<'a> {
    pub(super) data: &'a DataDir,
    pub(super) snapshot_records: u64,
    pub(super) conditions: &'a Conditions,
}

impl Start<'_> {
    pub(super) fn stage<S>(
        &self,
        source: Topic,
        shared: S,
        progress: &Progress,
        answers: Option<&Arc<Answers>>,
        place: Place,
    ) -> runner::Setup<S> {
        runner::Setup {
            log: Arc::clone(&self.conditions.log),
            source,
            directory: self.data.stages_path().into(),
            key: self.conditions.key,
            shared,
            progress: progress.clone(),
            answers: answers.cloned(),
            stop: self.conditions.stop.clone(),
            clock: Clock::default(),
            snapshot_records: self.snapshot_records,
            place,
        }
    }

    /// Takes the projection up where its live generation stands, and starts it.
    pub(super) fn projection(&self, kind: Kind) -> Result<Arc<ViewHandle>, Error> {
        let Conditions { log, key, .. } = self.conditions;
        let open = |path: &Path| kind.open_to_serve(path, &**log, key);
        let (generations, served, went_back) = kind.open_live(&self.data.views_path(), open)?;
        if let Some(number) = generations.interrupted() {
            let name = kind.name();
            tracing::warn!(
                "the rebuild of {name} was interrupted and its generation {number} is removed; begin it anew"
            );
        }
        let (number, path) = (generations.current(), generations.current_path());
        let (view, standing, folding) = match served {
            Served::Folding(folding) => (Arc::clone(folding.view()), folding.standing(), Some(folding)),
            Served::Older(view, standing) => {
                let (name, found, version) = (kind.name(), view.schema().version, kind.schema.version);
                tracing::warn!(
                    "the rows of {name} are of schema version {found}: they are read as they are until those of version \
                     {version} are made"
                );
                (view, standing, None)
            }
        };
        let progress = Progress::new(standing);
        let has_nothing = folding.is_some() && view.quarantined().is_none() && view.reader()?.head().is_empty();
        let was_lost = has_nothing && self.has_records(kind)?;
        if was_lost && !view.is_incomplete() {
            let name = kind.name();
            tracing::warn!(
                "there are no rows of {name}, and the log has records: they are made before anybody reads them"
            );
            view.begin_incomplete()?;
        }
        // The rows of one that was put aside or lost are at no position that a reader may have seen: it is rebuilt first.
        let is_incomplete = view.is_incomplete();
        let seat = match folding.filter(|_| !is_incomplete) {
            None => Seat { generations, running: None, rest: Rest::ended() },
            Some(folding) => {
                let rest = Rest::default();
                let setup = self.conditions.setup(&view, &path, &progress, &rest, false);
                Seat { generations, running: Some(folding.start(setup)?), rest }
            }
        };
        let is_incomplete = AtomicBool::new(is_incomplete);
        let live = ArcSwap::from_pointee(Generation { number, view, progress });
        let (seat, job) = (Mutex::new(seat), Mutex::default());
        Ok(Arc::new(ViewHandle {
            name: kind.name(),
            live,
            kind,
            is_incomplete,
            is_awaited: AtomicBool::new(was_lost || went_back),
            seat,
            job,
            head_read: HeadRead::default(),
        }))
    }

    /// Whether there is something to be made of it.
    fn has_records(&self, kind: Kind) -> Result<bool, Error> {
        let log = &self.conditions.log;
        let all = kind.topics.iter().flat_map(|topic| (0..log.partitions()).map(|partition| topic.at(partition)));
        for partition in all {
            if log.end_offset(partition)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Opens the index of ids. A damaged one is put aside: intake then folds from offset zero and fills a new one.
pub(super) fn open_ids(path: &Path, log: &dyn EventLog, key: &StreamKey) -> Result<IdIndex, Error> {
    let ids = match IdIndex::open(path) {
        Err(error @ Error::Corrupt { .. }) => {
            let aside = path.with_extension("redb.quarantine");
            tracing::warn!(%error, aside = %aside.display(), "the index of ids is put aside and filled again from the log");
            std::fs::rename(path, &aside)
                .map_err(|cause| Error::unavailable(path, "it can't be put aside").with_source(cause))?;
            IdIndex::open(path)?
        }
        opened => opened?,
    };
    for partition in 0..log.partitions() {
        let Some(position) = ids.position(partition) else { continue };
        let last = position.next_offset.checked_sub(1).map(|offset| (offset, position.digest_of_last_record));
        check_standing(log, key, Topic::Orders.at(partition), last, "index of ids", path)?;
    }
    Ok(ids)
}
