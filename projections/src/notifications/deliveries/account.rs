//! What waits of one account: what is new of it goes before what is sent again, and one of both at a time.

use std::collections::VecDeque;
use std::time::Duration;

use orderledger_domain::position::Position;

use super::schedule::Schedule;

#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) new: Queue,
    pub(super) again: Queue,
    pub(super) is_on_its_way: bool,
    /// What is on its way is sent again.
    sends_again: bool,
}

/// Deliveries of one account, one after the other.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) attempts: u32,
    pub(super) not_before: Duration,
    /// The next attempt is out of turn.
    pub(super) is_early: bool,
    /// How many such attempts failed since one succeeded, and when the newest attempt did.
    early: u32,
    failed_at: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) at: Position,
    /// The request under which it is sent again: it says nothing about how far the account is.
    pub(super) request: Option<Position>,
}

impl Account {
    pub(super) fn is_empty(&self) -> bool {
        self.new.waiting.is_empty() && self.again.waiting.is_empty()
    }

    /// Whether what has its turn is sent again.
    pub(super) fn is_again(&self) -> bool {
        if self.is_on_its_way { self.sends_again } else { self.new.waiting.is_empty() }
    }

    /// What has its turn.
    pub(super) fn queue(&self) -> &Queue {
        if self.is_again() { &self.again } else { &self.new }
    }

    pub(super) fn queue_mut(&mut self) -> &mut Queue {
        if self.is_again() { &mut self.again } else { &mut self.new }
    }

    /// The first of what has its turn is on its way.
    pub(super) fn begin(&mut self) -> Option<Position> {
        let at = self.queue().waiting.front()?.at;
        self.sends_again = self.is_again();
        self.is_on_its_way = true;
        Some(at)
    }

    /// The first of what has its turn is done with; the next one has all its attempts.
    pub(super) fn done(&mut self) -> Option<Waiting> {
        let queue = self.queue_mut();
        let done = queue.waiting.pop_front();
        *queue = Queue { waiting: std::mem::take(&mut queue.waiting), ..Queue::default() };
        self.is_on_its_way = false;
        done
    }

    /// Somebody's delivery succeeded: who waits is tried out of turn.
    pub(super) fn wake(&mut self, schedule: &Schedule) {
        if !self.is_on_its_way {
            [&mut self.new, &mut self.again].into_iter().for_each(|queue| queue.wake(schedule));
        }
    }
}

impl Queue {
    fn wake(&mut self, schedule: &Schedule) {
        // One that alone is refused, while others are taken, is tried less and less often.
        let pause = if self.early == 0 { Duration::ZERO } else { schedule.pause(self.early) };
        let early = self.failed_at.saturating_add(pause);
        if self.attempts > 0 && early < self.not_before {
            (self.not_before, self.is_early) = (early, true);
        }
    }

    /// An attempt failed; how many count by now.
    pub(super) fn failed(&mut self) -> u32 {
        if std::mem::take(&mut self.is_early) {
            self.early = self.early.saturating_add(1);
        } else {
            self.attempts = self.attempts.saturating_add(1);
        }
        self.attempts
    }

    /// It is tried again after a pause.
    pub(super) fn pause(&mut self, now: Duration, schedule: &Schedule) {
        self.failed_at = now;
        self.not_before = now.saturating_add(schedule.some_pause(self.attempts));
    }
}
