//! In which order one webhook is told, and what comes next after a failure. No clock, no socket: who sends says what time it
//! is and how it went.
//!
//! Of one account a delivery begins when the one before it is done with, so the receiver sees each account's events in their
//! order; accounts don't wait for each other. What is held is bounded: once it is, nothing more is read, and that lag is
//! this webhook's alone.
//!
//! What is sent again is tried a few times and given up again. Stretches don't wait for each other, what is new of an account goes
//! before what is sent again of it, and such deliveries have room of their own, half as much.
//!
//! A pause is about the receiver, so it ends early when the receiver takes anything: whoever waits is then tried out of turn.
//! So is one account after a start, as the receiver may be well by now. Such an attempt counts as none if it fails: neither
//! restarts nor the others' successes bring a delivery nearer to its end.
//!
//! - `schedule`: when a delivery that failed is tried again
//! - `account`: what waits of one account
//! - `again`: the stretches that are sent again

mod account;
mod again;
mod schedule;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use orderledger_domain::ids::UserId;
use orderledger_domain::position::{Position, Topic};

use super::rows::{MarksRow, ResendRow};
use account::{Account, Queue, Waiting};
use again::Again;
pub use again::RESENT_TOO_MAX;
pub use schedule::{AGAIN_ATTEMPTS, Schedule};

/// So many accounts may have something new to be sent, half as many something to be sent again; one look more may be read.
pub const ACCOUNTS_MAX: usize = 500;
/// So many new deliveries may wait, and half as many that are sent again.
pub const WAITING_MAX: usize = 20_000;

/// A delivery that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose event.
    pub user: UserId,
    /// The event.
    pub at: Position,
}

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Whose event.
    pub user: UserId,
    /// The event.
    pub at: Position,
    /// How often it was tried.
    pub attempts: u32,
}

/// What is read for a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A stretch that is sent again, by its request.
    Again(Position),
    /// Of a partition what was read before and is not done with: of the accounts that were behind the marks alone.
    Behind(u32),
    /// Of a partition what was never read before.
    New(u32),
}

/// What is to be read next of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Of which.
    pub source: Source,
    /// From there on,
    pub from: Position,
    /// up to below this offset.
    pub end: u64,
}

/// One webhook's deliveries.
#[derive(Debug)]
pub struct Deliveries {
    schedule: Schedule,
    /// Where to read on, by partition.
    next: BTreeMap<u32, u64>,
    /// Accounts that were behind the marks, until what is behind is read up to where all else is: the first event that is not
    /// done with, and how often that was tried.
    behind: BTreeMap<UserId, (Position, u32)>,
    /// Where to read on for them, by partition.
    next_behind: BTreeMap<u32, u64>,
    /// What was read last: the next one after it comes first.
    read: Option<Source>,
    accounts: BTreeMap<UserId, Account>,
    waiting: usize,
    /// Who was served last: the next one after it comes first.
    last: Option<UserId>,
    waiting_again: usize,
    again: Again,
    /// Whether one was tried out of turn since the start.
    has_probed: bool,
}

impl Deliveries {
    /// Goes on where the marks say.
    pub fn new(marks: &MarksRow, schedule: Schedule) -> Deliveries {
        let mut next: BTreeMap<u32, u64> = marks.next.iter().map(|at| (at.partition, at.offset)).collect();
        let (mut behind, mut next_behind) = (BTreeMap::new(), BTreeMap::new());
        for (user, at, attempts) in &marks.behind {
            let marked = *next.entry(at.partition).or_insert(at.offset.saturating_add(1));
            if at.offset < marked {
                behind.insert(user.clone(), (*at, *attempts));
                let from = next_behind.entry(at.partition).or_insert(at.offset);
                *from = at.offset.min(*from);
            }
        }
        Deliveries {
            schedule,
            next,
            behind,
            next_behind,
            read: None,
            accounts: BTreeMap::new(),
            waiting: 0,
            last: None,
            waiting_again: 0,
            again: Again::new(marks.resent),
            has_probed: false,
        }
    }

