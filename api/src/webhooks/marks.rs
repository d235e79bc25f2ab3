//! How far a webhook was told, written to the log: soon after a success, seldom where nothing but attempts failed.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use orderledger_projections::notifications::deliveries::GivenUp;
use orderledger_projections::notifications::rows::MarksRow;
use orderledger_projections::notifications::said::{Behind, DeliveryFailed, Said, WebhookMarked};
use uuid::Uuid;

use crate::ledger::{self, Ledger};

/// After a success.
const SOON: Duration = Duration::from_secs(1);
/// After a failure.
const SELDOM: Duration = Duration::from_secs(30);
/// How long the end of the program waits for the last one.
const LAST_WITHIN: Duration = Duration::from_secs(1);
/// Why an attempt failed, in the log, has at most so many characters.
const ERROR_CHARACTERS: usize = 300;

/// The marks of one webhook on their way to the log.
pub(super) struct Marking {
    webhook: Uuid,
    given_up: Vec<Said>,
    written_at: Option<Instant>,
    written: MarksRow,
    has_done: bool,
    on_its_way: bool,
    answers: (Sender<bool>, Receiver<bool>),
}

impl Marking {
    pub(super) fn new(webhook: Uuid, written: MarksRow) -> Marking {
        let (given_up, written_at, answers) = (Vec::new(), None, channel());
        Marking { webhook, given_up, written_at, written, has_done: false, on_its_way: false, answers }
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
    pub(super) fn write(&mut self, ledger: &Ledger, marks: impl FnOnce() -> MarksRow) {
        self.hear();
        let pause = if self.has_done { SOON } else { SELDOM };
        if self.on_its_way || self.written_at.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        self.append(ledger, marks());
    }

    /// Writes the last marks, and waits a little for them.
    pub(super) fn end(&mut self, ledger: &Ledger, marks: MarksRow) {
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
        self.append(ledger, marks);
        waits(self);
    }

    fn append(&mut self, ledger: &Ledger, marks: MarksRow) {
        if marks == self.written && self.given_up.is_empty() {
            return;
        }
        self.written_at = Some(Instant::now());
        let behind = marks.behind.iter().cloned();
        let marked = Said::WebhookMarked(WebhookMarked {
            webhook_id: self.webhook,
            next: marks.next.clone(),
            behind: behind.map(|(user_id, next, attempts)| Behind { user_id, next, attempts }).collect(),
            resent: marks.resent,
        });
        // In one partition, in this order: what was given up is known before it is passed over.
        let record = |said: &Said| said.record(Uuid::new_v4(), ledger::now(), "webhooks", None, ledger.partitions);
        let batch = self.given_up.iter().chain(std::iter::once(&marked)).map(record).collect();
        let answer = self.answers.0.clone();
        // Nobody listens any more if sending fails.
        let delivered =
            Box::new(move |taken: Result<Vec<u64>, orderledger_store::Error>| _ = answer.send(taken.is_ok()));
        match ledger.appender.append(batch, delivered) {
            Ok(()) => {
                self.on_its_way = true;
                self.has_done = false;
                self.written = marks;
            }
            Err(error) => tracing::warn!(%error, webhook = %self.webhook, "the log takes no mark; it is written again"),
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
            self.given_up.clear();
        } else {
            tracing::warn!(webhook = %self.webhook, "the log did not acknowledge a mark; it is written again");
            self.written = MarksRow::default();
            self.has_done = true;
        }
    }
}
