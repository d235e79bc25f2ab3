//! The clients: threads that ask, insist under their keys until they have an answer, and keep a record of every answer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::flow::{self, Wish};
use crate::auditor::journal::{Answered, Asked};
use crate::client::Client;
use crate::dice::Dice;

/// How long an answer that is no outcome is thought about before the request is made again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long all clients together may take to have their answers once a server runs.
const PATIENCE: Duration = Duration::from_secs(90);
/// How many of the orders placed last may be changed.
const PLACED_MAX: usize = 40;

/// An order that was placed.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) account: &'static str,
    pub(super) order: String,
    pub(super) quantity: u64,
}

/// What clients may do now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hours {
    /// Ask.
    #[default]
    Open,
    /// Bring to an end what they asked.
    Closing,
    /// Go home.
    Ended,
}

#[derive(Default)]
struct State {
    hours: Hours,
    /// The servers that can be asked.
    servers: Vec<Client>,
    /// How often that changed.
    changes: u64,
    /// Clients in the middle of a request.
    busy: u64,
    time: u64,
    journal: Vec<Asked>,
    wishes: Vec<Wish>,
    placed: Vec<Placed>,
    /// What no server may say.
    trouble: Option<String>,
}

/// What the clients of one log share.
#[derive(Default)]
pub(super) struct Clients {
    state: Mutex<State>,
    changed: Condvar,
}

