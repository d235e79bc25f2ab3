//! Connections: accepted up to a number, each with a deadline for its headers, ended without cutting off a call.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::front::Front;

/// How many connections are served at once; others wait in the listener's queue.
const CONNECTIONS_MAX: usize = 4096;
/// How long the headers of a call may take, and how long a connection may idle.
const HEADERS_WITHIN: Duration = Duration::from_secs(75);
/// All headers of a call together.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// How long calls may take to end once the server is told to stop; the workers need some of the 10 s too.
const DRAIN_WITHIN: Duration = Duration::from_secs(6);

/// Serves until `stop` ends; then accepts no more, finishes the calls that run, and returns.
pub async fn serve(listener: TcpListener, front: Front, stop: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        let Some((stream, permit)) = accepted else { continue };
        let front = front.clone();
        let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let router = front.router();
            async move { Ok::<_, Infallible>(answer(router, request).await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_header_size(HEADER_BYTES_MAX);
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A caller who hangs up or talks something else than HTTP is no fault of ours.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_WITHIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some calls did not end in time and are cut off");
    }
}

async fn answer(router: Router, request: hyper::Request<hyper::body::Incoming>) -> axum::response::Response {
    match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small: waiting to fill a packet only delays them.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection without TCP_NODELAY");
            }
            Some((stream, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection can't be accepted; perhaps too many files are open");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
