//! One run: machines and clients on one log, and a scheduler that throws dice for who is next and what breaks.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use orderledger_domain::ids::KeyId;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::worker::clock::Clock;
use orderledger_projections::worker::progress::WorkerState;
use orderledger_store::views::{View, ViewReader};
use orderledger_store::{Error, faults};
use orderledger_tests::auditor::Keys;
use orderledger_tests::dice::Dice;

use crate::clients::Clients;
use crate::disk::{Disk, VIEWS};
use crate::faults::{Fault, Faults};
use crate::log::{Owner, SimLog};
use crate::machine::{Ground, Machine, TURNS};
use crate::operator::Operator;
use crate::plan::Plan;

/// How many rounds of everything it may take after the last fault until all is at rest.
const ROUNDS_MAX: u32 = 400;

thread_local! {
    /// What the last panic of this thread said.
    pub(crate) static PANICKED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The payload of a crash in the middle of a turn.
struct CrashHere;

/// A place for a machine: its data directory, and its life if it lives.
struct Slot {
    disk: Disk,
    /// The data directory as it once was.
    backup: Option<Disk>,
    up: Option<Machine>,
    start_at_ms: u64,
    stands_still_until_ms: u64,
}

/// A run in progress.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) ground: Ground,
    /// The keys of the streams, for the auditor.
    pub(crate) keys: Keys,
    dice: Dice,
    clock_ms: Arc<AtomicU64>,
    slots: Vec<Slot>,
    pub(crate) clients: Clients,
    pub(crate) operator: Operator,
    lives: u64,
    crash_per_mille: u64,
}

impl World {
    pub(crate) fn new(plan: &Plan) -> World {
        let mut dice = Dice::of(plan.seed, "schedule");
        let secret = if dice.percent(50) { [0; 16] } else { [7; 16] };
        let clock_ms = Arc::new(AtomicU64::new(0));
        let log = SimLog::new(plan.faults, Dice::of(plan.seed, "network"), Arc::clone(&clock_ms));
        let clock = Clock::simulated(Arc::clone(&clock_ms));
        let operator = Operator::new(&log);
        let later = [("k2", [2; 16]), ("k3", [3; 16])];
        let keys = Keys { secret, later: later.into_iter().map(|(id, key)| (id.to_owned(), key)).collect() };
        let later = later.into_iter().map(|(id, key)| (KeyId::new(id).unwrap(), key));
        let first = (KeyId::FIRST, (secret != [0; 16]).then_some(secret));
        let key = StreamKey::ring(first, later.collect()).unwrap();
        let clients = Clients::new(plan, key, &log);
        let ground = Ground { log, key, clock };
        let crash_per_mille = *dice.pick(&[2, 5, 12]);
        let slots = vec![Slot::empty()];
        World { plan: *plan, ground, keys, dice, clock_ms, slots, clients, operator, lives: 0, crash_per_mille }
    }

    /// Faults and flow, until everything was asked and a while longer.
    pub(crate) fn live(&mut self) -> Result<(), String> {
        let twin_at = if self.has(Fault::Twin) { self.dice.range(0, 1500) } else { u64::MAX };
        let (mut steps, mut left) = (0, 150);
        while left > 0 {
            if self.clients.is_done() {
                left -= 1;
            }
            if steps == twin_at {
                self.add_twin();
            }
            steps += 1;
            self.step()?;
        }
        Ok(())
    }

    fn has(&self, fault: Fault) -> bool {
        self.plan.faults.has(fault)
    }

    fn now_ms(&self) -> u64 {
        self.clock_ms.load(Ordering::Relaxed)
    }

