//! What wraps every call: each error becomes a problem with a body, a panic too, long addresses are refused, and every answer
//! has the id of its request, its span and the headers that browsers go by, and is counted.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use orderledger_domain::ids::CorrelationId;
use tracing::Instrument;
use uuid::Uuid;

use super::correlation;
use super::problem::Problem;
use super::trace;
use crate::metrics;

/// The longest address, in bytes.
const ADDRESS_BYTES_MAX: usize = 8192;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that a caller may give its request.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// What browsers are told of every answer, unless it says something else itself: it is what it says it is, nothing is loaded
/// or run because of it, it is shown in no other page's frame, and its address is told to nobody.
const FOR_BROWSERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
];
/// The pages of documentation run and show what comes with them, and ask this server.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                           form-action 'none'; frame-ancestors 'none'";

/// Answers under the request's id, with what browsers are told.
pub(crate) async fn wrap(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let is_docs = request.uri().path().starts_with("/docs");
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let (seen, begun) = (metrics::seen(request.method(), route), Instant::now());
    let belongs_to = correlation::of(request.headers(), &id);
    let call = trace::Call::of(request.headers());
    let span = call.span(&request, &id, route);
    let told = span.clone();
    let counted = move |response: &Response| {
        seen.count(response.status(), begun.elapsed());
        trace::Call::answered(&told, response.status(), begun.elapsed());
    };
    let mut response = call.scope(answer(request, next, belongs_to, counted).instrument(span)).await;
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    if let Some(own) = call.response_header() {
        headers.insert(trace::TRACERESPONSE, own);
    }
    if is_docs {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(DOCS_POLICY));
    }
    for (name, value) in FOR_BROWSERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The caller's own id, if it is one; else one that no other request has.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    static PROCESS: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut given = headers.get_all(REQUEST_ID).iter();
    let sane = |id: &&HeaderValue| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    if let (Some(id), None) = (given.next().filter(sane), given.next()) {
        return id.clone();
    }
    let made = format!("{}-{}", PROCESS.simple(), NEXT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(made).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

/// Calls the next and makes problems of all errors, the router's own included; counted whether or not the caller is still there.
async fn answer(
    request: Request,
    next: Next,
    belongs_to: Option<CorrelationId>,
    counted: impl FnOnce(&Response) + Send + 'static,
) -> Response {
    let address = request.uri().path().to_owned();
    let length = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    let response = if length > ADDRESS_BYTES_MAX {
        let refused = Problem::of_status(StatusCode::URI_TOO_LONG).into_response();
        counted(&refused);
        refused
    } else {
        call(request, next, belongs_to, counted).await
    };
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || is_problem(&response) {
        return response;
    }
    write_problem(response, &address)
}

/// The call runs as a task of its own: its panic ends only that task, and a caller who hangs up doesn't end it halfway.
async fn call(
    request: Request,
    next: Next,
    belongs_to: Option<CorrelationId>,
    counted: impl FnOnce(&Response) + Send + 'static,
) -> Response {
    let call = async move {
        let response = correlation::within(belongs_to, next.run(request)).await;
        counted(&response);
        response
    };
    match trace::spawn(call).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "a call ended in a panic");
            Problem::internal().into_response()
        }
    }
}

fn is_problem(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json")
}

fn write_problem(mut response: Response, address: &str) -> Response {
    let problem = response.extensions_mut().remove::<Problem>();
    let problem = problem.unwrap_or_else(|| Problem::of_status(response.status()));
    let instance: String = address.chars().take(512).collect();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(problem.body(&instance));
    response
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_request_keeps_its_callers_id_if_that_is_one() {
        let id = |given: &[&[u8]]| {
            let values = given.iter().map(|id| (REQUEST_ID, HeaderValue::from_bytes(id).unwrap()));
            request_id(&values.collect())
        };
        let long = [b'x'; 128];
        for own in [&b"a-1"[..], b"{\"}", &long] {
            assert_eq!(id(&[own]), HeaderValue::from_bytes(own).unwrap());
        }
        let longer = [b'x'; 129];
        for no_id in [&[&b""[..]][..], &[b"a b"], &[b"\xff"], &[b"a", b"b"], &[&longer], &[]] {
            let (first, second) = (id(no_id), id(no_id));
            assert!(first != second && first.len() > 32, "{no_id:?} {first:?}");
        }
    }
}
