//! Any request to the real router over a real ledger: an answer that the contract knows, and never a hang.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::Response;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::access::Access;
use crate::http::routes;
use crate::ledger::{Opened, Settings};

/// The longest wait that a caller may ask for, and somewhat more.
const PATIENCE: Duration = Duration::from_secs(15);
const BODY_BYTES_MAX: usize = 64 << 20;

/// The edge of one ledger, on a directory that goes with the process.
struct Edge {
    runtime: Runtime,
    router: Router,
    _opened: Opened,
    _data: TempDir,
}

static EDGE: LazyLock<Edge> = LazyLock::new(|| Edge::open().unwrap_or_else(|error| panic!("no ledger: {error}")));

impl Edge {
    fn open() -> Result<Edge, Box<dyn std::error::Error>> {
        let data = tempfile::tempdir()?;
        let settings = Settings { partitions: Some(2), ..Settings::new(data.path()) };
        let opened = Opened::open(&settings)?;
        let router = routes::router(Arc::clone(&opened.ledger), Arc::new(Access::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Edge { runtime, router, _opened: opened, _data: data })
    }
}

/// Sends what the bytes say: `METHOD TARGET`, a line for each header, an empty line, the body. What no HTTP client could send
/// is left out.
pub fn http(bytes: &[u8]) {
    let Some(request) = read(bytes) else { return };
    let said = format!("{} {}", request.method(), request.uri());
    let edge = &*EDGE;
    edge.runtime.block_on(async {
        let answer = timeout(PATIENCE, edge.router.clone().oneshot(request)).await;
        let Ok(Ok(response)) = answer else { panic!("no answer to {said}") };
        if let Err(wrong) = check(response).await {
            panic!("{said}: {wrong}");
        }
    });
}

fn read(bytes: &[u8]) -> Option<Request<Body>> {
    let (head, body) = match bytes.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (bytes.get(..end)?, bytes.get(end.checked_add(2)?..)?),
        None => (bytes, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut request = Request::new(Body::from(body.to_vec()));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = target.parse::<Uri>().ok()?;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
        let value = HeaderValue::from_bytes(line.get(colon.checked_add(1)?..)?.trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    // Waiting is right, and finds nothing.
    let waits = |text: &str| text.to_ascii_lowercase().contains("wait");
    let preferred = request.headers().get("prefer").is_some_and(|value| !value.is_empty());
    (!preferred && !request.uri().query().is_some_and(waits)).then_some(request)
}

async fn check(response: Response) -> Result<(), String> {
    let (parts, body) = response.into_parts();
    let kind = media_type(&parts.headers);
    if kind == "text/event-stream" {
        return Ok(());
    }
    let body = timeout(PATIENCE, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let body = body.map_err(|_| "its body does not end")?.map_err(|error| format!("its body broke off: {error}"))?;
    let body = body.to_bytes();
    let status = parts.status;
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
    }
    let is_problem = status.is_client_error() || status.is_server_error();
    if is_problem && kind != "application/problem+json" {
        return Err(format!("{status} is said as {kind:?}"));
    }
    if body.is_empty() || !(is_problem || kind == "application/json") {
        return Ok(());
    }
    let said: Value = serde_json::from_slice(&body).map_err(|error| format!("{status} is not JSON: {error}"))?;
    if is_problem && said.get("status") != Some(&Value::from(status.as_u16())) {
        return Err(format!("{status} says {said}"));
    }
    Ok(())
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_request_of_the_corpus_has_an_answer_that_the_contract_knows() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/http");
        let files = std::fs::read_dir(corpus).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 30, "{} requests in {corpus}", files.len());
        // In both directions: a request of the middle meets what others have made, and nothing.
        for file in files.iter().chain(files.iter().rev()) {
            http(&std::fs::read(file).unwrap());
        }
    }

    #[test]
    fn what_no_client_could_send_is_left_out() {
        for bytes in [&b""[..], b"GET", b"GET /a b", b"GET /a\nname", b"GET /a\nna me: v", b"\xff /"] {
            assert!(read(bytes).is_none(), "{bytes:?}");
        }
        let request = read(b"POST /v1/fees?a=b\nidempotency-key: k\n\n{}").unwrap();
        assert_eq!((request.method(), request.headers().len()), (&Method::POST, 1));
    }
}
