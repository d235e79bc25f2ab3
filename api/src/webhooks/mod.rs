//! Telling webhooks: the one place from which the ledger calls somebody.
//!
//! In: what the notifications view says of inboxes, webhooks and marks. Out: signed calls, and how far they got, as records of
//! `notifications`. Invariant: what is sent again, after a crash or by another server, has the same `webhook-id`; what is
//! marked is never sent again unless somebody asks for it. Never: anything that a worker waits for. Threads, queues and time
//! are this module's own.
//!
//! - `secrets`: what signs, and how (the Standard Webhooks specification)
//! - `guard`: where calls may go
//! - `call`: one call
//! - `scan`: what of the log a webhook is told
//! - `sender`: one webhook's thread
//! - `marks`: how far it is, written to the log

mod call;
mod guard;
mod marks;
mod scan;
mod secrets;
mod sender;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_projections::notifications::deliveries::Schedule;
use orderledger_projections::notifications::queries;
use orderledger_projections::notifications::rows::WebhookRow;
use orderledger_projections::worker::progress::WorkerState;
use orderledger_store::{Error, be_polite};
use uuid::Uuid;

pub(crate) use guard::check_url;
pub(crate) use secrets::{Key, SECRETS_MAX, earlier_in_force, parse_key};

use crate::ledger::Ledger;

/// So many webhooks may be registered: each has threads of its own.
pub(crate) const WEBHOOKS_MAX: usize = 32;
/// How often it is looked whether there is another webhook.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the end of the program waits for the last marks.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// How webhooks are told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What their secrets are made from; absent: a key that is kept in the data directory.
    pub key: Option<[u8; 32]>,
    /// Whether they may be at private addresses, and without TLS.
    pub allow_private: bool,
    /// How long one call may take in all.
    pub timeout: Duration,
    /// When a call that failed is made again.
    pub schedule: Schedule,
    /// Whether they are told at all: by a server, not by other commands.
    pub tells: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        let (timeout, schedule) = (Duration::from_secs(15), Schedule::default());
        Settings { key: None, allow_private: false, timeout, schedule, tells: false }
    }
}

/// What calls and senders share.
pub(crate) struct Webhooks {
    pub(crate) settings: Settings,
    pub(crate) key: Key,
    /// One change after another: each is checked against what the one before it left.
    pub(crate) changes: tokio::sync::Mutex<()>,
    standings: Mutex<BTreeMap<Uuid, Standing>>,
    pub(crate) calls: Calls,
}

/// Calls made since this program began, by what became of them.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// The receiver took it.
    pub(crate) taken: AtomicU64,
    /// It did not, and is called again or given up.
    pub(crate) failed: AtomicU64,
}

/// How a webhook is doing, since this program began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// Deliveries that wait or are on their way.
    pub(crate) waiting: usize,
    pub(crate) sent: u64,
    /// Why the newest attempt failed, until one succeeds.
    pub(crate) error: Option<String>,
    /// Its secret was made from another key than this server's.
    pub(crate) key_is_unknown: bool,
}

/// The states that a webhook may be in.
pub(crate) const STATES: [&str; 3] = ["active", "retrying", "key-unknown"];

impl Standing {
    /// `active`; `retrying` while the newest attempt failed; `key-unknown` if its secret was made from another key.
    pub(crate) fn state(&self, key_is_known: bool) -> &'static str {
        let [active, retrying, key_unknown] = STATES;
        match () {
            () if !key_is_known => key_unknown,
            () if self.error.is_some() => retrying,
            () => active,
        }
    }
}

impl Webhooks {
    /// With the key of the settings, or the one that is kept there.
    pub(crate) fn open(settings: Settings, kept: &Path) -> Result<Webhooks, Error> {
        let key = match &settings.key {
            Some(bytes) => Key::new(bytes),
            None => Key::kept(kept)?,
        };
        Ok(Webhooks {
            settings,
            key,
            changes: tokio::sync::Mutex::default(),
            standings: Mutex::default(),
            calls: Calls::default(),
        })
    }

    pub(crate) fn standing(&self, id: Uuid) -> Standing {
        self.standings().get(&id).cloned().unwrap_or_default()
    }

    /// Whether the webhook's secret was made from the key that is here.
    pub(crate) fn knows_key_of(&self, row: &WebhookRow) -> bool {
        row.key_fingerprint == self.key.fingerprint()
    }

    fn standings(&self) -> MutexGuard<'_, BTreeMap<Uuid, Standing>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells webhooks as long as the program runs.
pub(crate) fn start(ledger: &Arc<Ledger>) -> Result<(), Error> {
    if !ledger.webhooks.settings.tells {
        return Ok(());
    }
    let of = Arc::clone(ledger);
    ledger.rebuilds.spawn("webhooks", move || {
        // Its own threads are as nice: all that is live goes first.
        be_polite();
        let mut told: BTreeMap<Uuid, std::thread::JoinHandle<()>> = BTreeMap::new();
        let mut registered = Registered::default();
        while !of.conditions.stop.is_set() {
            told.retain(|_, thread| !thread.is_finished());
            for id in registered.look(&of) {
                if told.contains_key(id) {
                    continue;
                }
                let (ledger, id) = (Arc::clone(&of), *id);
                let thread = std::thread::Builder::new().name("webhook".to_owned());
                match thread.spawn(move || sender::run(&ledger, id)) {
                    Ok(thread) => drop(told.insert(id, thread)),
                    Err(error) => tracing::warn!(%error, webhook = %id, "the system gives no thread for it"),
                }
            }
            of.conditions.stop.sleep(LOOK_EVERY);
        }
        // One that waits for a log that is away is left to itself: nothing that it does is lost.
        let deadline = Instant::now() + ENDS_WITHIN;
        while told.values().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    })
}

/// The webhooks, as they were when the view last heard anything of notifications.
#[derive(Default)]
struct Registered {
    /// Up to where the view had heard.
    heard: Vec<u64>,
    active: Vec<Uuid>,
}

impl Registered {
    /// The webhooks, once the view knows all that was said of them before this program began. Rows are read only after something was
    /// said.
    fn look(&mut self, ledger: &Ledger) -> &[Uuid] {
        let view = &ledger.notifications;
        if view.live.load().progress.standing().state != WorkerState::Live {
            return &[];
        }
        let Ok(moment) = view.moment() else { return &[] };
        let next = |of| moment.partitions.get(&of).map_or(0, |at| at.next_offset);
        let heard: Vec<u64> = ledger.all_of(Topic::Notifications).map(next).collect();
        if heard != self.heard
            && let Ok(all) = queries::webhooks(&moment.reader)
        {
            let active = all.into_iter().filter(|(_, row)| !row.is_deleted);
            *self = Registered { heard, active: active.map(|(id, _)| id).collect() };
        }
        &self.active
    }
}
