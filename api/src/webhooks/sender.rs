//! One webhook's thread: reads what it is to be told, has it told by a few threads of its own, and marks how far it got.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use orderledger_domain::ids::UserId;
use orderledger_projections::notifications::deliveries::{Deliveries, Due};
use orderledger_projections::notifications::rows::{EarlierRow, WebhookRow};
use orderledger_projections::notifications::{queries, said};
use orderledger_store::{Error, may_lag};
use uuid::Uuid;

use super::Standing;
use super::call::{self, Call};
use super::marks::{Mark, Marking};
use super::scan::Looks;
use super::secrets::{Secret, earlier_in_force};
use crate::ledger::{self, Ledger, Moment};

/// Calls that one webhook has on their way at once.
const CALLS_MAX: usize = 4;
/// How long it waits for an answer before it looks again.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// After the log or the view gave no answer, and between two looks whether the key is the right one by now.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells the webhook until it is deleted or the program ends.
pub(super) fn run(ledger: &Arc<Ledger>, id: Uuid) {
    may_lag();
    let mut is_said = false;
    while !ledger.conditions.stop.is_set() {
        match Telling::begin(ledger, id) {
            Ok(Begun::Telling(telling)) => {
                is_said = false;
                if telling.go() == Turn::IsDeleted {
                    break;
                }
            }
            Ok(Begun::KeyUnknown) => {
                if !std::mem::replace(&mut is_said, true) {
                    tracing::warn!(
                        webhook = %id,
                        "its secret was made from another key than this server has (--webhooks-key-file, or webhooks.key in \
                         the data directory): it is told nothing until POST /v1/webhooks/{id}/rotate, or until that key is back"
                    );
                }
                ledger.conditions.stop.sleep(PAUSE);
            }
            Ok(Begun::IsDeleted) => break,
            Err(error) => {
                tracing::debug!(%error, webhook = %id, "it can't be told yet");
                ledger.conditions.stop.sleep(PAUSE);
            }
        }
    }
    ledger.webhooks.standings().remove(&id);
}

enum Begun<'a> {
    Telling(Box<Telling<'a>>),
    KeyUnknown,
    IsDeleted,
}

/// What a turn leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Next,
    /// From then on somebody else tells it, so how far it is must be read anew before this one may go on.
    KeyUnknown,
    IsDeleted,
    /// The program ends.
    Ends,
}

type Outcome = (UserId, Result<(), String>);

struct Telling<'a> {
    ledger: &'a Arc<Ledger>,
    id: Uuid,
    row: WebhookRow,
    earlier: EarlierRow,
    deliveries: Deliveries,
    marking: Marking,
    begun: Instant,
    calls: Sender<Call>,
    outcomes: Receiver<Outcome>,
    on_their_way: usize,
    standing: Standing,
}

