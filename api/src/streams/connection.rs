//! One reader: its queue as the body of an answer, and why it ends.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::Frame;
use orderledger_domain::position::TopicPartition;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Interval, interval};

use super::channel::Channel;
use super::hub::Reader;
use super::look::Look;
use super::message::Message;
use super::place::{Place, id_of};
use super::resume::{self, Resumed};
use crate::http::problem::Problem;
use crate::ledger::{Ledger, blocking};

/// How often something is said where nothing happens.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// How often it is asked whether the reader may still have this: what was revoked holds no longer.
const ASK_AGAIN_EVERY: Duration = Duration::from_secs(5);
/// A piece of the body ends once it has so many bytes.
const PIECE_BYTES: usize = 32 << 10;
/// After how many milliseconds a reader comes back.
const RETRY_MS: u32 = 1000;

/// Why a stream ends before its reader wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The reader takes messages more slowly than they come.
    Slow,
    /// The credential was revoked or has expired.
    Credential,
    /// A view can't be read.
    Failed,
}

/// What channels begin with, each message with its channel's number.
type Snapshots = VecDeque<(usize, Message)>;

/// Says whether the reader of a stream may still have what it is told.
pub(crate) type Holds = Box<dyn Fn() -> bool + Send>;

/// Set once, when a stream has to end.
#[derive(Debug, Default)]
pub(super) struct Ending(OnceLock<Why>);

impl Ending {
    pub(super) fn set(&self, why: Why) {
        // The first reason is the one.
        let _ = self.0.set(why);
    }

    pub(super) fn why(&self) -> Option<Why> {
        self.0.get().copied()
    }
}

/// The stream of these channels, behind the places of each where they resume.
pub(crate) async fn open(
    ledger: &Arc<Ledger>,
    channels: Vec<Channel>,
    resumed: Option<Vec<Place>>,
    holds: Holds,
) -> Result<Response, Problem> {
    let streams = &ledger.streams;
    let seat = Arc::clone(&streams.seats).try_acquire_owned().map_err(|_| too_many(streams.limits.readers))?;
    if *streams.closed.borrow() {
        return Err(Problem::unavailable("stopping", "the server is going down; try again soon"));
    }
    let resumed = match resumed {
        Some(places) => resume::starts(ledger, &channels, places).await?,
        None => Vec::new(),
    };
    streams.follow(ledger);
    let (queue, messages) = channel(streams.limits.buffer);
    let ending = Arc::new(Ending::default());
    let reader = move |slot| Reader { queue: queue.clone(), slot, ending: Arc::clone(&ending) };
    let (joining, all, late) = (Arc::clone(ledger), channels.clone(), resumed.clone());
    let (places, snapshots, reader) = blocking(move || {
        let (places, snapshots) = join(&joining, &all, &late, &reader)?;
        Ok::<_, orderledger_store::Error>((places, snapshots, reader))
    })
    .await?;
    let body = Stream {
        head: true,
        ending: reader(0).ending,
        homes: channels.iter().map(|channel| channel.home(ledger)).collect(),
        places,
        snapshots,
        messages,
        holds,
        ask_again: interval(ASK_AGAIN_EVERY),
        keep_alive: interval(KEEP_ALIVE_EVERY),
        has_ended: false,
        _seat: seat,
    };
    for (slot, (channel, resumed)) in channels.into_iter().zip(resumed).enumerate() {
        if let Some(Resumed { from, .. }) = resumed {
            tokio::spawn(resume::catch_up(Arc::clone(ledger), channel, from, reader(slot)));
        }
    }
    Ok(answer(body))
}

/// Joins the channels that don't resume; the places from which each goes on, and the snapshots that come first.
fn join(
    ledger: &Arc<Ledger>,
    channels: &[Channel],
    resumed: &[Option<Resumed>],
    reader: &impl Fn(usize) -> Reader,
) -> Result<(Vec<Place>, Snapshots), orderledger_store::Error> {
    let (mut places, mut snapshots) = (Vec::with_capacity(channels.len()), VecDeque::new());
    for (slot, channel) in channels.iter().enumerate() {
        if let Some(resumed) = resumed.get(slot).and_then(Option::as_ref) {
            places.push(resumed.place);
            continue;
        }
        // Not older than what the hub knows.
        let join = |hub: &mut super::hub::Hub| hub.join(&Look::new(ledger), reader(slot));
        let (place, snapshot) = ledger.streams.with_hub(ledger, channel, join)?;
        places.push(place);
        snapshots.extend(snapshot.into_iter().map(|message| (slot, message)));
    }
    Ok((places, snapshots))
}

