//! Stretches that are sent again: which are under way, and which are done with. They don't wait for each other; what an earlier one
//! still has to send holds up its accounts alone.

use std::collections::{BTreeMap, BTreeSet};

use orderledger_domain::ids::UserId;
use orderledger_domain::position::{Position, TopicPartition};

use super::{Reading, Source};
use crate::notifications::rows::ResendRow;

/// So many stretches may be under way, or done with before an earlier one and not marked.
const STRETCHES_MAX: usize = if cfg!(test) { 40 } else { 10_000 };
/// So many are read by turns.
const READ_AT_ONCE: usize = 16;
/// Of a stretch, and of an account's stretches together, so much may wait: an account's are sent one by one, however much more was read.
const AHEAD_MAX: usize = 1_000;
/// A mark names so many that are done with before an earlier one; the next mark has the next.
pub const RESENT_TOO_MAX: usize = if cfg!(test) { 10 } else { 1_000 };

#[derive(Debug)]
struct Stretch {
    row: ResendRow,
    next: u64,
    left: usize,
}

impl Stretch {
    fn is_read(&self) -> bool {
        self.next > self.row.to.offset
    }
}

/// The stretches of one webhook, by request.
#[derive(Debug)]
pub(super) struct Again {
    under_way: BTreeMap<Position, Stretch>,
    /// Up to where the view that was asked last had heard of the webhook.
    heard: Option<u64>,
    resent: Option<Position>,
    /// Done with though an earlier one is not, until the view knows it.
    resent_too: BTreeSet<Position>,
}

impl Again {
    pub(super) fn new(resent: Option<Position>) -> Again {
        Again { under_way: BTreeMap::new(), heard: None, resent, resent_too: BTreeSet::new() }
    }

    pub(super) fn is_news(&self, heard: Option<u64>) -> bool {
        heard > self.heard
    }

    /// Begins what was asked for and is neither under way nor done with.
    pub(super) fn begin(&mut self, heard: Option<u64>, requests: &[(Position, ResendRow)]) {
        if !self.is_news(heard) {
            return;
        }
        self.heard = heard;
        let is_asked = |done: &Position| requests.binary_search_by_key(done, |(request, _)| *request).is_ok();
        self.resent_too.retain(is_asked);
        for (request, row) in requests {
            if self.under_way.len().saturating_add(self.resent_too.len()) >= STRETCHES_MAX {
                break;
            }
            let is_done = Some(*request) <= self.resent || self.resent_too.contains(request);
            if !is_done && !self.under_way.contains_key(request) {
                let stretch = Stretch { row: row.clone(), next: row.from.offset, left: 0 };
                self.under_way.insert(*request, stretch);
            }
        }
    }

    /// What is to be read, where so many of an account wait to be sent again: an account's stretches one after the other, so that it
    /// is told in order.
    pub(super) fn readings(&self, waits: impl Fn(&UserId) -> usize) -> impl Iterator<Item = Reading> {
        let mut users = BTreeSet::new();
        let mut is_to_be_read = move |stretch: &Stretch| {
            let user = stretch.row.user_id.as_ref();
            !stretch.is_read()
                && user.is_none_or(|user| users.insert(user.clone()) && waits(user) < AHEAD_MAX)
                && stretch.left < AHEAD_MAX
        };
        let unread = self.under_way.iter().filter(move |(_, stretch)| is_to_be_read(stretch)).take(READ_AT_ONCE);
        unread.map(|(request, stretch)| Reading {
            source: Source::Again(*request),
            from: stretch.row.from.topic_partition().offset(stretch.next),
            end: stretch.row.to.offset.saturating_add(1),
        })
    }

    pub(super) fn wants(&self, request: Position, user: &UserId) -> bool {
        let stretch = self.under_way.get(&request);
        stretch.is_some_and(|stretch| stretch.row.user_id.as_ref().is_none_or(|only| only == user))
    }

    /// Where its records stand; none if it is not under way.
    pub(super) fn place_of(&self, request: Position) -> Option<TopicPartition> {
        self.under_way.get(&request).map(|stretch| stretch.row.from.topic_partition())
    }

    /// It is read up to below `end`, and so many more of it wait.
    pub(super) fn read(&mut self, request: Position, more: usize, end: u64) {
        if let Some(stretch) = self.under_way.get_mut(&request) {
            stretch.left = stretch.left.saturating_add(more);
            stretch.next = end;
        }
        self.end(request);
    }

    /// One of it is done with.
    pub(super) fn done(&mut self, request: Position) {
        if let Some(stretch) = self.under_way.get_mut(&request) {
            stretch.left = stretch.left.saturating_sub(1);
        }
        self.end(request);
    }

    fn end(&mut self, request: Position) {
        if !self.under_way.get(&request).is_some_and(|stretch| stretch.left == 0 && stretch.is_read()) {
            return;
        }
        self.under_way.remove(&request);
        self.resent_too.insert(request);
        let oldest = self.under_way.keys().next();
        while let Some(first) = self.resent_too.first().copied()
            && oldest.is_none_or(|oldest| first < *oldest)
        {
            self.resent = self.resent.max(Some(first));
            self.resent_too.remove(&first);
        }
    }

    /// The newest request with which, and with all before it, it is done.
    pub(super) fn resent(&self) -> Option<Position> {
        self.resent
    }

    pub(super) fn resent_too(&self) -> Vec<Position> {
        self.resent_too.iter().take(RESENT_TOO_MAX).copied().collect()
    }
}
