//! Coming back: where a reader goes on, and what it missed, read from the views at its own pace.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use orderledger_domain::position::Position;
use orderledger_store::Error;

use super::channel::Channel;
use super::connection::Why;
use super::hub::{Joined, Past, Reader, STRETCH, past};
use super::look::Look;
use super::place::Place;
use crate::http::problem::{FieldError, Problem};
use crate::ledger::{Ledger, blocking};

/// How long a view may take to reach again what it had told: right after a restart it is behind.
const REACHED_WITHIN: Duration = Duration::from_secs(10);
/// Between two attempts on a view that is being made anew.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a reader's queue is left to itself while it is half full.
const ROOM_PAUSE: Duration = Duration::from_millis(5);

/// Where a channel goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resumed {
    /// Behind this.
    pub(super) place: Place,
    /// The index of the first message that was missed.
    pub(super) from: u64,
}

/// Where each of the channels goes on behind these places; none of those that begin with a snapshot. 410 if too much was
/// missed, 422 of a place that the log doesn't have.
pub(super) async fn starts(
    ledger: &Arc<Ledger>,
    channels: &[Channel],
    places: Vec<Place>,
) -> Result<Vec<Option<Resumed>>, Problem> {
    let mut starts = Vec::new();
    for (channel, place) in channels.iter().zip(places) {
        if !channel.resumes() {
            starts.push(None);
            continue;
        }
        if let Some(place) = place {
            reach(ledger, channel, place).await?;
        }
        let (looking, channel) = (Arc::clone(ledger), channel.clone());
        let max = ledger.streams.limits.resume;
        let (from, missed) = blocking(move || start(&looking, &channel, place, max)).await?;
        if missed > max {
            return Err(too_old(max));
        }
        starts.push(Some(Resumed { place, from }));
    }
    Ok(starts)
}

fn start(ledger: &Ledger, channel: &Channel, place: Place, max: usize) -> Result<(u64, usize), Error> {
    let look = Look::new(ledger);
    let Some(mut past) = past(channel, ledger) else { return Ok((0, 0)) };
    let from = match place {
        Some(place) => past.behind(&look, place)?,
        None => 0,
    };
    Ok((from, past.count(&look, from, max.saturating_add(1))?))
}

fn too_old(max: usize) -> Problem {
    let detail = format!(
        "more than {max} messages of a channel came since this Last-Event-ID; read what was missed with GET \
         /v1/markets/{{symbol}}/trades or /v1/accounts/{{userId}}/transactions and open the stream without Last-Event-ID"
    );
    Problem::new(StatusCode::GONE, "resume-too-old", detail)
}

/// 422 of an id that is none of this stream.
pub(crate) fn no_id() -> Problem {
    let detail = "is no id that this stream gave for these channels; leave it out to begin anew";
    Problem::invalid(vec![FieldError::parameter("Last-Event-ID", detail)])
}

/// Waits until the views have a place that was told before.
async fn reach(ledger: &Arc<Ledger>, channel: &Channel, place: Position) -> Result<(), Problem> {
    let of = place.topic_partition();
    if place.offset >= ledger.end_of(of).await? {
        return Err(no_id());
    }
    let views = match channel {
        Channel::Orders(_) => vec![&ledger.settlement, &ledger.audit],
        Channel::Notifications(_) => vec![&ledger.notifications],
        _ => vec![&ledger.market],
    };
    let end = place.offset.saturating_add(1);
    for view in views {
        if !view.wait(REACHED_WITHIN, |standing| standing.has_applied_below(of, end)).await {
            let detail = "the view has not reached this Last-Event-ID again; try again soon";
            return Err(Problem::new(StatusCode::CONFLICT, "position-not-reached", detail).retry_after(1));
        }
    }
    Ok(())
}

/// Sends what was missed as fast as the reader takes it, then joins the others. It never holds more than a stretch.
pub(super) async fn catch_up(ledger: Arc<Ledger>, channel: Channel, from: u64, reader: Reader) {
    let mut closed = ledger.streams.closed.subscribe();
    let Some(past) = past(&channel, &ledger) else { return };
    let sent = async {
        if let Err(error) = send_missed(&ledger, &channel, from, &reader, past).await {
            tracing::warn!(%error, %channel, "a stream can't be resumed");
            reader.ending.set(Why::Failed);
        }
    };
    tokio::select! {
        () = sent => {}
        () = reader.queue.closed() => {}
        _ = closed.wait_for(|closed| *closed) => {}
    }
}

async fn send_missed(
    ledger: &Arc<Ledger>,
    channel: &Channel,
    mut from: u64,
    reader: &Reader,
    mut past: Box<dyn Past>,
) -> Result<(), Error> {
    loop {
        let (joining, asked, joined) = (Arc::clone(ledger), channel.clone(), reader.clone());
        let join = move || {
            let join = |hub: &mut super::hub::Hub| hub.join_at(&Look::new(&joining), from, &joined);
            joining.streams.with_hub(&joining, &asked, join)
        };
        let to = match patiently(blocking(join).await).await? {
            Some(Joined::Told) => return Ok(()),
            Some(Joined::Behind(to)) => to,
            None => continue,
        };
        if from >= to {
            tokio::time::sleep(PAUSE).await;
        }
        while from < to {
            let looking = Arc::clone(ledger);
            let read = blocking(move || {
                let stretch = past.read(&Look::new(&looking), from, to, STRETCH);
                (past, stretch)
            });
            let stretch;
            (past, stretch) = read.await;
            let Some(stretch) = patiently(stretch).await? else { continue };
            for message in stretch.messages {
                leave_room(reader).await;
                // The reader is gone: nobody misses it.
                let Ok(()) = reader.queue.send((reader.slot, message)).await else { return Ok(()) };
            }
            from = stretch.next;
        }
    }
}

/// Waits while half of the queue is full: the other half is for what comes live on other channels.
async fn leave_room(reader: &Reader) {
    while reader.queue.capacity() < reader.queue.max_capacity() / 2 && !reader.queue.is_closed() {
        tokio::time::sleep(ROOM_PAUSE).await;
    }
}

/// None, after a pause, while the view is being made anew.
async fn patiently<T>(done: Result<T, Error>) -> Result<Option<T>, Error> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Error::Unavailable { .. }) => {
            tokio::time::sleep(PAUSE).await;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
