//! What wraps every call: each error becomes a problem with a body, a panic too, and long addresses are refused.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// The longest address, in bytes.
const ADDRESS_BYTES_MAX: usize = 8192;

/// Calls the next and makes problems of all errors, the router's own included.
pub(crate) async fn wrap(request: Request, next: Next) -> Response {
    let address = request.uri().path().to_owned();
    let length = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    let response = if length > ADDRESS_BYTES_MAX {
        Problem::of_status(StatusCode::URI_TOO_LONG).into_response()
    } else {
        call(request, next).await
    };
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || is_problem(&response) {
        return response;
    }
    write_problem(response, &address)
}

/// The call runs as a task of its own: its panic ends only that task, and a caller who hangs up doesn't end it halfway.
async fn call(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request)).await {
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
