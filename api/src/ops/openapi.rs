//! `GET /openapi.json`: OpenAPI 3.1, made from the very table of routes that answers.

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::response::Response;

use crate::document::operations::document;
use crate::http::answer;
use crate::http::problem::Problem;

/// It never changes while the program runs.
static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| answer::to_json(&document()).unwrap_or_default());

pub(crate) async fn get() -> Result<Response, Problem> {
    Ok(answer::json(StatusCode::OK, DOCUMENT.clone()))
}
