//! Streams: what follows the views and the books, and tells many readers at once.
//!
//! - `channel`: what can be listened to; `place`: the ids of messages
//! - `hub`: one for each channel that somebody listens to; its readers share every message
//! - `follow`: looks at all hubs whenever a view has moved
//! - `connection`: one reader's queue, as the body of an answer
//! - `trades`, `orders`, `notifications`: channels that resume; `book`, `balances`, `candles`, `lag`: channels that begin with a snapshot
//!
//! In: the progress of workers, rows of views, published books. Out: server-sent events.
//! Invariant: a message of trades, orders or notifications follows from the log and its channel alone, so a resumed reader gets the same ones.
//! Never: a worker that waits for a reader, or a reader that waits for another.

mod balances;
mod book;
mod candles;
mod channel;
mod connection;
mod follow;
mod hub;
mod lag;
mod look;
mod message;
mod notifications;
mod orders;
mod place;
mod resume;
mod trades;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, watch};

pub(crate) use channel::{Channel, accounts, read_channels};
pub(crate) use connection::open;
pub(crate) use place::read_places;
pub(crate) use resume::no_id;

use hub::Hub;

/// How much streams may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Readers at once.
    pub readers: usize,
    /// Messages that wait for one reader before it is dropped.
    pub buffer: usize,
    /// Messages of one channel that a reader may have missed and still resume.
    pub resume: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { readers: 3000, buffer: 1024, resume: 100_000 }
    }
}

/// All streams of a server.
pub struct Streams {
    limits: Limits,
    seats: Arc<Semaphore>,
    hubs: Mutex<BTreeMap<Channel, Arc<Mutex<Hub>>>>,
    /// Somebody came or went.
    changed: Notify,
    follows: AtomicBool,
    closed: watch::Sender<bool>,
}

impl Streams {
    /// No stream yet.
    pub(crate) fn new(limits: Limits) -> Streams {
        Streams {
            limits,
            seats: Arc::new(Semaphore::new(limits.readers)),
            hubs: Mutex::default(),
            changed: Notify::new(),
            follows: AtomicBool::new(false),
            closed: watch::Sender::new(false),
        }
    }

    /// Ends all streams, each with a last word, and opens no more.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.limits.readers.saturating_sub(self.seats.available_permits())
    }

    fn hubs(&self) -> MutexGuard<'_, BTreeMap<Channel, Arc<Mutex<Hub>>>> {
        self.hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
