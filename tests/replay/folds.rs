//! The projections: live while the stages crash, and once more from zero in other batches and orders.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderledger_domain::money::Quantity;
use orderledger_domain::position::TopicPartition;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::audit::Audit;
use orderledger_projections::market::Market;
use orderledger_projections::parking::breaker::Limits;
use orderledger_projections::settlement::{Settlement, queries};
use orderledger_projections::verify::{LedgerRows, verify};
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::clock::Clock;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::folding::Folding;
use orderledger_projections::worker::progress::{Progress, Standing};
use orderledger_projections::worker::projection::{self, Running, Setup};
use orderledger_projections::worker::read::Read;
use orderledger_projections::worker::stop::Stop;
use orderledger_store::event_log::EventLog;
use orderledger_store::views::{RowsDigest, Schema, View};
use orderledger_tests::auditor::Story;
use orderledger_tests::stages::all_partitions;

use crate::crashes::World;
use orderledger_tests::dice::Dice;

const PATIENCE: Duration = Duration::from_secs(60);

/// The three projections, following the log.
pub(crate) struct Live {
    stop: Stop,
    running: Vec<(Running, Progress, &'static [orderledger_domain::position::Topic])>,
    views: Vec<Arc<View>>,
}

fn empty_view<F: Fold>() -> Arc<View> {
    Arc::new(View::in_memory(Schema { name: F::NAME, version: F::SCHEMA }))
}

impl Live {
    pub(crate) fn start(log: &Arc<dyn EventLog>, key: StreamKey) -> Live {
        let mut live = Live { stop: Stop::default(), running: Vec::new(), views: Vec::new() };
        live.start_one::<Settlement>(log, key);
        live.start_one::<Market>(log, key);
        live.start_one::<Audit>(log, key);
        live
    }

    fn start_one<F: Fold + 'static>(&mut self, log: &Arc<dyn EventLog>, key: StreamKey) {
        let (view, progress) = (empty_view::<F>(), Progress::new(Standing::default()));
        let setup = Setup {
            log: Arc::clone(log),
            key,
            view: Arc::clone(&view),
            kept: "memory".to_owned(),
            progress: progress.clone(),
            limits: Limits::default(),
            stop: self.stop.clone(),
            clock: Clock::default(),
        };
        self.running.push((projection::start::<F>(setup).unwrap(), progress, F::TOPICS));
        self.views.push(view);
    }

    /// Waits until all have applied everything that stands in the log.
    pub(crate) fn settle(&self, log: &dyn EventLog) {
        let deadline = Instant::now() + PATIENCE;
        for (_, progress, topics) in &self.running {
            for of in all_partitions().filter(|of| topics.contains(&of.topic)) {
                let end = log.end_offset(of).unwrap();
                while !progress.standing().has_applied_below(of, end) {
                    let standing = progress.standing();
                    assert!(!standing.has_ended(), "{:?}", standing.state);
                    assert!(Instant::now() < deadline, "a projection does not reach {of}@{end}");
                    std::thread::yield_now();
                }
            }
        }
    }

    fn digests(&self) -> Vec<RowsDigest> {
        self.views.iter().map(|view| view.compute_digest().unwrap().digest).collect()
    }

    fn rows(&self) -> LedgerRows {
        let reader = |place: usize| self.views[place].reader().unwrap();
        LedgerRows { settlement: reader(0), market: reader(1), audit: reader(2) }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.set();
        self.running.drain(..).for_each(|(running, ..)| running.join());
    }
}

/// Which partition comes next, as the fold of some seed sees it.
#[derive(Clone, Copy, Debug)]
enum Interleaving {
    OneAfterAnother,
    TakingTurns,
    Random(u64),
}

/// All three once more from zero.
fn fold_again(world: &World, batch: usize, interleaving: Interleaving) -> Vec<RowsDigest> {
    let (log, key) = (&*world.log, &world.key);
    let mut foldings: Vec<Box<dyn AnyFolding>> = vec![
        Box::new(Folding::<Settlement>::resume(empty_view::<Settlement>(), log, key, "memory").unwrap()),
        Box::new(Folding::<Market>::resume(empty_view::<Market>(), log, key, "memory").unwrap()),
        Box::new(Folding::<Audit>::resume(empty_view::<Audit>(), log, key, "memory").unwrap()),
    ];
    let mut at: BTreeMap<TopicPartition, u64> = all_partitions().map(|of| (of, 0)).collect();
    let mut dice = Dice::new(if let Interleaving::Random(seed) = interleaving { seed } else { 0 });
    let mut turn = 0;
    loop {
        let behind = at.iter().filter(|(of, at)| **at < log.end_offset(**of).unwrap());
        let behind: Vec<TopicPartition> = behind.map(|(of, _)| *of).collect();
        if behind.is_empty() {
            break;
        }
        turn += 1;
        let of = match interleaving {
            Interleaving::OneAfterAnother => behind[0],
            Interleaving::TakingTurns => behind[turn % behind.len()],
            Interleaving::Random(_) => *dice.choose(&behind).unwrap(),
        };
        let records = log.read(of, at[&of], batch).unwrap();
        at.insert(of, records.last().unwrap().offset + 1);
        for read in records.into_iter().map(|record| Read::new(of, record, key)) {
            foldings.iter_mut().for_each(|folding| folding.take(&read).unwrap());
        }
        foldings.iter_mut().for_each(|folding| folding.commit().unwrap());
    }
    foldings.iter().map(|folding| folding.digest().unwrap().digest).collect()
}

/// The live views say what the auditor says, and every other way to fold says the same.
pub(crate) fn agree(seed: u64, world: &World, story: &Story) {
    let rows = world.live.rows();
    check_balances(&rows, story);
    check_orders(&rows, story);
    let report = verify(&*world.log, &world.key, &rows, &mut |_| {}).unwrap();
    assert!(report.is_equal(), "{report}");
    let live = world.live.digests();
    for (batch, interleaving) in [
        (1, Interleaving::Random(seed)),
        (7, Interleaving::TakingTurns),
        (1000, Interleaving::OneAfterAnother),
        (7, Interleaving::Random(!seed)),
    ] {
        assert_eq!(fold_again(world, batch, interleaving), live, "batches of {batch}, {interleaving:?}");
    }
}

fn check_balances(rows: &LedgerRows, story: &Story) {
    let mut seen = BTreeMap::new();
    for row in queries::accounts(&rows.settlement) {
        let (user, row) = row.unwrap();
        for (asset, balance) in row.account.iter() {
            let units = (balance.available.units(), balance.reserved.units());
            if units != (0, 0) {
                seen.insert((user.to_string(), asset.to_string()), units);
            }
        }
    }
    assert_eq!(seen, story.balances(), "the view's balances are not the auditor's");
}

fn check_orders(rows: &LedgerRows, story: &Story) {
    let mut live = 0;
    for row in queries::open_orders(&rows.settlement) {
        let order = row.unwrap().order;
        let audited = &story.orders[&(order.user_id.to_string(), order.order_id.to_string())];
        let shares = |quantity: Quantity| i128::from(quantity.shares());
        let figures = (order.held.units(), shares(order.leaves_quantity), shares(order.cum_quantity));
        let extra: i128 = order.undecided.iter().map(|amend| amend.extra.units()).sum();
        assert_eq!((figures, extra), ((audited.held, audited.leaves, audited.cum), audited.extra()), "{order:?}");
        assert!(audited.open, "{order:?}");
        live += 1;
    }
    assert_eq!(live, story.orders.values().filter(|order| order.open).count());
}
