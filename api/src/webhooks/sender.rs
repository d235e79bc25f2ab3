//! One webhook's thread: reads what it is to be told, has it told by a few threads of its own, and marks how far it got.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use orderledger_domain::ids::UserId;
use orderledger_domain::position::Position;
use orderledger_projections::notifications::deliveries::{Deliveries, Due};
use orderledger_projections::notifications::queries;
use orderledger_projections::notifications::rows::WebhookRow;
use orderledger_store::Error;
use uuid::Uuid;

use super::Standing;
use super::call::{self, Call};
use super::marks::Marking;
use super::scan::look;
use super::secrets::Secret;
use crate::ledger::{self, Ledger, Moment};

/// Calls that one webhook has on their way at once.
const CALLS_MAX: usize = 4;
/// How long it waits for an answer before it looks again.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// After the log or the view gave no answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells the webhook until it is deleted or the program ends.
pub(super) fn run(ledger: &Arc<Ledger>, id: Uuid) {
    let begun = loop {
        if ledger.conditions.stop.is_set() {
            return;
        }
        match Telling::begin(ledger, id) {
            Ok(begun) => break begun,
            Err(error) => tracing::debug!(%error, webhook = %id, "it can't be told yet"),
        }
        ledger.conditions.stop.sleep(PAUSE);
    };
    let Some(mut telling) = begun else { return };
    while !ledger.conditions.stop.is_set() {
        match telling.turn() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::debug!(%error, webhook = %id, "it is told later");
                ledger.conditions.stop.sleep(PAUSE);
            }
        }
    }
    let marks = telling.deliveries.marks();
    telling.marking.end(ledger, marks);
}

type Outcome = (UserId, Result<(), String>);

struct Telling<'a> {
    ledger: &'a Arc<Ledger>,
    id: Uuid,
    row: WebhookRow,
    deliveries: Deliveries,
    marking: Marking,
    begun: Instant,
    calls: Sender<Call>,
    outcomes: Receiver<Outcome>,
    on_their_way: usize,
    standing: Standing,
}

impl<'a> Telling<'a> {
    /// None if it is deleted by now.
    fn begin(ledger: &'a Arc<Ledger>, id: Uuid) -> Result<Option<Telling<'a>>, Error> {
        let reader = ledger.notifications.reader()?;
        let Some(row) = queries::webhook(&reader, id)?.filter(|row| !row.is_deleted) else { return Ok(None) };
        let marks = queries::marks(&reader, id)?;
        let settings = &ledger.webhooks.settings;
        let (calls, waiting) = channel::<Call>();
        let (answer, outcomes) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..CALLS_MAX {
            let (waiting, answer, agent) = (Arc::clone(&waiting), answer.clone(), call::agent(settings));
            let thread = std::thread::Builder::new().name("webhook-call".to_owned());
            // Not waited for at the end of the program: what is on its way then is not marked, and sent again.
            let spawned = thread.spawn(move || make_calls(&waiting, &answer, &agent));
            spawned.map_err(|error| {
                Error::unavailable(orderledger_store::At::Log, "the system gives no thread for it").with_source(error)
            })?;
        }
        let deliveries = Deliveries::new(&marks, settings.schedule);
        let marking = Marking::new(id, marks);
        Ok(Some(Telling {
            ledger,
            id,
            row,
            deliveries,
            marking,
            begun: Instant::now(),
            calls,
            outcomes,
            on_their_way: 0,
            standing: Standing::default(),
        }))
    }

    /// One turn; false once the webhook is deleted.
    fn turn(&mut self) -> Result<bool, Error> {
        let moment = self.ledger.notifications.moment()?;
        match queries::webhook(&moment.reader, self.id)? {
            Some(row) if row.is_deleted => return Ok(false),
            Some(row) => self.row = row,
            None => {
                return Err(Error::unavailable(orderledger_store::At::Log, "the view doesn't know the webhook yet"));
            }
        }
        // Without the key that its secrets are made from, nothing that it gets would be signed as it knows it.
        if self.row.key_fingerprint == self.ledger.webhooks.key.fingerprint() {
            let began = Instant::now();
            let has_more = self.read(&moment)?;
            self.send()?;
            self.tell_standing();
            self.marking.write(self.ledger, || self.deliveries.marks());
            self.hear(if has_more { Duration::ZERO } else { LOOK_EVERY });
            if has_more {
                // Half of the time is left to those who are waited for.
                self.ledger.conditions.stop.sleep(began.elapsed().min(LOOK_EVERY));
            }
        } else {
            self.standing.error = Some("its secret was made from another key; rotate it".to_owned());
            self.tell_standing();
            self.ledger.conditions.stop.sleep(PAUSE);
        }
        Ok(true)
    }

    /// Reads a little in every partition; whether there is more.
    fn read(&mut self, moment: &Moment) -> Result<bool, Error> {
        let mut has_more = false;
        let requests = queries::resends(&moment.reader, self.id)?;
        self.deliveries.begin_again(&requests);
        let again = self.deliveries.reads_again().map(|(from, to, user)| (from, to, user.cloned()));
        if let Some((from, to, user)) = again.filter(|_| self.deliveries.has_room())
            && let Some(looked) = look(self.ledger, moment, &self.row, from, to.offset, user.as_ref())?
        {
            self.deliveries.take_again(looked.told, looked.end);
            has_more = true;
        }
        let next: Vec<Position> = self.deliveries.next().collect();
        for from in next {
            if !self.deliveries.has_room() {
                return Ok(false);
            }
            if let Some(looked) = look(self.ledger, moment, &self.row, from, u64::MAX.saturating_sub(1), None)? {
                self.deliveries.take(from.partition, looked.told, looked.end);
                has_more = true;
            }
        }
        Ok(has_more)
    }

    fn send(&mut self) -> Result<(), Error> {
        while self.on_their_way < CALLS_MAX {
            let Some(Due { user, at }) = self.deliveries.due(self.begun.elapsed()) else { break };
            let record = match self.ledger.log.read(at.topic_partition(), at.offset, 1) {
                Ok(records) => records.into_iter().next().filter(|record| record.offset == at.offset),
                Err(error) => {
                    self.deliveries.put_back(&user);
                    return Err(error);
                }
            };
            let message = record.and_then(|record| call::message(self.id, at, record.value.as_deref()?));
            let Some((id, body)) = message else {
                // It was an event when it was looked at.
                tracing::error!(webhook = %self.id, position = %at, "the log has no event there any more");
                self.deliveries.sent(&user);
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

    /// The newest first; for a while after a change the one before it, too.
    fn secrets(&self) -> Vec<Secret> {
        let (key, version) = (&self.ledger.webhooks.key, self.row.secret_version);
        let newest = key.secret(self.id, version);
        let before = self.row.previous_until.filter(|until| *until > ledger::now()).and(version.checked_sub(1));
        std::iter::once(newest).chain(before.map(|before| key.secret(self.id, before))).collect()
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
fn make_calls(waiting: &Mutex<Receiver<Call>>, answer: &Sender<Outcome>, agent: &ureq::Agent) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(call) = next else { return };
        let outcome = call::make(agent, &call);
        if answer.send((call.user, outcome)).is_err() {
            return;
        }
    }
}