    /// What there is to be read, so that each gets its turn: what comes after what was read last is first.
    pub fn readings(&self) -> Vec<Reading> {
        let of = |partition: &u32| Topic::Orders.at(*partition);
        let behind = self.next_behind.iter().map(|(partition, offset)| Reading {
            source: Source::Behind(*partition),
            from: of(partition).offset(*offset),
            end: self.next.get(partition).copied().unwrap_or(0),
        });
        let new = self.next.iter().map(|(partition, offset)| Reading {
            source: Source::New(*partition),
            from: of(partition).offset(*offset),
            end: u64::MAX,
        });
        let waits = |user: &UserId| self.accounts.get(user).map_or(0, |account| account.again.waiting.len());
        let mut all: Vec<Reading> = self.again.readings(waits).chain(behind).chain(new).collect();
        let read = all.iter().take_while(|reading| Some(reading.source) <= self.read).count();
        all.rotate_left(read);
        all
    }

    /// Whether what the source has of that account at that place is sent because of that source.
    pub fn wants(&self, source: Source, user: &UserId, at: Position) -> bool {
        let behind = self.behind.get(user).filter(|(from, _)| from.partition == at.partition);
        match source {
            Source::Again(request) => self.again.wants(request, user),
            Source::Behind(_) => behind.is_some_and(|(from, _)| *from <= at),
            // All of an account comes from one source, so in its order.
            Source::New(_) => behind.is_none(),
        }
    }

    /// Whether more of that source may be read.
    pub fn has_room(&self, source: Source) -> bool {
        let accounts = |of: fn(&Account) -> &Queue| {
            self.accounts.values().filter(|account| !of(account).waiting.is_empty()).count()
        };
        match source {
            Source::Again(_) => {
                accounts(|account| &account.again) < ACCOUNTS_MAX / 2 && self.waiting_again < WAITING_MAX / 2
            }
            Source::Behind(_) | Source::New(_) => {
                let waiting = self.waiting.saturating_sub(self.waiting_again);
                accounts(|account| &account.new) < ACCOUNTS_MAX && waiting < WAITING_MAX
            }
        }
    }

    /// Takes what the webhook is to be told of a source's records from where its reading began up to below `end`.
    pub fn take(&mut self, source: Source, told: Vec<(u64, UserId)>, end: u64) {
        self.read = Some(source);
        let (of, request) = match source {
            Source::New(partition) | Source::Behind(partition) => (Topic::Orders.at(partition), None),
            Source::Again(request) => match self.again.place_of(request) {
                Some(of) => (of, Some(request)),
                None => return,
            },
        };
        let before = self.waiting;
        for (offset, user) in told {
            let at = of.offset(offset);
            if self.wants(source, &user, at) {
                let tried = self.behind.get(&user).filter(|(from, _)| *from == at && request.is_none());
                let attempts = tried.map_or(0, |(_, attempts)| *attempts);
                self.push(user, Waiting { at, request }, attempts);
            }
        }
        match source {
            Source::New(partition) => _ = self.next.insert(partition, end),
            Source::Behind(partition) => _ = self.next_behind.insert(partition, end),
            Source::Again(request) => {
                let more = self.waiting.saturating_sub(before);
                self.waiting_again = self.waiting_again.saturating_add(more);
                self.again.read(request, more, end);
            }
        }
        self.end_behind(of.partition);
    }

    /// Once it is read up to where all else is, nobody is behind any more but by what waits.
    fn end_behind(&mut self, partition: u32) {
        if self.next_behind.get(&partition) >= self.next.get(&partition) {
            self.next_behind.remove(&partition);
            self.behind.retain(|_, (from, _)| from.partition != partition);
        }
    }

    fn push(&mut self, user: UserId, waiting: Waiting, attempts: u32) {
        let account = self.accounts.entry(user).or_default();
        let queue = if waiting.request.is_some() { &mut account.again } else { &mut account.new };
        if queue.waiting.is_empty() && attempts > 0 {
            queue.attempts = attempts;
            queue.is_early = !std::mem::replace(&mut self.has_probed, true);
            // A program that begins again and again doesn't hammer one that is still down.
            queue.not_before = if queue.is_early { Duration::ZERO } else { self.schedule.some_pause(attempts) };
        }
        queue.waiting.push_back(waiting);
        self.waiting = self.waiting.saturating_add(1);
    }

