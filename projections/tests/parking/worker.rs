//! The worker itself, on its thread: notices, restarts, a log that takes nothing, the breaker.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use orderledger_domain::entity::Entity;
use orderledger_domain::envelope;
use orderledger_domain::event::{EntityParked, Event};
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::stream::StreamKey;
use orderledger_projections::parking::breaker::Limits;
use orderledger_projections::parking::dry_run::dry_run;
use orderledger_projections::parking::queries::{self, Parked};
use orderledger_projections::settlement::Settlement;
use orderledger_projections::worker::clock::Clock;
use orderledger_projections::worker::courtesy::Courtesy;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::poison;
use orderledger_projections::worker::progress::{Progress, Standing, WorkerState};
use orderledger_projections::worker::projection::{Running, Setup, start};
use orderledger_projections::worker::rest::Rest;
use orderledger_projections::worker::stop::Stop;
use orderledger_store::event_log::{AppenderKind, EventLog, MemoryLog, NewRecord};
use orderledger_store::views::{Direction, Schema, View};

use crate::days::{self, PARTITIONS};
use crate::naive;
use crate::operators::{decide, log_of, one_at_a_time};

/// A day in a log, with a projection of accounts on it.
struct Day {
    log: Arc<MemoryLog>,
    view: Arc<View>,
    _turn: MutexGuard<'static, ()>,
}

struct Worker {
    progress: Progress,
    stop: Stop,
    running: Running,
}

impl Day {
    fn new(seed: u64) -> Day {
        let turn = one_at_a_time();
        let mut market = days::Market::new(seed);
        market.day();
        let view = View::in_memory(Schema { name: Settlement::NAME, version: Settlement::SCHEMA });
        poison_only(&BTreeSet::new());
        Day { log: Arc::new(log_of(&market.log)), view: Arc::new(view), _turn: turn }
    }

    fn start(&self, limits: Limits) -> Worker {
        let (progress, stop) = (Progress::new(Standing::default()), Stop::default());
        let log: Arc<dyn EventLog> = Arc::<MemoryLog>::clone(&self.log);
        let running = start::<Settlement>(Setup {
            log,
            key: StreamKey::default(),
            view: Arc::clone(&self.view),
            kept: "memory".to_owned(),
            progress: progress.clone(),
            limits,
            stop: stop.clone(),
            clock: Clock::default(),
            rest: Rest::default(),
            courtesy: Courtesy::default(),
            be_polite: || {},
            is_live: false,
        });
        Worker { progress, stop, running: running.unwrap() }
    }

    fn parked(&self) -> Vec<Parked> {
        queries::parked_entities(&self.view.reader().unwrap(), None, usize::MAX, Direction::Ascending).unwrap()
    }

    fn has_read_all(&self, standing: &Standing, topic: Topic) -> bool {
        (0..PARTITIONS)
            .map(|partition| topic.at(partition))
            .all(|of| standing.has_applied_below(of, self.log.end_offset(of).unwrap()))
    }

    /// Records of different users, one of each, that are derived.
    fn first_derived_of_each_user(&self) -> BTreeSet<Position> {
        let (mut users, mut first) = (BTreeSet::new(), BTreeSet::new());
        for of in (0..PARTITIONS).map(|partition| Topic::Orders.at(partition)) {
            for record in self.log.read(of, 0, usize::MAX).unwrap() {
                let is_derived = envelope::read(record.value.as_deref()).is_ok_and(|it| it.stamp.is_some());
                let key = record.key.unwrap();
                if is_derived && !key.starts_with(b"_") && users.insert(key) {
                    first.insert(of.offset(record.offset));
                }
            }
        }
        first
    }

