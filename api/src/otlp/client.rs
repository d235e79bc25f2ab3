//! The HTTP client of the exporter.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use ureq::Agent;

/// How long a collector may take for a batch.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Asks and waits: the thread that sends has nothing else to do.
#[derive(Debug)]
pub(super) struct Client(Agent);

impl Client {
    /// One that follows no redirection.
    pub(super) fn new() -> Client {
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        Client(config.timeout_global(Some(ANSWER_WITHIN)).build().into())
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, mut body) = self.0.run(request.map(|body| body.to_vec()))?.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(head, Bytes::from(body)))
    }
}
