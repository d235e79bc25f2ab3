//! Looking at all hubs whenever a view has moved: workers publish how far they are and know nothing of streams.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use orderledger_store::Error;

use super::Streams;
use super::channel::Channel;
use super::hub::Hub;
use super::look::Look;
use crate::ledger::{Ledger, blocking};

/// Between two looks: what moves often is told in one go.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// However long a look took.
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// The pause is so many times as long as the look: looking takes a sixth of a core at most.
const PAUSE_TIMES: u32 = 5;
/// Without any news: the lag is told as time goes by.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Streams {
    /// The channel's hub, made if nobody listened so far.
    fn hub(&self, ledger: &Ledger, channel: &Channel) -> Arc<Mutex<Hub>> {
        let mut hubs = self.hubs();
        let new = || Arc::new(Mutex::new(Hub::new(channel, ledger)));
        Arc::clone(hubs.entry(channel.clone()).or_insert_with(new))
    }

    /// Works on the channel's hub, and sees to it that somebody follows it.
    pub(super) fn with_hub<T>(&self, ledger: &Arc<Ledger>, channel: &Channel, work: impl Fn(&mut Hub) -> T) -> T {
        loop {
            let hub = self.hub(ledger, channel);
            let mut hub = lock(&hub);
            if !hub.is_gone {
                let done = work(&mut hub);
                self.changed.notify_one();
                return done;
            }
        }
    }

    /// From now on somebody looks at the hubs; within a runtime.
    pub(super) fn follow(&self, ledger: &Arc<Ledger>) {
        if !self.follows.swap(true, Ordering::AcqRel) {
            tokio::spawn(follow(Arc::clone(ledger)));
        }
    }
}

async fn follow(ledger: Arc<Ledger>) {
    let mut closed = ledger.streams.closed.subscribe();
    tokio::select! {
        _ = closed.wait_for(|closed| *closed) => {}
        () = look_for_ever(&ledger) => {}
    }
    // The readers hear it as their queues end.
    let hubs = std::mem::take(&mut *ledger.streams.hubs());
    hubs.values().for_each(|hub| lock(hub).close());
}

async fn look_for_ever(ledger: &Arc<Ledger>) {
    let mut views = ledger.views().map(|view| view.live.load().progress.subscribe());
    let mut books = ledger.board.positions();
    loop {
        // Nothing of analytics is streamed.
        let [settlement, market, audit, notifications, _] = &mut views;
        if ledger.streams.hubs().is_empty() {
            ledger.streams.changed.notified().await;
        } else {
            // A sender that is gone moves no more; then time goes by.
            tokio::select! {
                Ok(()) = settlement.changed() => {}
                Ok(()) = market.changed() => {}
                Ok(()) = audit.changed() => {}
                Ok(()) = notifications.changed() => {}
                Ok(()) = books.changed() => {}
                () = ledger.streams.changed.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        let mut more = true;
        while more {
            let begun = Instant::now();
            let looking = Arc::clone(ledger);
            more = blocking(move || look(&looking)).await;
            let pause = begun.elapsed().saturating_mul(PAUSE_TIMES).clamp(PAUSE_MIN, PAUSE_MAX);
            tokio::time::sleep(pause).await;
        }
    }
}

/// One look at every hub; whether one of them has more to tell.
fn look(ledger: &Arc<Ledger>) -> bool {
    let hubs: Vec<(Channel, Arc<Mutex<Hub>>)> =
        ledger.streams.hubs().iter().map(|(channel, hub)| (channel.clone(), Arc::clone(hub))).collect();
    let (look, mut more) = (Look::new(ledger), false);
    for (channel, hub) in &hubs {
        let mut hub = lock(hub);
        match hub.advance(&look) {
            Ok(has_more) => more |= has_more,
            // The view is being made anew, or the process is going down: what was missed is told then.
            Err(Error::Unavailable { .. } | Error::Closed { .. }) => {}
            Err(error) => {
                tracing::warn!(%error, %channel, "a stream can't go on");
                hub.fail();
            }
        }
    }
    ledger.streams.hubs().retain(|_, hub| {
        let mut hub = lock(hub);
        hub.is_gone = hub.is_empty();
        !hub.is_gone
    });
    more
}

fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}