impl<'a> Telling<'a> {
    /// Goes on where the view's marks say.
    fn begin(ledger: &'a Arc<Ledger>, id: Uuid) -> Result<Begun<'a>, Error> {
        let reader = ledger.notifications.reader()?;
        let Some(row) = queries::webhook(&reader, id)?.filter(|row| !row.is_deleted) else {
            return Ok(Begun::IsDeleted);
        };
        let mut standing = ledger.webhooks.standing(id);
        // Without the key that its secrets are made from, nothing that it gets would be signed as it knows it.
        if !ledger.webhooks.knows_key_of(&row) {
            let error = Some("its secret was made from another key; rotate it".to_owned());
            standing = Standing { waiting: 0, error, key_is_unknown: true, ..standing };
            ledger.webhooks.standings().insert(id, standing);
            return Ok(Begun::KeyUnknown);
        }
        if std::mem::take(&mut standing.key_is_unknown) {
            standing.error = None;
        }
        let marks = queries::marks(&reader, id)?;
        let settings = &ledger.webhooks.settings;
        let (calls, waiting) = channel::<Call>();
        let (answer, outcomes) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..CALLS_MAX {
            let (waiting, answer, agent) = (Arc::clone(&waiting), answer.clone(), call::agent(settings));
            let (thread, allow_private) =
                (std::thread::Builder::new().name("webhook-call".to_owned()), settings.allow_private);
            // Not waited for at the end of the program: what is on its way then is not marked, and sent again.
            let spawned = thread.spawn(move || make_calls(&waiting, &answer, &agent, allow_private));
            spawned.map_err(|error| {
                Error::unavailable(orderledger_store::At::Log, "the system gives no thread for it").with_source(error)
            })?;
        }
        let deliveries = Deliveries::new(&marks, settings.schedule);
        Ok(Begun::Telling(Box::new(Telling {
            ledger,
            id,
            row,
            earlier: EarlierRow::default(),
            deliveries,
            marking: Marking::new(id, marks),
            begun: Instant::now(),
            calls,
            outcomes,
            on_their_way: 0,
            standing,
        })))
    }

    /// Tells it until that ends, and why it ends.
    fn go(mut self: Box<Self>) -> Turn {
        let ended = loop {
            if self.ledger.conditions.stop.is_set() {
                break Turn::Ends;
            }
            match self.turn() {
                Ok(Turn::Next) => {}
                Ok(ended) => break ended,
                Err(error) => {
                    tracing::debug!(%error, webhook = %self.id, "it is told later");
                    self.ledger.conditions.stop.sleep(PAUSE);
                }
            }
        };
        if ended != Turn::IsDeleted {
            self.marking.end(self.ledger, Mark::of(&self.deliveries));
        }
        ended
    }

    fn turn(&mut self) -> Result<Turn, Error> {
        let moment = self.ledger.notifications.moment()?;
        match queries::webhook(&moment.reader, self.id)? {
            Some(row) if row.is_deleted => return Ok(Turn::IsDeleted),
            Some(row) => {
                self.row = row;
                self.earlier = queries::earlier_secrets(&moment.reader, self.id)?;
            }
            None => {
                return Err(Error::unavailable(orderledger_store::At::Log, "the view doesn't know the webhook yet"));
            }
        }
        if !self.ledger.webhooks.knows_key_of(&self.row) {
            return Ok(Turn::KeyUnknown);
        }
        let began = Instant::now();
        let has_more = self.read(&moment)?;
        self.send()?;
        self.tell_standing();
        self.marking.write(self.ledger, || Mark::of(&self.deliveries));
        self.hear(if has_more { Duration::ZERO } else { LOOK_EVERY });
        if has_more {
            // Half of the time is left to those who are waited for.
            self.ledger.conditions.stop.sleep(began.elapsed().min(LOOK_EVERY));
        }
        Ok(Turn::Next)
    }

    /// Reads a little of every source; whether there is more.
    fn read(&mut self, moment: &Moment) -> Result<bool, Error> {
        let place = said::place_of(&said::webhook_key(self.id), self.ledger.partitions);
        let heard = moment.partitions.get(&place).map(|at| at.next_offset);
        if self.deliveries.is_news(heard) {
            self.deliveries.begin_again(heard, &queries::resends(&moment.reader, self.id)?);
        }
        let (looks, mut has_more) = (Looks::new(self.ledger, &self.row, moment), false);
        for reading in self.deliveries.readings() {
            if !self.deliveries.has_room(reading.source) {
                continue;
            }
            let is_wanted = |user: &UserId, at| self.deliveries.wants(reading.source, user, at);
            if let Some(looked) = looks.look(&reading, is_wanted)? {
                self.deliveries.take(reading.source, looked.told, looked.end);
                has_more = true;
            }
        }
        Ok(has_more)
    }

    fn send(&mut self) -> Result<(), Error> {
        while self.on_their_way < CALLS_MAX {
            let Some(Due { user, at }) = self.deliveries.due(self.begun.elapsed()) else { break };
            let value = match self.ledger.event_at(at) {
                Ok((_, value)) => value,
                Err(error) => {
                    self.deliveries.put_back(&user);
                    return Err(error);
                }
            };
            let message = value.and_then(|value| call::message(self.id, at, &value));
            let Some((id, body)) = message else {
                // It was an event when it was looked at.
                tracing::error!(webhook = %self.id, position = %at, "the log has no event there any more");
                self.deliveries.done(&user);
                continue;
            };
            let call = Call { user: user.clone(), url: self.row.url.clone(), id, body, secrets: self.secrets() };
            if self.calls.send(call).is_err() {
                self.deliveries.put_back(&user);
                return Err(Error::closed(orderledger_store::At::Log, "nobody makes calls any more"));
            }
            self.on_their_way = self.on_their_way.saturating_add(1);
        }
        Ok(())
    }

    /// The newest first; for a while after a change those before it, too.
    fn secrets(&self) -> Vec<Secret> {
        let before = earlier_in_force(&self.row, &self.earlier, ledger::now()).map(|(version, _)| version);
        let versions = std::iter::once(self.row.secret_version).chain(before);
        versions.map(|version| self.ledger.webhooks.key.secret(self.id, version)).collect()
    }

    fn hear(&mut self, patience: Duration) {
        let mut patience = patience;
        loop {
            let (user, outcome) = match self.outcomes.recv_timeout(patience) {
                Ok(heard) => heard,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            };
            patience = Duration::ZERO;
            self.on_their_way = self.on_their_way.saturating_sub(1);
            let calls = &self.ledger.webhooks.calls;
            let count = if outcome.is_ok() { &calls.taken } else { &calls.failed };
            count.fetch_add(1, Ordering::Relaxed);
            match outcome {
                Ok(()) => {
                    self.deliveries.sent(&user);
                    self.marking.done();
                    self.standing.sent = self.standing.sent.saturating_add(1);
                    self.standing.error = None;
                }
                Err(why) => {
                    tracing::debug!(webhook = %self.id, %user, why, "a delivery failed");
                    if let Some(given_up) = self.deliveries.failed(&user, self.begun.elapsed()) {
                        tracing::warn!(webhook = %self.id, position = %given_up.at, why, "a delivery was given up");
                        self.marking.give_up(given_up, &why);
                    }
                    self.standing.error = Some(why);
                }
            }
        }
    }

    fn tell_standing(&mut self) {
        self.standing.waiting = self.deliveries.waiting();
        self.ledger.webhooks.standings().insert(self.id, self.standing.clone());
    }
}

/// Makes calls until nobody wants any.
fn make_calls(waiting: &Mutex<Receiver<Call>>, answer: &Sender<Outcome>, agent: &ureq::Agent, allow_private: bool) {
    may_lag();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(call) = next else { return };
        let outcome = call::make(agent, &call, allow_private);
        if answer.send((call.user, outcome)).is_err() {
            return;
        }
    }
}