    /// Whether a view that has heard of the webhook up to there may know other requests than the one that was asked last. One that
    /// was rolled back doesn't: it still has what is done with, until it is where it was.
    pub fn is_news(&self, heard: Option<u64>) -> bool {
        self.again.is_news(heard)
    }

    /// Begins to send again what such a view has, in its order, and is neither under way nor done with.
    pub fn begin_again(&mut self, heard: Option<u64>, requests: &[(Position, ResendRow)]) {
        self.again.begin(heard, requests);
    }

    /// A delivery that is due at that time, which counts as on its way from now on: the next account after the one that was
    /// served last.
    pub fn due(&mut self, now: Duration) -> Option<Due> {
        let is_due = |account: &Account| !account.is_on_its_way && account.queue().not_before <= now;
        let from = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let after = self.accounts.range::<UserId, _>((from, Bound::Unbounded));
        let user =
            after.chain(self.accounts.iter()).find(|(_, account)| is_due(account)).map(|(user, _)| user.clone())?;
        let at = self.accounts.get_mut(&user)?.begin()?;
        self.last = Some(user.clone());
        Some(Due { user, at })
    }

    /// The account's delivery succeeded, and nobody waits any longer.
    pub fn sent(&mut self, user: &UserId) {
        self.done(user);
        self.accounts.values_mut().for_each(|account| account.wake(&self.schedule));
    }

    /// The account's delivery failed: it is tried again later, or given up.
    pub fn failed(&mut self, user: &UserId, now: Duration) -> Option<GivenUp> {
        let account = self.accounts.get_mut(user)?;
        let most = self.schedule.attempts_of(account.is_again());
        let queue = account.queue_mut();
        let (attempts, at) = (queue.failed(), queue.waiting.front()?.at);
        if attempts < most {
            queue.pause(now, &self.schedule);
            account.is_on_its_way = false;
            return None;
        }
        self.done(user);
        Some(GivenUp { user: user.clone(), at, attempts })
    }

    /// The delivery was not tried after all.
    pub fn put_back(&mut self, user: &UserId) {
        if let Some(account) = self.accounts.get_mut(user) {
            account.is_on_its_way = false;
        }
    }

    /// The account's delivery is done with, whether anybody took it or not.
    pub fn done(&mut self, user: &UserId) {
        let Some(account) = self.accounts.get_mut(user) else { return };
        let Some(done) = account.done() else { return };
        if account.is_empty() {
            self.accounts.remove(user);
        }
        self.waiting = self.waiting.saturating_sub(1);
        match done.request {
            Some(request) => {
                self.waiting_again = self.waiting_again.saturating_sub(1);
                self.again.done(request);
            }
            None => {
                if let Some(behind) = self.behind.get_mut(user) {
                    *behind = (done.at.topic_partition().offset(done.at.offset.saturating_add(1)), 0);
                }
            }
        }
    }

    /// When the next account that waits for another attempt is due; none if none waits.
    pub fn wakes_at(&self) -> Option<Duration> {
        let waits = self.accounts.values().filter(|account| !account.is_on_its_way);
        waits.map(|account| account.queue().not_before).min()
    }

    /// How many deliveries wait, or are on their way.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How far it is: all that must be known to go on from here.
    pub fn marks(&self) -> MarksRow {
        let mut behind: BTreeMap<&UserId, (Position, u32)> =
            self.behind.iter().map(|(user, (at, attempts))| (user, (*at, *attempts))).collect();
        for (user, account) in &self.accounts {
            if let Some(waiting) = account.new.waiting.front() {
                behind.insert(user, (waiting.at, account.new.attempts));
            }
        }
        let next = self.next.iter().map(|(partition, next)| Topic::Orders.at(*partition).offset(*next)).collect();
        let behind = behind.into_iter().map(|(user, (at, attempts))| (user.clone(), at, attempts)).collect();
        MarksRow { next, behind, resent: self.again.resent() }
    }

    /// Requests to send again that are done with before an earlier one, until the view has them no more.
    pub fn resent_too(&self) -> Vec<Position> {
        self.again.resent_too()
    }
}
