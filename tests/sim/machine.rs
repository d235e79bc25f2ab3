//! A server without its edge: both stages and all projections, on a data directory of its own, one turn at a time.

use std::path::PathBuf;
use std::sync::Arc;

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_projections::audit::Audit;
use orderledger_projections::intake::answers::Answers;
use orderledger_projections::intake::{Identities, Intake};
use orderledger_projections::market::Market;
use orderledger_projections::matching::Matching;
use orderledger_projections::parking::breaker::Limits;
use orderledger_projections::settlement::Settlement;
use orderledger_projections::stage::fold::StageFold;
use orderledger_projections::stage::gate::{Gate, Place};
use orderledger_projections::stage::{runner, stepped as stage};
use orderledger_projections::worker::board::Board;
use orderledger_projections::worker::clock::Clock;
use orderledger_projections::worker::courtesy::Courtesy;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::folding::Folding;
use orderledger_projections::worker::progress::{Progress, Standing, WorkerState};
use orderledger_projections::worker::rest::Rest;
use orderledger_projections::worker::stop::Stop;
use orderledger_projections::worker::{projection, stepped};
use orderledger_store::event_log::EventLog;
use orderledger_store::views::{Schema, View};
use orderledger_store::{Error, IdIndex};
use orderledger_tests::stages::PARTITIONS;

use crate::disk::{Disk, VIEWS};
use crate::log::{Owner, SimLog};

/// A simulation parks on purpose: nothing trips.
const LIMITS: Limits = Limits { consecutive: u32::MAX, ratio_percent: 100 };
/// How many different turns a machine can take.
pub(crate) const TURNS: usize = 12;

/// One life of a machine: from a start to its end. Dropping it is a crash.
pub(crate) struct Machine {
    pub(crate) owner: Owner,
    intake: stage::Stepped<Intake>,
    matching: stage::Stepped<Matching>,
    settlement: stepped::Stepped<Settlement>,
    market: stepped::Stepped<Market>,
    audit: stepped::Stepped<Audit>,
    pub(crate) views: [Arc<View>; VIEWS],
    /// Intake, matching, then the projections.
    progress: [Progress; 2 + VIEWS],
    pub(crate) answers: Arc<Answers>,
}

/// What all machines of a run share.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) log: SimLog,
    pub(crate) key: StreamKey,
    pub(crate) clock: Clock,
}

pub(crate) fn schema_of<F: Fold>() -> Schema {
    Schema { name: F::NAME, version: F::SCHEMA }
}

/// The names of the workers, in the order of their progress.
const WORKERS: [&str; 2 + VIEWS] = [Intake::NAME, Matching::NAME, Settlement::NAME, Market::NAME, Audit::NAME];
/// Whether each of them reads a topic.
const READS: [fn(Topic) -> bool; 2 + VIEWS] = [
    |topic| topic == Topic::Orders,
    |topic| topic == Topic::Books,
    Folding::<Settlement>::reads,
    Folding::<Market>::reads,
    Folding::<Audit>::reads,
];

impl Machine {
    /// Starts from what is durable.
    pub(crate) fn start(ground: &Ground, disk: &Disk, owner: Owner) -> Result<Machine, Error> {
        let log: Arc<dyn EventLog> = Arc::new(ground.log.seen_by(owner));
        let progress: [Progress; 2 + VIEWS] = std::array::from_fn(|_| Progress::new(Standing::default()));
        let [intake, matching, settlement, market, audit] = &progress;
        let views = [view::<Settlement>(disk, 0), view::<Market>(disk, 1), view::<Audit>(disk, 2)];
        let answers = Arc::new(Answers::new(PARTITIONS));
        let start = Start { ground, log: &log, disk };
        let gate = Gate::default();
        let (of_matching, of_intake) = (gate.place(), gate.place());
        let ids = IdIndex::in_memory(disk.ids.clone())?;
        Ok(Machine {
            owner,
            settlement: start.projection(&views[0], settlement)?,
            market: start.projection(&views[1], market)?,
            audit: start.projection(&views[2], audit)?,
            matching: start.stage(Topic::Books, Arc::new(Board::default()), (matching, of_matching), None)?,
            intake: start.stage(
                Topic::Orders,
                Identities::new(ids),
                (intake, of_intake),
                Some(Arc::clone(&answers)),
            )?,
            views,
            progress: progress.clone(),
            answers,
        })
    }

