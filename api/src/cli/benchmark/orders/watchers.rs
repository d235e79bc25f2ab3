//! Readers of streams beside the load: each listens to an account of its own, and some accounts a second have news.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use crate::cli::Failure;
use crate::cli::benchmark::client::Connection;

/// How long messages may still come after the last order.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many listen, and how many messages a second there are for all of them together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watching {
    pub(super) subscribers: u32,
    pub(super) messages: u32,
}

/// What was told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watched {
    /// Orders of watched accounts. They have no money: each order is judged, logged and told, and rests nowhere.
    pub(super) sent: u64,
    /// Messages that came.
    pub(super) heard: u64,
    /// Streams that ended before their time.
    pub(super) dropped: u64,
}

/// Opens the streams and keeps them as long as the work takes.
pub(super) async fn beside<T>(
    address: SocketAddr,
    watching: Watching,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<(T, Watched), Failure> {
    let (heard, dropped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut listening = JoinSet::new();
    for number in 0..watching.subscribers {
        let mut connection = Connection::open(address).await?;
        let stream = connection.stream(&format!("/v1/stream?channels=orders:w{number}")).await?;
        let (heard, dropped) = (Arc::clone(&heard), Arc::clone(&dropped));
        listening.spawn(async move {
            listen(stream, &heard).await;
            drop(connection);
            dropped.fetch_add(1, Ordering::Relaxed);
        });
    }
    let done = Arc::new(AtomicBool::new(false));
    let news = tokio::spawn(send_news(address, watching, Arc::clone(&done)));
    let worked = work.await;
    done.store(true, Ordering::Relaxed);
    let sent = news.await.map_err(Failure::failed)??;
    let deadline = Instant::now().checked_add(PATIENCE);
    while heard.load(Ordering::Relaxed) < sent && deadline.is_some_and(|deadline| Instant::now() < deadline) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let watched = Watched { sent, heard: heard.load(Ordering::Relaxed), dropped: dropped.load(Ordering::Relaxed) };
    Ok((worked?, watched))
}

/// Counts messages until the stream ends.
async fn listen(mut stream: Incoming, heard: &AtomicU64) {
    const EVENT: &[u8] = b"event: orders:";
    while let Some(Ok(frame)) = stream.frame().await {
        // The server ends a piece only between two messages.
        let Ok(piece) = frame.into_data() else { continue };
        let count = piece.windows(EVENT.len()).filter(|window| *window == EVENT).count();
        heard.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }
}

/// Orders of the watched accounts by turns; how many.
async fn send_news(address: SocketAddr, watching: Watching, done: Arc<AtomicBool>) -> Result<u64, Failure> {
    let mut connection = Connection::open(address).await?;
    let mut due = interval(Duration::from_secs(1).checked_div(watching.messages).unwrap_or(Duration::from_secs(1)));
    let mut sent = 0_u64;
    while !done.load(Ordering::Relaxed) {
        due.tick().await;
        let user = sent.checked_rem(u64::from(watching.subscribers)).unwrap_or(0);
        let body = r#"{"symbol":"AAPL","side":"buy","orderType":"limit","quantity":1,"price":"1"}"#;
        let path = format!("/v1/accounts/w{user}/orders");
        let answer = connection.post(&path, &format!("news-{sent}"), false, body.to_owned()).await?;
        if answer.status != StatusCode::ACCEPTED {
            return Err(Failure::failed(format!("an order of a watched account was answered with {}", answer.status)));
        }
        sent = sent.saturating_add(1);
    }
    Ok(sent)
}
