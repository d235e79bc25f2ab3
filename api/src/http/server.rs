//! Connections: accepted up to a number, encrypted if that is configured, each with a deadline for its headers, ended
//! without cutting off a call.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::connections::{Connection, Connections};
use super::front::Front;
use super::guard::Peer;
use super::paced::Paced;
use super::tls::Tls;

/// How many connections there are at once; for a further one the longest idle is ended.
const CONNECTIONS_MAX: u64 = 16_384;
/// So many files stay for log and views.
const FILES_FOR_OTHERS: u64 = 1024;
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// The library's own limit, behind those of `connections`.
const HEADERS_WITHIN: Duration = Duration::from_secs(90);
/// All headers of a call together.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// How long calls may take to end once the server is told to stop; the workers need some of the 10 s too.
const DRAIN_WITHIN: Duration = Duration::from_secs(6);
/// A year: who came once encrypted comes so again.
const ENCRYPTED_ONLY: &str = "max-age=31536000";

/// Serves until `stop` ends; then accepts no more, finishes the calls that run, and returns.
pub async fn serve(listener: TcpListener, front: Front, tls: Option<Tls>, stop: impl Future<Output = ()>) {
    let connections = Connections::new(usize::try_from(connections_max()).unwrap_or(usize::MAX));
    let graceful = GracefulShutdown::new();
    let watching = tokio::spawn(end_slow(Arc::clone(&connections)));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection can't be accepted; perhaps too many files are open");
                connections.make_room();
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // All others are in calls: this one can't be served, and is told so by being closed.
        let Some(place) = connections.place() else { continue };
        let (front, tls, watcher) = (front.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let connection = Arc::clone(&place.connection);
            tokio::select! {
                () = converse(stream, peer, front, tls, watcher, Arc::clone(&connection)) => {}
                () = connection.must_go() => tracing::debug!(%peer, "a connection is ended: it was too slow, or idled too long"),
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_WITHIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some calls did not end in time and are cut off");
    }
    watching.abort();
}

/// How many files a server may open here, once it has raised its limit, and how many it would like to.
pub(crate) fn open_files() -> (u64, u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = CONNECTIONS_MAX + FILES_FOR_OTHERS;
    let raised = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    (current.unwrap_or(wanted).max(raised), wanted)
}

/// The number of connections that the system's limit of open files leaves room for; the limit is raised as far as it may be.
fn connections_max() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = CONNECTIONS_MAX + FILES_FOR_OTHERS;
    let raised = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    let mut files = current.unwrap_or(wanted);
    if files < raised && setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok() {
        files = raised;
    }
    files.saturating_sub(FILES_FOR_OTHERS).max(files / 2).min(CONNECTIONS_MAX)
}

/// Once a second, as long as the server accepts.
async fn end_slow(connections: Arc<Connections>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        connections.end_slow();
    }
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    front: Front,
    tls: Option<Tls>,
    watcher: Watcher,
    connection: Arc<Connection>,
) {
    // Answers are small: waiting to fill a packet only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection without TCP_NODELAY");
    }
    let stream = Paced::new(stream, Arc::clone(&connection));
    let Some(tls) = tls else { return answer_calls(stream, peer, front, false, watcher, connection).await };
    match tokio::time::timeout(HANDSHAKE_WITHIN, tls.0.accept(stream)).await {
        Ok(Ok(stream)) => {
            connection.is_encrypted();
            answer_calls(stream, peer, front, true, watcher, connection).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

async fn answer_calls(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    front: Front,
    encrypted: bool,
    watcher: Watcher,
    connection: Arc<Connection>,
) {
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        let (router, call) = (front.router(), connection.begins_call());
        request.extensions_mut().insert(Peer(peer.ip().to_canonical()));
        async move {
            let mut response = answer(router, request).await.map(|body| call.until_end_of(body));
            if encrypted {
                let only = HeaderValue::from_static(ENCRYPTED_ONLY);
                response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, only);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_header_size(HEADER_BYTES_MAX);
    // A caller who hangs up or talks something else than HTTP is no fault of ours.
    if let Err(error) = watcher.watch(builder.serve_connection(TokioIo::new(stream), service)).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(router: Router, request: hyper::Request<Incoming>) -> Response {
    match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