    fn notices(&self) -> Vec<(String, EntityParked)> {
        let of = (0..PARTITIONS).map(|partition| Topic::DeadLetters.at(partition));
        let records = of.flat_map(|of| self.log.read(of, 0, usize::MAX).unwrap());
        let notice = records.filter_map(|record| {
            let envelope = envelope::read(record.value.as_deref()).unwrap();
            let Ok(Event::EntityParked(parked)) = envelope.event else { return None };
            Some((String::from_utf8(record.key.unwrap().to_vec()).unwrap(), parked))
        });
        notice.collect()
    }
}

impl Drop for Day {
    fn drop(&mut self) {
        poison_only(&BTreeSet::new());
    }
}

impl Worker {
    fn wait(&self, reached: impl Fn(&Standing) -> bool) -> Arc<Standing> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let is_reached = runtime.block_on(self.progress.wait(Duration::from_secs(60), &reached));
        let standing = self.progress.standing();
        assert!(is_reached, "{standing:?}");
        standing
    }

    fn stop(self) {
        self.stop.set();
        self.running.join();
    }
}

fn poison_only(poison: &BTreeSet<Position>) {
    poison::everywhere(poison.iter().map(|at| (Settlement::NAME.to_owned(), *at)).collect());
}

fn some_poison(day: &Day, many: usize) -> BTreeSet<Position> {
    day.first_derived_of_each_user().into_iter().take(many).collect()
}

/// Without limits that matter.
const ANY: Limits = Limits { consecutive: u32::MAX, ratio_percent: 100 };

#[test]
fn what_stands_under_a_parked_key_in_another_partition_is_nobodys() {
    let day = Day::new(3);
    let poison = some_poison(&day, 1);
    poison_only(&poison);
    let worker = day.start(ANY);
    worker.wait(|standing| day.has_read_all(standing, Topic::Orders) && standing.parked_entities == 1);
    let head = *poison.first().unwrap();
    let parked = day.log.read(head.topic_partition(), head.offset, 1).unwrap();
    let to = Topic::Orders.at((head.partition + 1) % PARTITIONS);
    let key = parked.first().unwrap().key.clone();
    let record = NewRecord { to, key, value: Some(Bytes::from_static(b"{}")), headers: Vec::new() };
    day.log.appender(AppenderKind::Client).unwrap().append(vec![record], Box::new(drop)).unwrap();
    while day.log.waiting() > 0 {
        std::thread::yield_now();
    }
    // The notice may be read back in between.
    let rows = || day.parked().into_iter().map(|it| (it.entity, it.row)).collect::<Vec<_>>();
    let before = rows();
    worker.wait(|standing| day.has_read_all(standing, Topic::Orders));
    assert_eq!(rows(), before);
    worker.stop();
}

#[test]
fn an_entity_waits_alone_is_told_of_once_and_goes_on_when_it_can() {
    let day = Day::new(3);
    let poison = some_poison(&day, 2);
    poison_only(&poison);
    let worker = day.start(ANY);
    // The notices have been read back.
    let is_told = |standing: &Standing| {
        standing.parked_entities == 2 && day.notices().len() >= 2 && day.has_read_all(standing, Topic::DeadLetters)
    };
    worker.wait(|standing| is_told(standing) && day.has_read_all(standing, Topic::Orders));
    let parked = day.parked();
    assert_eq!(parked.iter().map(|it| it.row.head).collect::<BTreeSet<_>>(), poison);
    assert!(parked.iter().all(|it| it.note.noticed && it.note.attempts == 1 && it.note.error == "it is poisoned"));
    assert!(parked.iter().all(|it| it.last_good().unwrap().offset + 1 == it.row.head.offset));
    let notices = day.notices();
    for it in &parked {
        let expected = EntityParked {
            projection: "settlement".to_owned(),
            entity: it.entity.to_string(),
            position: it.row.head,
            error: "it is poisoned".to_owned(),
        };
        assert!(notices.contains(&(it.entity.to_string(), expected)), "{notices:?}");
    }
    worker.stop();

    // Restarted, it tells nothing that was told.
    let worker = day.start(ANY);
    worker.wait(|standing| standing.state == WorkerState::Live);
    assert_eq!(day.notices(), notices);

    // What a retry would come to, before and after the program is fixed.
    let [one, other] = <[Parked; 2]>::try_from(parked).unwrap();
    let trial = |entity: &Entity| {
        dry_run::<Settlement>(&day.view, &*day.log, &StreamKey::default(), entity, usize::MAX).unwrap().unwrap()
    };
    let before = trial(&one.entity);
    assert_eq!((before.applied, before.untried), (0, one.row.waiting - 1), "the head was tried");
    assert_eq!(before.stops, Some((one.row.head, "it is poisoned".to_owned())));
    poison_only(&BTreeSet::new());
    let after = trial(&one.entity);
    assert_eq!((after.applied, after.untried, after.stops), (one.row.waiting, 0, None));
    assert_eq!(day.parked().len(), 2, "a trial changes nothing");

    for (number, it) in [(1, &one), (2, &other)] {
        decide(&day.log, number, "settlement", &it.entity, it.row.head, false);
    }
    worker.wait(|standing| standing.parked_entities == 0 && day.has_read_all(standing, Topic::DeadLetters));
    worker.stop();
    let (rows, _) = naive::fold::<Settlement>(&day.log, &BTreeSet::new(), &BTreeSet::new());
    assert!(naive::rows(&day.view.reader().unwrap()) == rows);
}

