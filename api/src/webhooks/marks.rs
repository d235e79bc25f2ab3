//! How far a webhook was told, written to the log: soon after a success, seldom where nothing but attempts failed.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use orderledger_domain::position::Position;
use orderledger_store::Error;
use orderledger_store::event_log::{Delivered, NewRecord};

use orderledger_projections::notifications::deliveries::{Deliveries, GivenUp, RESENT_TOO_MAX};
use orderledger_projections::notifications::rows::MarksRow;
use orderledger_projections::notifications::said::{self, Behind, DeliveryFailed, Said, WebhookMarked};
use uuid::Uuid;

use crate::ledger::{self, Ledger};

/// After a success, and as long again for so many accounts that are behind: each stands in the mark.
const SOON: Duration = Duration::from_secs(1);
const BEHIND_EACH: usize = 50;
/// After a failure.
const SELDOM: Duration = Duration::from_secs(30);
/// How long the end of the program waits for the last one.
const LAST_WITHIN: Duration = Duration::from_secs(1);
/// Why an attempt failed, in the log, has at most so many characters.
const ERROR_CHARACTERS: usize = 300;

/// How far a webhook is, as a record says it.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    marks: MarksRow,
    resent_too: Vec<Position>,
}

impl Mark {
    pub(super) fn of(deliveries: &Deliveries) -> Mark {
        Mark { marks: deliveries.marks(), resent_too: deliveries.resent_too() }
    }

    /// Whether it says nothing that the one before it doesn't.
    fn is_said_by(&self, before: &Mark) -> bool {
        let is_said = |request| before.resent_too.binary_search(request).is_ok();
        self.marks == before.marks && self.resent_too.iter().all(is_said)
    }
}

/// The marks of one webhook on their way to the log.
pub(super) struct Marking {
    webhook: Uuid,
    /// Not handed to the log yet, or not taken.
    given_up: Vec<Said>,
    /// Handed to the log with the mark that is on its way.
    handed: Vec<Said>,
    written_at: Option<Instant>,
    written: Mark,
    has_done: bool,
    on_its_way: bool,
    answers: (Sender<bool>, Receiver<bool>),
}

impl Marking {
    pub(super) fn new(webhook: Uuid, written: MarksRow) -> Marking {
        let (given_up, handed, written_at, answers) = (Vec::new(), Vec::new(), None, channel());
        let written = Mark { marks: written, resent_too: Vec::new() };
        Marking { webhook, given_up, handed, written_at, written, has_done: false, on_its_way: false, answers }
    }

    /// Something was sent.
    pub(super) fn done(&mut self) {
        self.has_done = true;
    }

    /// A delivery was given up: it becomes one of the webhook's dead letters.
    pub(super) fn give_up(&mut self, given_up: GivenUp, error: &str) {
        let GivenUp { user, at, attempts } = given_up;
        let error = error.chars().take(ERROR_CHARACTERS).collect();
        self.given_up.push(Said::WebhookDeliveryFailed(DeliveryFailed {
            webhook_id: self.webhook,
            user_id: user,
            position: at,
            attempts,
            error,
        }));
        self.has_done = true;
    }

    /// Writes the marks if they are due.
    pub(super) fn write(&mut self, ledger: &Ledger, mark: impl FnOnce() -> Mark) {
        self.hear();
        let pause = pause(self.has_done, self.written.marks.behind.len());
        if self.on_its_way || self.written_at.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        self.append(ledger, mark());
    }

    /// Writes the last marks, and waits a little for them.
    pub(super) fn end(&mut self, ledger: &Ledger, mark: Mark) {
        if ledger.log.reachable().is_err() {
            return;
        }
        let waits = |marking: &mut Marking| {
            if marking.on_its_way {
                marking.on_its_way = false;
                let taken = marking.answers.1.recv_timeout(LAST_WITHIN).unwrap_or(false);
                marking.heard(taken);
            }
        };
        waits(self);
        self.append(ledger, mark);
        waits(self);
    }

    fn append(&mut self, ledger: &Ledger, mark: Mark) {
        self.hand_over(mark, ledger.partitions, |batch, delivered| ledger.appender.append(batch, delivered));
    }

    fn hand_over(
        &mut self,
        mark: Mark,
        partitions: u32,
        append: impl FnOnce(Vec<NewRecord>, Delivered) -> Result<(), Error>,
    ) {
        if mark.is_said_by(&self.written) && self.given_up.is_empty() {
            return;
        }
        self.written_at = Some(Instant::now());
        let Mark { marks, resent_too } = &mark;
        let behind = marks.behind.iter().cloned();
        let marked = Said::WebhookMarked(WebhookMarked {
            webhook_id: self.webhook,
            next: marks.next.clone(),
            behind: behind.map(|(user_id, next, attempts)| Behind { user_id, next, attempts }).collect(),
            resent: marks.resent,
            resent_too: resent_too.clone(),
        });
        self.handed = std::mem::take(&mut self.given_up);
        // In one partition, in this order: what was given up is known before it is passed over.
        let record = |said: &Said| said::record(said, Uuid::new_v4(), ledger::now(), "webhooks", None, partitions);
        let batch = self.handed.iter().chain(std::iter::once(&marked)).map(record).collect();
        let answer = self.answers.0.clone();
        // Nobody listens any more if sending fails.
        let delivered = Box::new(move |taken: Result<Vec<u64>, Error>| _ = answer.send(taken.is_ok()));
        match append(batch, delivered) {
            Ok(()) => {
                self.on_its_way = true;
                // One that names as many as may be leaves the others to the next.
                self.has_done = mark.resent_too.len() >= RESENT_TOO_MAX;
                self.written = mark;
            }
            Err(error) => {
                tracing::warn!(%error, webhook = %self.webhook, "the log takes no mark; it is written again");
                self.take_back();
            }
        }
    }