fn answer(body: Stream) -> Response {
    let mut response = Response::new(axum::body::Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn too_many(readers: usize) -> Problem {
    Problem::unavailable("too-many-streams", format!("{readers} streams are open, as many as may be; try again later"))
}

/// The body of one stream.
struct Stream {
    /// Whether nothing was said so far.
    head: bool,
    ending: Arc<Ending>,
    homes: Vec<Option<TopicPartition>>,
    /// The newest message of each channel.
    places: Vec<Place>,
    /// What comes before the messages; as long as it is, it waits for nobody.
    snapshots: Snapshots,
    messages: Receiver<(usize, Message)>,
    /// Whether the reader may still have this.
    holds: Holds,
    ask_again: Interval,
    keep_alive: Interval,
    has_ended: bool,
    _seat: OwnedSemaphorePermit,
}

impl Stream {
    /// The id alone: a reader that is cut off before the first message knows where it was.
    fn write_head(&mut self, piece: &mut BytesMut) {
        self.head = false;
        piece.put_slice(format!("retry: {RETRY_MS}\n").as_bytes());
        self.write_id(piece);
    }

    fn write(&mut self, piece: &mut BytesMut, slot: usize, message: &Message) {
        if let (Some(place), Some(own)) = (message.place, self.places.get_mut(slot)) {
            *own = Some(place);
        }
        piece.put_slice(&message.lines);
        self.write_id(piece);
    }

    fn write_id(&self, piece: &mut BytesMut) {
        let id = id_of(&self.homes, &self.places);
        if !id.is_empty() {
            piece.put_slice(b"id: ");
            piece.put_slice(id.as_bytes());
            piece.put_slice(b"\n");
        }
        piece.put_slice(b"\n");
    }

    /// The last words; then nothing more.
    fn end(&mut self, why: Option<Why>) -> Bytes {
        self.has_ended = true;
        let problem = match why {
            Some(Why::Slow) => {
                let detail = "messages came faster than they were read; come back with Last-Event-ID";
                Problem::new(StatusCode::REQUEST_TIMEOUT, "slow-consumer", detail)
            }
            Some(Why::Credential) => Problem::credential_invalid(),
            Some(Why::Failed) => Problem::internal(),
            None => return Bytes::from(format!(": the server is going down\nretry: {RETRY_MS}\n\n")),
        };
        let text = problem.body("/v1/stream");
        Bytes::from([b"event: error\ndata: ", text.as_slice(), b"\n\n"].concat())
    }
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let piece = |bytes: Bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        if this.has_ended {
            return Poll::Ready(None);
        }
        while this.ask_again.poll_tick(cx).is_ready() {
            if !(this.holds)() {
                this.ending.set(Why::Credential);
            }
        }
        if let Some(why) = this.ending.why() {
            return piece(this.end(Some(why)));
        }
        let mut bytes = BytesMut::new();
        if this.head {
            this.write_head(&mut bytes);
        }
        while bytes.len() < PIECE_BYTES
            && let Some((slot, message)) = this.snapshots.pop_front()
        {
            this.write(&mut bytes, slot, &message);
        }
        while bytes.len() < PIECE_BYTES {
            match this.messages.poll_recv(cx) {
                Poll::Ready(Some((slot, message))) => this.write(&mut bytes, slot, &message),
                Poll::Ready(None) if bytes.is_empty() => {
                    let why = this.ending.why();
                    return piece(this.end(why));
                }
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        if !bytes.is_empty() {
            this.keep_alive.reset();
            return piece(bytes.freeze());
        }
        if this.keep_alive.poll_tick(cx).is_ready() {
            return piece(Bytes::from_static(b": keep-alive\n\n"));
        }
        Poll::Pending
    }
}