#[test]
fn a_log_that_takes_no_notice_holds_nobody_up() {
    let day = Day::new(4);
    poison_only(&some_poison(&day, 1));
    day.log.hold();
    let worker = day.start(ANY);
    worker.wait(|standing| standing.parked_entities == 1 && day.has_read_all(standing, Topic::Orders));
    assert!(day.notices().is_empty());
    // The outcome is unknown, the notice was lost: it is told again.
    while day.log.lose_waiting() == 0 {
        std::thread::yield_now();
    }
    day.log.release();
    worker.wait(|standing| !day.notices().is_empty() && day.has_read_all(standing, Topic::DeadLetters));
    worker.stop();
    assert!(day.parked().iter().all(|it| it.note.noticed));
}

#[test]
fn too_many_in_a_row_stop_the_worker_and_nothing_of_it_is_kept() {
    let day = Day::new(5);
    let poison = day.first_derived_of_each_user();
    assert!(poison.len() > 4);
    poison_only(&poison);
    let limits = Limits { consecutive: 3, ratio_percent: 100 };
    let worker = day.start(limits);
    let ended = worker.wait(|standing| matches!(standing.state, WorkerState::Halted(_)));
    let WorkerState::Halted(why) = &ended.state else { panic!("{ended:?}") };
    assert!(why.contains("3 entities in a row") && why.contains("it is poisoned"), "{why}");
    assert!(why.contains("--parking-consecutive") && why.contains("orders-"), "{why}");
    worker.stop();
    let parked = day.parked();
    assert!(parked.len() < 3, "{parked:?}");

    // Started again, it stops again; fixed, it goes on.
    let worker = day.start(limits);
    worker.wait(|standing| matches!(standing.state, WorkerState::Halted(_)));
    worker.stop();
    poison_only(&BTreeSet::new());
    let worker = day.start(limits);
    worker.wait(|standing| day.has_read_all(standing, Topic::Orders));
    worker.stop();
}

#[test]
fn control_events_that_can_t_be_applied_halt_it() {
    let day = Day::new(6);
    let of = Topic::Orders.at(0);
    let records = day.log.read(of, 0, usize::MAX).unwrap();
    let control = records.iter().find(|record| record.key.as_deref() == Some(b"_control")).unwrap().offset;
    poison_only(&BTreeSet::from([of.offset(control)]));
    let worker = day.start(ANY);
    let ended = worker.wait(|standing| matches!(standing.state, WorkerState::Halted(_)));
    assert_eq!(ended.state, WorkerState::Halted(format!("orders-0@{control}: it is poisoned")));
    worker.stop();
    assert!(day.parked().is_empty());
}
