//! Random crashes: batches written or lost, acknowledgements lost, ends in order, snapshots from before.

use std::sync::Arc;

use orderledger_domain::event::EventType;
use orderledger_domain::position::Topic;
use orderledger_domain::terms::Side;
use orderledger_store::event_log::memory::MemoryLog;

use crate::harness::{PARTITIONS, Stages, all_partitions, append, cancel, deposit, id, limit, outside, taken, whole};
use crate::restart::copy_dir;

struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn ask(log: &MemoryLog, dice: &mut Dice, asked: &mut u64) {
    *asked += 1;
    let user = ["u1", "u2", "u3", "u4"][dice.below(4) as usize];
    let side = if dice.below(2) == 0 { Side::Buy } else { Side::Sell };
    let event = match dice.below(6) {
        0 => deposit(user, if side == Side::Buy { "USD" } else { "AAPL" }, 1_000),
        1 => cancel(user, &format!("o{}", dice.below(*asked))),
        _ => limit(user, &format!("o{asked}"), side, 1 + dice.below(5), i128::from(9 + dice.below(4)) * 10_000),
    };
    append(log, vec![outside(id(*asked), &event)]);
}

#[test]
fn nothing_is_lost_or_doubled_by_random_crashes() {
    for seed in 0..2 {
        let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
        let older = tempfile::tempdir().unwrap();
        let (mut dice, mut asked) = (Dice(seed), 0);
        for round in 0..14 {
            (0..20).for_each(|_| ask(&log, &mut dice, &mut asked));
            let place = if dice.below(4) == 0 && round > 4 { older.path() } else { dir.path() };
            let stages = Stages::start(&log, place).unwrap();
            if dice.below(3) == 0 {
                stages.settle(&log);
                stages.stop();
                continue;
            }
            log.hold();
            for _ in 0..dice.below(30) {
                std::thread::sleep(std::time::Duration::from_millis(dice.below(4)));
                log.release_next(dice.below(3) as usize);
            }
            match dice.below(3) {
                0 => drop(log.lose_waiting()),
                1 => drop((log.release_next_unacknowledged(1), log.lose_waiting())),
                _ => {}
            }
            if dice.below(2) == 0 {
                log.release();
            } else {
                let losing = Arc::clone(&log);
                std::thread::spawn(move || {
                    std::thread::sleep(std::time::Duration::from_millis(300));
                    losing.lose_waiting();
                    losing.release();
                });
            }
            drop(stages);
            log.release();
            if dice.below(3) == 0 && round < 6 {
                copy_dir(dir.path(), older.path());
            }
        }
        let stages = Stages::start(&log, dir.path()).unwrap();
        stages.settle(&log);
        stages.stop();
        let before = whole(&log);
        let fresh = tempfile::tempdir().unwrap();
        let stages = Stages::start(&log, fresh.path()).unwrap();
        stages.settle(&log);
        stages.stop();
        assert!(whole(&log) == before, "seed {seed}: a replay from zero wrote something");
        let all: Vec<_> = all_partitions().map(|partition| taken(&log, partition)).collect();
        let count = |kind| all.iter().flatten().filter(|envelope| envelope.event_type == kind).count();
        let trades: usize = (0..PARTITIONS).map(|p| taken(&log, Topic::Trades.at(p)).len()).sum();
        assert!(trades > 5, "{trades}");
        assert_eq!(count(EventType::OrderFilled), 2 * trades);
        assert_eq!(count(EventType::RecordRefused), 0);
    }
}
