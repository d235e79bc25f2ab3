//! `GET /livez`: the process lives.

use axum::http::StatusCode;
use axum::response::Response;

use crate::http::answer;

pub(crate) async fn get() -> Response {
    answer::json(StatusCode::OK, br#"{"status":"alive"}"#.to_vec())
}