    /// Takes one of its turns.
    pub(crate) fn turn(&mut self, which: usize, disk: &mut Disk) {
        match which {
            0 | 1 => self.intake.decide(),
            2 => self.intake.acknowledge(),
            3 => self.intake.keep(),
            4 | 5 => self.matching.decide(),
            6 => self.matching.acknowledge(),
            7 => self.matching.keep(),
            8 => self.settlement.turn(),
            9 => self.market.turn(),
            10 => self.audit.turn(),
            _ => self.flush(disk),
        }
    }

    /// What the views hold now is durable.
    pub(crate) fn flush(&self, disk: &mut Disk) {
        for (flushed, view) in disk.views.iter_mut().zip(&self.views) {
            *flushed = Some(view.reader().unwrap());
        }
    }

    /// Asks both stages for their end.
    pub(crate) fn begin_end(&mut self) {
        self.intake.begin_end();
        self.matching.begin_end();
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.intake.is_drained() && self.matching.is_drained()
    }

    /// Ends in order.
    pub(crate) fn end(mut self, disk: &mut Disk) {
        self.intake.end();
        self.matching.end();
        self.flush(disk);
    }

    /// Each worker with its name and how far it is.
    pub(crate) fn workers(&self) -> impl Iterator<Item = (&'static str, Arc<Standing>)> {
        WORKERS.into_iter().zip(&self.progress).map(|(name, progress)| (name, progress.standing()))
    }

    /// A worker that has ended by itself, and why.
    pub(crate) fn ended(&self) -> Option<(&'static str, WorkerState)> {
        let ended = self.workers().find(|(_, standing)| standing.has_ended());
        ended.map(|(name, standing)| (name, standing.state.clone()))
    }

    /// Whether every worker has handled everything below these ends.
    pub(crate) fn has_reached(&self, ends: &[(TopicPartition, u64)]) -> bool {
        self.progress.iter().zip(READS).all(|(progress, reads)| {
            let standing = progress.standing();
            let read = ends.iter().filter(|(of, _)| reads(of.topic));
            read.into_iter().all(|(of, end)| standing.has_applied_below(*of, *end))
        })
    }
}

fn view<F: Fold>(disk: &Disk, place: usize) -> Arc<View> {
    Arc::new(match &disk.views[place] {
        Some(flushed) => View::in_memory_at(flushed),
        None => View::in_memory(schema_of::<F>()),
    })
}

struct Start<'a> {
    ground: &'a Ground,
    log: &'a Arc<dyn EventLog>,
    disk: &'a Disk,
}

impl Start<'_> {
    fn projection<F: Fold>(&self, view: &Arc<View>, progress: &Progress) -> Result<stepped::Stepped<F>, Error> {
        stepped::Stepped::start(projection::Setup {
            log: Arc::clone(self.log),
            key: self.ground.key,
            view: Arc::clone(view),
            kept: "memory".to_owned(),
            progress: progress.clone(),
            limits: LIMITS,
            stop: Stop::default(),
            clock: self.ground.clock.clone(),
            rest: Rest::default(),
            courtesy: Courtesy::default(),
            be_polite: || {},
            is_live: false,
        })
    }

    fn stage<F: StageFold>(
        &self,
        source: Topic,
        shared: F::Shared,
        (progress, place): (&Progress, Place),
        answers: Option<Arc<Answers>>,
    ) -> Result<stage::Stepped<F>, Error> {
        stage::Stepped::start(runner::Setup {
            log: Arc::clone(self.log),
            source,
            directory: self.disk.files.folder(PathBuf::from("stages")),
            key: self.ground.key,
            shared,
            progress: progress.clone(),
            answers,
            stop: Stop::default(),
            clock: self.ground.clock.clone(),
            snapshot_records: runner::SNAPSHOT_RECORDS,
            place,
        })
    }
}
