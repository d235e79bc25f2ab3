//! In which order one webhook is told, and what comes next after a failure. No clock, no socket: who sends says what time it
//! is and how it went.
//!
//! Of one account a delivery begins when the one before it is done with, so the receiver sees each account's events in their
//! order; accounts don't wait for each other. What is held is bounded: once it is, nothing more is read, and that lag is
//! this webhook's alone.
//!
//! A pause is about the receiver, so it ends early when the receiver takes anything: whoever waits is then tried out of turn.
//! So is one account after a start, as the receiver may be well by now. Such an attempt counts as none if it fails: neither
//! restarts nor the others' successes bring a delivery nearer to its end.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use orderledger_domain::ids::UserId;
use orderledger_domain::position::{Position, Topic};

use super::rows::{MarksRow, ResendRow};

/// So many accounts may have something to be sent.
pub const ACCOUNTS_MAX: usize = 500;
/// So many deliveries may wait.
pub const WAITING_MAX: usize = 20_000;

/// When a delivery that failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// After the first failure.
    pub first: Duration,
    /// Each pause is so many times the one before it.
    pub factor: u32,
    /// But no longer than this.
    pub longest: Duration,
    /// After so many attempts it is given up.
    pub attempts: u32,
}

impl Default for Schedule {
    /// 5 s, 15 s, 45 s, 2 min, 7 min, 20 min, 1 h, 3 h and then every 6 h: 14 attempts in about 30 hours.
    fn default() -> Schedule {
        Schedule { first: Duration::from_secs(5), factor: 3, longest: Duration::from_secs(6 * 3600), attempts: 14 }
    }
}

