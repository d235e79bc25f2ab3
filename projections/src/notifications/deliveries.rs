//! In which order one webhook is told, and what comes next after a failure. No clock, no socket: who sends says what time it
//! is and how it went.
//!
//! Of one account a delivery begins when the one before it is done with, so the receiver sees each account's events in their
//! order; accounts don't wait for each other. What is held is bounded: once it is, nothing more is read, and that lag is
//! this webhook's alone.

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
    /// 5 s, 15 s, 45 s, 2 min, 7 min, 20 min, 1 h, 3 h and then every 6 h: 14 attempts in about 34 hours.
    fn default() -> Schedule {
        Schedule { first: Duration::from_secs(5), factor: 3, longest: Duration::from_secs(6 * 3600), attempts: 14 }
    }
}

impl Schedule {
    /// The pause after so many attempts.
    pub fn pause(&self, attempts: u32) -> Duration {
        let times = self.factor.checked_pow(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.checked_mul(times).unwrap_or(self.longest).min(self.longest)
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

/// One webhook's deliveries.
#[derive(Debug)]
pub struct Deliveries {
    schedule: Schedule,
    /// Where to read on, by partition.
    next: BTreeMap<u32, u64>,
    /// Everything below was read before: only what is behind counts there.
    marked: BTreeMap<u32, u64>,
    behind: BTreeMap<UserId, (Position, u32)>,
    accounts: BTreeMap<UserId, Account>,
    waiting: usize,
    /// Who was served last: the next one after it comes first.
    last: Option<UserId>,
    again: Option<Again>,
    resent: Option<Position>,
}

impl Deliveries {
    /// Goes on where the marks say.
    pub fn new(marks: &MarksRow, schedule: Schedule) -> Deliveries {
        let marked: BTreeMap<u32, u64> = marks.next.iter().map(|at| (at.partition, at.offset)).collect();
        let mut next = marked.clone();
        for (_, at, _) in &marks.behind {
            let next = next.entry(at.partition).or_insert(at.offset);
            *next = at.offset.min(*next);
        }
        Deliveries {
            schedule,
            next,
            marked,
            behind: marks.behind.iter().map(|(user, at, attempts)| (user.clone(), (*at, *attempts))).collect(),
            accounts: BTreeMap::new(),
            waiting: 0,
            last: None,
            again: None,
            resent: marks.resent,
        }
    }

    /// Where to read on, by partition of `orders`.
    pub fn next(&self) -> impl Iterator<Item = Position> {
        self.next.iter().map(|(partition, offset)| Topic::Orders.at(*partition).offset(*offset))
    }

    /// Whether more may be read.
    pub fn has_room(&self) -> bool {
        self.accounts.len() < ACCOUNTS_MAX && self.waiting < WAITING_MAX
    }

    /// Takes what the webhook is to be told of the records of a partition from [`Deliveries::next`] on, up to below `end`.
    pub fn take(&mut self, partition: u32, told: Vec<(u64, UserId)>, end: u64) {
        let marked = self.marked.get(&partition).copied().unwrap_or(0);
        for (offset, user) in told {
            let at = Topic::Orders.at(partition).offset(offset);
            // Below the mark all was done with, but for accounts that were behind.
            let behind = self.behind.get(&user).copied();
            if offset < marked && behind.is_none_or(|(from, _)| at < from) {
                continue;
            }
            let attempts = behind.filter(|(from, _)| *from == at).map_or(0, |(_, attempts)| attempts);
            self.push(user, Waiting { at, is_again: false }, attempts);
        }
        self.next.insert(partition, end);
        if end >= marked {
            self.behind.retain(|_, (from, _)| from.partition != partition);
        }
    }

    fn push(&mut self, user: UserId, waiting: Waiting, attempts: u32) {
        let account = self.accounts.entry(user).or_default();
        if account.waiting.is_empty() {
            account.attempts = attempts;
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

    /// What is to be read to send it again: from where, up to where (included), whose alone. None once all is read.
    pub fn reads_again(&self) -> Option<(Position, Position, Option<&UserId>)> {
        let again = self.again.as_ref().filter(|again| again.next <= again.row.to.offset)?;
        Some((again.row.from.topic_partition().offset(again.next), again.row.to, again.row.user_id.as_ref()))
    }

    /// Takes what is to be sent again of the records up to below `end`.
    pub fn take_again(&mut self, told: Vec<(u64, UserId)>, end: u64) {
        let Some(again) = &mut self.again else { return };
        let of = again.row.from.topic_partition();
        again.next = end;
        again.left = again.left.saturating_add(told.len());
        for (offset, user) in told {
            self.push(user, Waiting { at: of.offset(offset), is_again: true }, 0);
        }
        self.end_again();
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

    /// The account's delivery succeeded.
    pub fn sent(&mut self, user: &UserId) {
        self.done(user);
    }

    /// The account's delivery failed: it is tried again later, or given up.
    pub fn failed(&mut self, user: &UserId, now: Duration) -> Option<GivenUp> {
        let account = self.accounts.get_mut(user)?;
        account.attempts = account.attempts.saturating_add(1);
        let (attempts, at) = (account.attempts, account.waiting.front()?.at);
        if attempts < self.schedule.attempts {
            account.is_on_its_way = false;
            account.not_before = now.saturating_add(self.schedule.pause(attempts));
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

    fn done(&mut self, user: &UserId) {
        let Some(account) = self.accounts.get_mut(user) else { return };
        let Some(done) = account.waiting.pop_front() else { return };
        (account.attempts, account.not_before, account.is_on_its_way) = (0, Duration::ZERO, false);
        if account.waiting.is_empty() {
            self.accounts.remove(user);
        }
        self.waiting = self.waiting.saturating_sub(1);
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
        let reached = |partition: &u32, next: &u64| self.marked.get(partition).copied().unwrap_or(0).max(*next);
        MarksRow {
            next: self
                .next
                .iter()
                .map(|(partition, next)| Topic::Orders.at(*partition).offset(reached(partition, next)))
                .collect(),
            behind: behind.into_iter().map(|(user, (at, attempts))| (user.clone(), at, attempts)).collect(),
            resent: self.resent,
        }
    }
}
