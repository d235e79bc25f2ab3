//! One keep-alive connection to the server.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::cli::Failure;

/// An open connection.
pub(super) struct Connection {
    host: String,
    sender: SendRequest<Full<Bytes>>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The header `Ledger-Position`.
    pub(super) position: Option<String>,
    pub(super) body: Bytes,
}

impl Connection {
    /// Connects; within a runtime.
    pub(super) async fn open(address: SocketAddr) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Failure::failed)?;
        tokio::spawn(async move {
            // How it ended is what the next call says.
            let _ = connection.await;
        });
        Ok(Connection { host: address.to_string(), sender })
    }

    /// Whether the server has not closed it; it does that with one that rests for too long.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Reads.
    pub(super) async fn get(&mut self, path: &str) -> Result<Answer, Failure> {
        let request = Request::builder().method(Method::GET).uri(path).header(header::HOST, &self.host);
        self.call(request.body(Full::default()).map_err(Failure::failed)?).await
    }

    /// Writes; `waits`: until it is decided.
    pub(super) async fn post(&mut self, path: &str, key: &str, waits: bool, body: String) -> Result<Answer, Failure> {
        self.write(Method::POST, path, key, waits, body).await
    }

    /// The same by any method.
    pub(super) async fn write(
        &mut self,
        method: Method,
        path: &str,
        key: &str,
        waits: bool,
        body: String,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", key);
        if waits {
            request = request.header("prefer", "wait=5");
        }
        self.call(request.body(Full::from(body)).map_err(Failure::failed)?).await
    }

    /// Reads an answer without end, piece by piece.
    pub(super) async fn stream(&mut self, path: &str) -> Result<Incoming, Failure> {
        let request = Request::builder().method(Method::GET).uri(path).header(header::HOST, &self.host);
        self.sender.ready().await.map_err(Failure::failed)?;
        let request = request.body(Full::default()).map_err(Failure::failed)?;
        let response = self.sender.send_request(request).await.map_err(Failure::failed)?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => Err(Failure::failed(format!("{path} is answered with {status}"))),
        }
    }

    async fn call(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        self.sender.ready().await.map_err(Failure::failed)?;
        let response = self.sender.send_request(request).await.map_err(Failure::failed)?;
        let position = response.headers().get("ledger-position").and_then(|value| value.to_str().ok());
        let (status, position) = (response.status(), position.map(str::to_owned));
        let body = response.into_body().collect().await.map_err(Failure::failed)?.to_bytes();
        Ok(Answer { status, position, body })
    }
}