    fn pass(&self, ms: u64) {
        self.clock_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// A second machine on the same log, empty or from a copy of the first one's data directory.
    fn add_twin(&mut self) {
        let old = self.slots[0].backup.as_ref().filter(|_| self.dice.percent(60)).map(Disk::copy);
        self.slots.push(Slot { disk: old.unwrap_or_default(), ..Slot::empty() });
    }

    fn step(&mut self) -> Result<(), String> {
        let ms = self.dice.range(0, 25);
        self.pass(ms);
        if self.has(Fault::TimeJumps) && self.dice.permille(8) {
            self.pass(61_000);
        }
        match self.dice.range(0, 100) {
            0..8 => self.clients.ask(&mut self.dice),
            8..45 => {
                self.ground.log.step();
            }
            _ => {
                let place = self.dice.place(self.slots.len());
                self.turn_or_start(place)?;
            }
        }
        self.clients.listen(&mut self.slots.iter().filter_map(|slot| slot.up.as_ref()));
        if self.has(Fault::Crash) && self.dice.permille(self.crash_per_mille) {
            let place = self.dice.place(self.slots.len());
            self.crash(place);
        }
        if self.has(Fault::Restart) && self.dice.permille(3) {
            let place = self.dice.place(self.slots.len());
            self.end_in_order(place);
        }
        if self.has(Fault::Poison) && self.dice.permille(30) {
            self.operate();
        }
        if self.has(Fault::Stopped) && self.dice.permille(3) {
            let place = self.dice.place(self.slots.len());
            self.slots[place].stands_still_until_ms = self.now_ms() + self.dice.range(500, 20_000);
        }
        Ok(())
    }

    /// An operator looks at one of the machines.
    fn operate(&mut self) {
        let place = self.dice.place(self.slots.len());
        if let Some(machine) = &self.slots[place].up {
            self.operator.look(machine, &self.ground.log, &mut self.dice);
        }
    }

    fn turn_or_start(&mut self, place: usize) -> Result<(), String> {
        let now_ms = self.now_ms();
        let slot = &self.slots[place];
        if slot.stands_still_until_ms > now_ms {
            return Ok(());
        }
        if slot.up.is_some() {
            let which = self.dice.place(TURNS);
            let point = (self.has(Fault::FailPoint) && self.dice.permille(25)).then(|| self.dice.range(0, 5));
            return self.turn(place, which, point);
        }
        if slot.start_at_ms <= now_ms { self.start(place) } else { Ok(()) }
    }

    fn start(&mut self, place: usize) -> Result<(), String> {
        self.lives += 1;
        let owner = Owner(self.lives);
        self.ground.log.note(|| format!("machine {place} starts"));
        let slot = &mut self.slots[place];
        match guarded(|| Machine::start(&self.ground, &slot.disk, owner)) {
            Ok(Ok(machine)) => slot.up = Some(machine),
            Ok(Err(error @ Error::Unavailable { .. })) => {
                self.ground.log.note(|| format!("machine {place} can't start yet: {error}"));
                self.ground.log.kill(owner);
                slot.start_at_ms = self.clock_ms.load(Ordering::Relaxed) + 100;
            }
            Ok(Err(error)) => return Err(format!("machine {place} refuses to start: {error}")),
            Err(ended) => return Err(ended.unwrap_or_default()),
        }
        Ok(())
    }

    /// A turn of a machine; with a `point` it ends when it passes so many fail points in it.
    fn turn(&mut self, place: usize, which: usize, point: Option<u64>) -> Result<(), String> {
        let Slot { disk, up, .. } = &mut self.slots[place];
        let Some(machine) = up else { return Ok(()) };
        let flushed = Rc::default();
        if let Some(point) = point {
            arm(point, &machine.views, Rc::clone(&flushed));
        }
        let turned = guarded(|| machine.turn(which, disk));
        faults::on_point(None);
        if turned.is_err() && point.is_some_and(|point| point % 2 == 0) {
            // The views' own threads may have been as fast as that.
            disk.views.clone_from_slice(&flushed.take());
        }
        match turned {
            Ok(()) => match machine.ended() {
                None => {}
                Some((name, WorkerState::Halted(why))) => {
                    return Err(format!("{name} of machine {place} halts: {why}"));
                }
                Some((name, state)) => {
                    self.ground.log.note(|| format!("{name} of machine {place} has ended: {state:?}"));
                    self.crash(place);
                }
            },
            Err(None) => {
                self.ground.log.note(|| format!("machine {place} ends at a fail point"));
                self.crash(place);
            }
            Err(Some(panicked)) => return Err(format!("a panic of machine {place}: {panicked}")),
        }
        Ok(())
    }

    /// The machine is gone, and what is durable may be damaged.
    fn crash(&mut self, place: usize) {
        let slot = &mut self.slots[place];
        let Some(machine) = slot.up.take() else { return };
        self.ground.log.note(|| format!("machine {place} crashes"));
        slot.disk.crash(&mut self.dice);
        self.ground.log.kill(machine.owner);
        drop(machine);
        let damage = slot.disk.damage(self.plan.faults, slot.backup.as_ref(), &mut self.dice);
        self.ground.log.note(|| damage);
        if slot.backup.is_none() || self.dice.percent(30) {
            slot.backup = Some(slot.disk.copy());
        }
        slot.start_at_ms = self.clock_ms.load(Ordering::Relaxed) + self.dice.range(0, 400);
    }

    fn end_in_order(&mut self, place: usize) {
        let Some(mut machine) = self.slots[place].up.take() else { return };
        self.ground.log.note(|| format!("machine {place} ends in order"));
        machine.begin_end();
        for _ in 0..400 {
            if machine.is_drained() {
                break;
            }
            self.ground.log.step();
            let which = *self.dice.pick(&[2, 6]);
            machine.turn(which, &mut self.slots[place].disk);
        }
        let owner = machine.owner;
        machine.end(&mut self.slots[place].disk);
        self.ground.log.kill(owner);
    }

    /// No more faults: everybody runs until all is at rest.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        self.ground.log.heal();
        let anew = self.has(Fault::SilentAcknowledgement) || self.dice.percent(30);
        self.plan.faults = Faults::NONE;
        for place in 0..self.slots.len() {
            self.slots[place].stands_still_until_ms = 0;
            self.slots[place].start_at_ms = 0;
            if anew {
                self.crash(place);
            }
        }
        self.rest()
    }

