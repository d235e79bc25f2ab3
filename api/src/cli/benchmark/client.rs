//! A keep-alive HTTP connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::cli::Failure;

/// One connection; one call at a time.
pub(super) struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A field that is text.
    pub(super) fn text(&self, name: &str) -> String {
        self.json().get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

impl Client {
    pub(super) async fn connect(to: SocketAddr) -> Result<Client, Failure> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Failure::failed)?;
        // It ends when the server closes it; the next call says so.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Client { sender, host: to.to_string() })
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Answer, Failure> {
        self.call(Method::GET, path, "", None, Bytes::new()).await
    }

    /// A POST under that key; `wait`: until decided.
    pub(super) async fn post(&mut self, path: &str, key: &str, wait: bool, body: String) -> Result<Answer, Failure> {
        self.call(Method::POST, path, key, wait.then_some("wait=10"), Bytes::from(body)).await
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        key: &str,
        prefer: Option<&str>,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        if !key.is_empty() {
            request = request.header("content-type", "application/json").header("idempotency-key", key);
        }
        if let Some(prefer) = prefer {
            request = request.header("prefer", prefer);
        }
        let request = request.body(Full::new(body)).map_err(Failure::failed)?;
        self.sender.ready().await.map_err(Failure::failed)?;
        let response = self.sender.send_request(request).await.map_err(Failure::failed)?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(Failure::failed)?.to_bytes();
        Ok(Answer { status, body })
    }
}
