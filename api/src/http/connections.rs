//! Which connections there are, and which of them must go: those that are too slow, and the longest idle one where there is
//! no room for another. Nobody who waits keeps others out.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;

/// How long a connection may idle.
const IDLE_FOR: Duration = Duration::from_secs(75);
/// How long the headers of a call may take from their first byte on, a TLS handshake before them included.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may wait for its caller to read on.
const READS_ON_WITHIN: Duration = Duration::from_secs(60);

const IDLE: u8 = 0;
const HEADERS: u8 = 1;
const CALL: u8 = 2;

/// One connection, and since when it is what it is.
pub(super) struct Connection {
    started: Instant,
    phase: AtomicU8,
    /// Milliseconds since `started`.
    since: AtomicU64,
    /// The same of an answer that waits for its caller to read on; 0: none waits.
    waits_since: AtomicU64,
    cut: Notify,
}

impl Connection {
    fn new() -> Connection {
        Connection {
            started: Instant::now(),
            phase: AtomicU8::new(IDLE),
            since: AtomicU64::new(0),
            waits_since: AtomicU64::new(0),
            cut: Notify::new(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn turn(&self, phase: u8) {
        self.since.store(self.now(), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    /// Bytes came: of an idle connection the first of a call.
    pub(super) fn has_bytes(&self) {
        if self.phase.load(Ordering::Relaxed) == IDLE {
            self.turn(HEADERS);
        }
    }

    /// A call's headers are there. Once its answer's body has ended, the connection is idle again.
    pub(super) fn begins_call(self: &Arc<Connection>) -> InCall {
        self.turn(CALL);
        InCall(Arc::clone(self))
    }

    /// The handshake is done: what comes next is a call's headers, in its own time.
    pub(super) fn is_encrypted(&self) {
        self.turn(IDLE);
    }

    pub(super) fn writing_waits(&self) {
        let now = self.now().max(1);
        // Only the beginning counts.
        let _ = self.waits_since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(super) fn writing_goes_on(&self) {
        // The end of an answer was on its way until now.
        if self.waits_since.swap(0, Ordering::Relaxed) > 0 && self.phase.load(Ordering::Relaxed) == IDLE {
            self.turn(IDLE);
        }
    }

    fn is_writing(&self) -> bool {
        self.waits_since.load(Ordering::Relaxed) > 0
    }

    /// Ends when the connection must go.
    pub(super) async fn must_go(&self) {
        self.cut.notified().await;
    }

    fn is_too_slow(&self, now: u64) -> bool {
        let longer = |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) > limit.as_millis();
        let (phase, since) = (self.phase.load(Ordering::Relaxed), self.since.load(Ordering::Relaxed));
        let waits_since = self.waits_since.load(Ordering::Relaxed);
        match phase {
            // The call is over and its answer isn't yet out.
            _ if waits_since > 0 => longer(waits_since, READS_ON_WITHIN),
            IDLE => longer(since, IDLE_FOR),
            HEADERS => longer(since, HEADERS_WITHIN),
            _ => false,
        }
    }
}

/// A call that runs.
pub(super) struct InCall(Arc<Connection>);

impl InCall {
    /// The body, which ends the call when it ends.
    pub(super) fn until_end_of(self, body: Body) -> Body {
        Body::new(Answering { body, _call: self })
    }
}

impl Drop for InCall {
    fn drop(&mut self) {
        self.0.turn(IDLE);
    }
}

/// A body during which a call runs.
struct Answering {
    body: Body,
    _call: InCall,
}

impl hyper::body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// All connections.
pub(super) struct Connections {
    all: Mutex<All>,
    most: usize,
}

#[derive(Default)]
struct All {
    next: u64,
    by_number: HashMap<u64, Arc<Connection>>,
}

/// A connection among all, until it is dropped.
pub(super) struct Place {
    connections: Arc<Connections>,
    number: u64,
    pub(super) connection: Arc<Connection>,
}

impl Connections {
    /// At most so many at once.
    pub(super) fn new(most: usize) -> Arc<Connections> {
        Arc::new(Connections { all: Mutex::default(), most })
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more. Where there is none, the longest idle connection goes; if all of them are in calls: none.
    pub(super) fn place(self: &Arc<Connections>) -> Option<Place> {
        let mut all = self.all();
        if all.by_number.len() >= self.most {
            let number = longest_waiting(&all)?;
            if let Some(gone) = all.by_number.remove(&number) {
                gone.cut.notify_one();
            }
        }
        let number = all.next;
        all.next = number.wrapping_add(1);
        let connection = Arc::new(Connection::new());
        all.by_number.insert(number, Arc::clone(&connection));
        Some(Place { connections: Arc::clone(self), number, connection })
    }

    /// The longest idle connection goes, where files have run out.
    pub(super) fn make_room(&self) {
        let mut all = self.all();
        if let Some(gone) = longest_waiting(&all).and_then(|number| all.by_number.remove(&number)) {
            gone.cut.notify_one();
        }
    }

    /// Ends those that are too slow.
    pub(super) fn end_slow(&self) {
        for connection in self.all().by_number.values() {
            if connection.is_too_slow(connection.now()) {
                connection.cut.notify_one();
            }
        }
    }
}

/// The connection that has idled longest; where none idles, the one whose headers take longest.
fn longest_waiting(all: &All) -> Option<u64> {
    let waiting = |(number, connection): (&u64, &Arc<Connection>)| {
        let phase = connection.phase.load(Ordering::Relaxed);
        let waited = connection.now().saturating_sub(connection.since.load(Ordering::Relaxed));
        (phase != CALL && !connection.is_writing()).then_some((phase, std::cmp::Reverse(waited), *number))
    };
    all.by_number.iter().filter_map(waiting).min().map(|(.., number)| number)
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.all().by_number.remove(&self.number);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use hyper::body::Body as _;

    use super::*;

    fn number_of(connections: &Connections) -> usize {
        connections.all().by_number.len()
    }

    #[test]
    fn the_longest_idle_connection_makes_room_and_one_in_a_call_never() {
        let connections = Connections::new(2);
        let (first, second) = (connections.place().unwrap(), connections.place().unwrap());
        let call = first.connection.begins_call();
        let third = connections.place().unwrap();
        assert!(!connections.all().by_number.contains_key(&second.number));
        let calls = (call, third.connection.begins_call());
        assert!(connections.place().is_none());
        drop(calls);
        assert!(connections.place().is_some());
    }

    #[test]
    fn a_place_is_given_back() {
        let connections = Connections::new(1);
        drop(connections.place().unwrap());
        assert_eq!(number_of(&connections), 0);
    }

    #[test]
    fn slow_is_who_idles_sends_headers_or_reads_too_long() {
        let after = |limit: Duration| u64::try_from(limit.as_millis()).unwrap() + 1_000;
        let connection = Arc::new(Connection::new());
        assert!(connection.is_too_slow(after(IDLE_FOR)) && !connection.is_too_slow(after(HEADERS_WITHIN)));
        connection.has_bytes();
        assert!(connection.is_too_slow(after(HEADERS_WITHIN)));
        // Further bytes of the same headers give no more time.
        let since = connection.since.load(Ordering::Relaxed);
        connection.has_bytes();
        assert_eq!(connection.since.load(Ordering::Relaxed), since);
        let call = connection.begins_call();
        assert!(!connection.is_too_slow(after(IDLE_FOR)));
        connection.writing_waits();
        assert!(connection.is_too_slow(after(READS_ON_WITHIN)));
        connection.writing_goes_on();
        assert!(!connection.is_too_slow(after(READS_ON_WITHIN)));
        drop(call);
        assert!(connection.is_too_slow(after(IDLE_FOR)));
    }

    #[tokio::test]
    async fn a_call_ends_with_the_body_of_its_answer() {
        let connection = Arc::new(Connection::new());
        let body = connection.begins_call().until_end_of(Body::from("x"));
        assert_eq!((connection.phase.load(Ordering::Relaxed), body.size_hint().exact()), (CALL, Some(1)));
        drop(body);
        assert_eq!(connection.phase.load(Ordering::Relaxed), IDLE);
    }
}