    fn rest(&mut self) -> Result<(), String> {
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            let before = self.ground.log.ends();
            self.clients.ask(&mut self.dice);
            self.operate();
            while self.ground.log.step() {}
            for place in 0..self.slots.len() {
                if self.slots[place].up.is_none() {
                    self.start(place)?;
                }
                for which in 0..TURNS {
                    self.turn(place, which, None)?;
                }
            }
            let machines = || self.slots.iter().filter_map(|slot| slot.up.as_ref());
            self.clients.listen(&mut machines());
            let reached =
                machines().count() == self.slots.len() && machines().all(|machine| machine.has_reached(&before));
            let is_parked = machines().flat_map(Machine::workers).any(|(_, standing)| standing.parked_entities > 0);
            let is_quiet = reached && !is_parked && before == self.ground.log.ends();
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet >= 3 {
                return Ok(());
            }
            // Pauses between attempts pass.
            self.pass(if reached { 50 } else { 1_000 });
        }
        let workers = self.machines().flat_map(Machine::workers);
        let standings: Vec<String> = workers.map(|(name, standing)| format!("{name}: {standing:?}")).collect();
        Err(format!(
            "not at rest after {ROUNDS_MAX} rounds: the log ends at {:?}; {}",
            self.ground.log.ends(),
            standings.join("; ")
        ))
    }

    /// A machine whose whole data directory is new joins: it must reach the same without writing anything.
    pub(crate) fn join_empty(&mut self) -> Result<(), String> {
        let before = self.ground.log.ends();
        self.slots.push(Slot::empty());
        self.rest()?;
        let after = self.ground.log.ends();
        if before == after {
            Ok(())
        } else {
            Err(format!("a machine that lost everything wrote again: {before:?}, {after:?}"))
        }
    }

    /// The machines that run.
    pub(crate) fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.slots.iter().filter_map(|slot| slot.up.as_ref())
    }
}

impl Slot {
    fn empty() -> Slot {
        Slot { disk: Disk::default(), backup: None, up: None, start_at_ms: 0, stands_still_until_ms: 0 }
    }
}

/// From now on a turn ends at the fail point after so many others; what the views hold there is kept.
fn arm(point: u64, views: &[Arc<View>; VIEWS], flushed: Rc<Cell<[Option<ViewReader>; VIEWS]>>) {
    let (left, views) = (Cell::new(point), views.clone());
    faults::on_point(Some(Box::new(move |_| {
        if let Some(fewer) = left.get().checked_sub(1) {
            return left.set(fewer);
        }
        flushed.set(views.each_ref().map(|view| view.reader().ok()));
        resume_unwind(Box::new(CrashHere))
    })));
}

/// What it gave; none in place of words if it ended at a fail point.
fn guarded<T>(turn: impl FnOnce() -> T) -> Result<T, Option<String>> {
    catch_unwind(AssertUnwindSafe(turn)).map_err(|payload| {
        let crashed = payload.downcast_ref::<CrashHere>().is_some();
        (!crashed).then(|| PANICKED.with(|said| said.borrow().clone()))
    })
}