impl Schedule {
    /// The longest pause after so many attempts.
    pub fn pause(&self, attempts: u32) -> Duration {
        let times = self.factor.checked_pow(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.checked_mul(times).unwrap_or(self.longest).min(self.longest)
    }

    /// Up to a fifth shorter, by chance: what failed at one moment doesn't come back at one.
    fn some_pause(&self, attempts: u32) -> Duration {
        self.pause(attempts).mul_f64(1.0 - fastrand::f64() / 5.0)
    }
}

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

/// What waits of one account.
#[derive(Debug, Default)]
struct Account {
    waiting: VecDeque<Waiting>,
    attempts: u32,
    not_before: Duration,
    is_on_its_way: bool,
    /// The next attempt is out of turn.
    is_early: bool,
    /// How many such attempts failed since one succeeded, and when the newest attempt did.
    early: u32,
    failed_at: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    at: Position,
    /// It is sent again: it says nothing about how far the account is.
    is_again: bool,
}

/// A stretch that is sent again.
#[derive(Debug)]
struct Again {
    request: Position,
    row: ResendRow,
    next: u64,
    left: usize,
}

/// What is read for a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A stretch that is sent again.
    Again,
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
    again: Option<Again>,
    resent: Option<Position>,
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
            again: None,
            resent: marks.resent,
            has_probed: false,
        }
    }

    /// What there is to be read, so that each gets its turn: what comes after what was read last is first.
    pub fn readings(&self) -> Vec<Reading> {
        let of = |partition: &u32| Topic::Orders.at(*partition);
        let again = self.again.iter().filter(|again| again.next <= again.row.to.offset).map(|again| Reading {
            source: Source::Again,
            from: again.row.from.topic_partition().offset(again.next),
            end: again.row.to.offset.saturating_add(1),
        });
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
        let mut all: Vec<Reading> = again.chain(behind).chain(new).collect();
        let read = all.iter().take_while(|reading| Some(reading.source) <= self.read).count();
        all.rotate_left(read);
        all
    }

    /// Whether what the source has of that account at that place is sent because of that source.
    pub fn wants(&self, source: Source, user: &UserId, at: Position) -> bool {
        let behind = self.behind.get(user).filter(|(from, _)| from.partition == at.partition);
        match source {
            Source::Again => {
                let only = self.again.as_ref().and_then(|again| again.row.user_id.as_ref());
                only.is_none_or(|only| only == user)
            }
            Source::Behind(_) => behind.is_some_and(|(from, _)| *from <= at),
            // All of an account comes from one source, so in its order.
            Source::New(_) => behind.is_none(),
        }
    }

    /// Whether more may be read.
    pub fn has_room(&self) -> bool {
        self.accounts.len() < ACCOUNTS_MAX && self.waiting < WAITING_MAX
    }

    /// Takes what the webhook is to be told of a source's records from where its reading began up to below `end`.
    pub fn take(&mut self, source: Source, told: Vec<(u64, UserId)>, end: u64) {
        self.read = Some(source);
        let of = match source {
            Source::New(partition) | Source::Behind(partition) => Topic::Orders.at(partition),
            Source::Again => match &self.again {
                Some(again) => again.row.from.topic_partition(),
                None => return,
            },
        };
        let is_again = source == Source::Again;
        for (offset, user) in told {
            let at = of.offset(offset);
            if !self.wants(source, &user, at) {
                continue;
            }
            let tried = self.behind.get(&user).filter(|(from, _)| *from == at && !is_again);
            let attempts = tried.map_or(0, |(_, attempts)| *attempts);
            self.push(user, Waiting { at, is_again }, attempts);
            if let (true, Some(again)) = (is_again, &mut self.again) {
                again.left = again.left.saturating_add(1);
            }
        }
        match source {
            Source::New(partition) => {
                self.next.insert(partition, end);
            }
            Source::Behind(partition) => {
                self.next_behind.insert(partition, end);
            }
            Source::Again => {
                if let Some(again) = &mut self.again {
                    again.next = end;
                }
                self.end_again();
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
        if account.waiting.is_empty() && attempts > 0 {
            account.attempts = attempts;
            account.is_early = !std::mem::replace(&mut self.has_probed, true);
            // A program that begins again and again doesn't hammer one that is still down.
            account.not_before = if account.is_early { Duration::ZERO } else { self.schedule.some_pause(attempts) };
        }
        account.waiting.push_back(waiting);
        self.waiting = self.waiting.saturating_add(1);
    }

    /// Begins to send a stretch again, if none is on its way.
    pub fn begin_again(&mut self, requests: &[(Position, ResendRow)]) {
        if self.again.is_some() {
            return;
        }
        let new = requests.iter().find(|(request, _)| Some(*request) > self.resent);
        self.again =
            new.map(|(request, row)| Again { request: *request, row: row.clone(), next: row.from.offset, left: 0 });
    }

    /// A delivery that is due at that time, which counts as on its way from now on: the next account after the one that was
    /// served last.
    pub fn due(&mut self, now: Duration) -> Option<Due> {
        let is_due = |account: &Account| !account.is_on_its_way && account.not_before <= now;
        let from = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let after = self.accounts.range::<UserId, _>((from, Bound::Unbounded));
        let user =
            after.chain(self.accounts.iter()).find(|(_, account)| is_due(account)).map(|(user, _)| user.clone())?;
        let account = self.accounts.get_mut(&user)?;
        let at = account.waiting.front()?.at;
        account.is_on_its_way = true;
        self.last = Some(user.clone());
        Some(Due { user, at })
    }

    /// The account's delivery succeeded, and nobody waits any longer.
    pub fn sent(&mut self, user: &UserId) {
        self.done(user);
        let waits = |account: &&mut Account| account.attempts > 0 && !account.is_on_its_way;
        for account in self.accounts.values_mut().filter(waits) {
            // One that alone is refused, while others are taken, is tried less and less often.
            let pause = if account.early == 0 { Duration::ZERO } else { self.schedule.pause(account.early) };
            let early = account.failed_at.saturating_add(pause);
            if early < account.not_before {
                (account.not_before, account.is_early) = (early, true);
            }
        }
    }

    /// The account's delivery failed: it is tried again later, or given up.
    pub fn failed(&mut self, user: &UserId, now: Duration) -> Option<GivenUp> {
        let account = self.accounts.get_mut(user)?;
        if std::mem::take(&mut account.is_early) {
            account.early = account.early.saturating_add(1);
        } else {
            account.attempts = account.attempts.saturating_add(1);
        }
        let (attempts, at) = (account.attempts, account.waiting.front()?.at);
        if attempts < self.schedule.attempts {
            account.is_on_its_way = false;
            account.failed_at = now;
            account.not_before = now.saturating_add(self.schedule.some_pause(attempts));
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
        let Some(done) = account.waiting.pop_front() else { return };
        *account = Account { waiting: std::mem::take(&mut account.waiting), ..Account::default() };
        if account.waiting.is_empty() {
            self.accounts.remove(user);
        }
        self.waiting = self.waiting.saturating_sub(1);
        if let (false, Some(behind)) = (done.is_again, self.behind.get_mut(user)) {
            *behind = (done.at.topic_partition().offset(done.at.offset.saturating_add(1)), 0);
        }
        if let (true, Some(again)) = (done.is_again, &mut self.again) {
            again.left = again.left.saturating_sub(1);
        }
        self.end_again();
    }

    fn end_again(&mut self) {
        if self.again.as_ref().is_some_and(|again| again.left == 0 && again.next > again.row.to.offset) {
            self.resent = self.again.take().map(|again| again.request);
        }
    }

    /// When the next account that waits for another attempt is due; none if none waits.
    pub fn wakes_at(&self) -> Option<Duration> {
        self.accounts.values().filter(|account| !account.is_on_its_way).map(|account| account.not_before).min()
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
            let first = account.waiting.iter().position(|waiting| !waiting.is_again);
            let Some(waiting) = first.and_then(|first| account.waiting.get(first)) else { continue };
            let attempts = if first == Some(0) { account.attempts } else { 0 };
            behind.insert(user, (waiting.at, attempts));
        }
        let next = self.next.iter().map(|(partition, next)| Topic::Orders.at(*partition).offset(*next)).collect();
        let behind = behind.into_iter().map(|(user, (at, attempts))| (user.clone(), at, attempts)).collect();
        MarksRow { next, behind, resent: self.resent }
    }
}