    fn hear(&mut self) {
        while let Ok(taken) = self.answers.1.try_recv() {
            self.on_its_way = false;
            self.heard(taken);
        }
    }

    fn heard(&mut self, taken: bool) {
        if taken {
            self.handed.clear();
        } else {
            tracing::warn!(webhook = %self.webhook, "the log did not acknowledge a mark; it is written again");
            self.take_back();
            self.written = Mark::default();
            self.has_done = true;
        }
    }

    /// What the log didn't take goes before what was given up since.
    fn take_back(&mut self) {
        let since = std::mem::take(&mut self.given_up);
        self.given_up = std::mem::take(&mut self.handed);
        self.given_up.extend(since);
    }
}

/// How long after a mark the next one is written.
fn pause(has_done: bool, behind: usize) -> Duration {
    if !has_done {
        return SELDOM;
    }
    let times = u32::try_from(behind / BEHIND_EACH).unwrap_or(u32::MAX).saturating_add(1);
    SOON.saturating_mul(times).min(SELDOM)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::ids::UserId;
    use orderledger_domain::position::Topic;
    use orderledger_store::At;

    use super::*;

    fn at(offset: u64) -> Position {
        Topic::Orders.at(0).offset(offset)
    }

    fn gives_up(marking: &mut Marking, offset: u64) {
        marking.give_up(GivenUp { user: UserId::new("ann").unwrap(), at: at(offset), attempts: 14 }, "it answered 500");
    }

    fn mark(next: u64, resent_too: &[u64]) -> Mark {
        let resent_too = resent_too.iter().map(|offset| Topic::Notifications.at(0).offset(*offset)).collect();
        Mark { marks: MarksRow { next: vec![at(next)], ..MarksRow::default() }, resent_too }
    }

    /// Hands over; the offsets of the dead letters of the batch, and what acknowledges it.
    fn hand_over(marking: &mut Marking, next: u64) -> (Vec<u64>, Delivered) {
        let (mut letters, mut acknowledges) = (Vec::new(), None);
        marking.hand_over(mark(next, &[]), 1, |batch, delivered| {
            for record in batch {
                if let Ok(Said::WebhookDeliveryFailed(failed)) =
                    said::read(record.value.as_deref()).map(|read| read.said)
                {
                    letters.push(failed.position.offset);
                }
            }
            acknowledges = Some(delivered);
            Ok(())
        });
        (letters, acknowledges.unwrap())
    }

    #[test]
    fn what_is_given_up_while_a_mark_is_on_its_way_goes_with_the_next_one() {
        let mut marking = Marking::new(Uuid::nil(), MarksRow::default());
        gives_up(&mut marking, 1);
        let (letters, acknowledges) = hand_over(&mut marking, 2);
        assert_eq!(letters, [1]);
        gives_up(&mut marking, 2);
        acknowledges(Ok(vec![0]));
        marking.hear();
        assert_eq!(hand_over(&mut marking, 3).0, [2]);
    }

    #[test]
    fn what_the_log_did_not_take_is_handed_over_again() {
        let mut marking = Marking::new(Uuid::nil(), MarksRow::default());
        gives_up(&mut marking, 1);
        let (_, acknowledges) = hand_over(&mut marking, 2);
        gives_up(&mut marking, 2);
        acknowledges(Err(Error::unavailable(At::Log, "away")));
        marking.hear();
        marking.hand_over(Mark::default(), 1, |_, _| Err(Error::unavailable(At::Log, "full")));
        gives_up(&mut marking, 3);
        assert_eq!(hand_over(&mut marking, 2).0, [1, 2, 3]);
    }

    #[test]
    fn a_mark_is_written_for_what_is_resent_and_not_for_what_the_view_knows_by_now() {
        for (before, after, is_said) in [
            (mark(1, &[]), mark(1, &[]), true),
            (mark(1, &[]), mark(2, &[]), false),
            (mark(1, &[4]), mark(1, &[4, 6]), false),
            (mark(1, &[4, 6]), mark(1, &[6]), true),
        ] {
            assert_eq!(after.is_said_by(&before), is_said, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_large_mark_is_written_less_often() {
        let seconds = |has_done, behind| pause(has_done, behind).as_secs();
        assert_eq!([0, 49, 50, 500, 5_000_000].map(|behind| seconds(true, behind)), [1, 1, 2, 11, 30]);
        assert_eq!(seconds(false, 0), 30);
    }
}