impl Clients {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.lock());
        self.changed.notify_all();
        done
    }

    /// Which servers can be asked from now on.
    pub(super) fn ask_at(&self, servers: Vec<Client>) {
        self.change(|state| {
            state.servers = servers;
            state.changes += 1;
        });
    }

    /// Lets the clients ask.
    pub(super) fn open(&self) {
        self.change(|state| state.hours = Hours::Open);
    }

    /// The clients go home; what they ask now stays without an answer.
    pub(super) fn end(&self) {
        self.change(|state| state.hours = Hours::Ended);
    }

    /// Waits until every client has the answer to what it asked, and asks nothing more.
    ///
    /// # Errors
    /// One doesn't get any.
    pub(super) fn close(&self) -> Result<(), String> {
        self.change(|state| state.hours = Hours::Closing);
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        while state.busy > 0 && state.trouble.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let mut open = state.journal.iter().filter(|asked| !asked.answers.iter().any(Answered::is_final));
                return Err(format!("no answer for {}", open.next_back().map(ToString::to_string).unwrap_or_default()));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.trouble.clone().map_or(Ok(()), Err)
    }

    /// What no server may say, if one said it.
    pub(super) fn trouble(&self) -> Result<(), String> {
        self.lock().trouble.clone().map_or(Ok(()), Err)
    }

    /// Everything that was asked so far, with every answer.
    pub(super) fn journal(&self) -> Vec<Asked> {
        self.lock().journal.clone()
    }

    /// Lets the clients go on for so long, or until a server says what it may not.
    pub(super) fn wait_for_time(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while state.trouble.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Funds all users: each wish once, whoever runs.
    pub(super) fn fund(&self) {
        for wish in flow::funding() {
            let place = self.change(|state| {
                state.busy += 1;
                state.note(wish)
            });
            self.insist(place, None);
            self.change(|state| state.busy -= 1);
        }
    }

    /// One client, until all go home.
    pub(super) fn work(&self, mut dice: Dice) {
        while let Some(place) = self.begin(&mut dice) {
            let wait = dice.percent(30).then_some("wait=5");
            self.insist(place, wait);
            self.change(|state| state.busy -= 1);
        }
    }

    /// Thinks of a request: its place in the journal. Sometimes it is one that has its answer already.
    fn begin(&self, dice: &mut Dice) -> Option<usize> {
        let mut state = self.lock();
        loop {
            match state.hours {
                Hours::Ended => return None,
                Hours::Open if !state.servers.is_empty() => break,
                _ => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
        state.busy += 1;
        if dice.percent(12) {
            let recent = state.journal.len().saturating_sub(60);
            let recent: Vec<usize> = (if dice.percent(70) { recent } else { 0 }..state.journal.len()).collect();
            if let Some(place) = dice.choose(&recent) {
                return Some(*place);
            }
        }
        let wish = flow::wish(dice, &state.placed);
        Some(state.note(wish))
    }

    /// Asks until there is an outcome, whatever becomes of the servers.
    fn insist(&self, place: usize, wait: Option<&str>) {
        let mut turn = place;
        loop {
            let (client, changes, wish, key) = {
                let mut state = self.lock();
                loop {
                    if state.hours == Hours::Ended || state.trouble.is_some() {
                        return;
                    }
                    if !state.servers.is_empty() {
                        break;
                    }
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                turn += 1;
                let chosen = state.servers.get(turn % state.servers.len()).cloned();
                let (Some(client), Some(wish)) = (chosen, state.wishes.get(place).cloned()) else { return };
                (client, state.changes, wish, key(place))
            };
            let mut request = client.request(wish.method, wish.path.clone()).key(&key);
            if let Some(wait) = wait {
                request = request.header("prefer", wait);
            }
            if !wish.body.is_null() {
                request = request.json(&wish.body);
            }
            match request.try_send() {
                Ok(answer) => {
                    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
                    let replayed = answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true");
                    if self.told(place, answer.status, replayed, body) {
                        return;
                    }
                    self.pause(changes);
                }
                // Killed, or stopped for longer than a client waits.
                Err(_) => self.pause(changes),
            }
        }
    }

    /// Waits a moment, less if the servers change.
    fn pause(&self, changes: u64) {
        let state = self.lock();
        let same = |state: &mut State| state.changes == changes && state.hours != Hours::Ended;
        drop(self.changed.wait_timeout_while(state, PAUSE, same));
    }

    /// Writes an answer down; whether it is an outcome.
    fn told(&self, place: usize, status: u16, replayed: bool, body: Value) -> bool {
        self.change(|state| {
            state.time += 1;
            let answered = Answered { at: state.time, status, replayed, body };
            let is_final = answered.is_final();
            let State { journal, wishes, placed, trouble, .. } = state;
            let (Some(asked), Some(wish)) = (journal.get_mut(place), wishes.get(place)) else { return true };
            if wish.event_type == "AdjustmentRequested" && is_unknown(&answered) {
                return true;
            }
            if !is_final && status != 503 {
                trouble.get_or_insert(format!("{answered} to {asked}"));
                return true;
            }
            let first = is_final && !asked.answers.iter().any(Answered::is_final);
            asked.answers.push(answered);
            if first && wish.event_type == "OrderCreated" {
                let quantity = wish.body.get("quantity").and_then(Value::as_u64).unwrap_or(1);
                placed.push(Placed { account: wish.account, order: asked.order_id(), quantity });
                if placed.len() > PLACED_MAX {
                    placed.remove(0);
                }
            }
            is_final
        })
    }
}

impl State {
    fn note(&mut self, wish: Wish) -> usize {
        self.time += 1;
        let place = self.journal.len();
        self.journal.push(Asked {
            account: wish.account.to_owned(),
            key: key(place),
            event_type: wish.event_type,
            body: wish.body.clone(),
            about: wish.about.clone(),
            began: self.time,
            answers: Vec::new(),
        });
        self.wishes.push(wish);
        place
    }
}

/// Older rules are in force, which don't know such a request; perhaps the server hadn't seen it, and intake refused it.
fn is_unknown(answered: &Answered) -> bool {
    let detail = answered.body.get("detail").and_then(Value::as_str).unwrap_or_default();
    answered.status == 409 || (answered.status == 422 && detail.contains("unknown_type"))
}

fn key(place: usize) -> String {
    format!("key-{place}")
}
