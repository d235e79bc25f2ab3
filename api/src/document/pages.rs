//! What people read: the page of all calls, which works without the internet, and one page per problem code.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use utoipa_swagger_ui::Config;

use crate::http::codes::{self, CODES, Code};
use crate::http::problem::Problem;

const STYLE: &str = "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
                     code{background:#eee;padding:0 .2em}</style>";

/// `GET /docs`: the calls, to read and to try.
pub(crate) async fn index() -> Response {
    page(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>orderledger</title>\
         <link rel=\"stylesheet\" href=\"/docs/assets/swagger-ui.css\"></head><body>\
         <p style=\"font-family:sans-serif;margin:1rem\"><a href=\"/openapi.json\">/openapi.json</a> · \
         <a href=\"/docs/errors\">what each problem means</a></p><div id=\"swagger-ui\"></div>\
         <script src=\"/docs/assets/swagger-ui-bundle.js\"></script>\
         <script src=\"/docs/assets/swagger-ui-standalone-preset.js\"></script>\
         <script src=\"/docs/assets/swagger-initializer.js\"></script></body></html>"
            .to_owned(),
    )
}

/// `GET /docs/assets/{file}`: what that page loads.
pub(crate) async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let config = Arc::new(Config::from("/openapi.json").use_base_layout());
    let file = utoipa_swagger_ui::serve(&name, config).map_err(|error| {
        tracing::error!(%error, "a file of the page can't be made");
        Problem::internal()
    })?;
    let file = file.ok_or_else(|| Problem::of_status(StatusCode::NOT_FOUND))?;
    // What the program holds anyway is not copied for each caller.
    let body = match file.bytes {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = Response::new(body);
    if let Ok(kind) = HeaderValue::from_str(&file.content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    Ok(response)
}

/// `GET /docs/errors`: all codes.
pub(crate) async fn errors() -> Response {
    let mut rows = String::new();
    for code in CODES {
        let _ =
            write!(rows, "<li><a href=\"/docs/errors/{0}\"><code>{0}</code></a>: {1}</li>", code.code, code.meaning);
    }
    page(html("Problems", &format!("<ul>{rows}</ul>")))
}

/// `GET /docs/errors/{code}`: where a problem's `type` points to.
pub(crate) async fn one_error(Path(name): Path<String>) -> Result<Response, Problem> {
    let code = codes::of(&name).ok_or_else(|| Problem::of_status(StatusCode::NOT_FOUND))?;
    Ok(page(error(code)))
}

/// The page about a code.
pub(crate) fn error(code: &Code) -> String {
    let body = format!(
        "<p>Status {}.</p><h2>What it means</h2><p>{}</p><h2>What to do</h2><p>{}</p>\
         <p><a href=\"/docs/errors\">All problems</a> · <a href=\"/docs\">All calls</a></p>",
        statuses(code),
        escaped(code.meaning),
        escaped(code.remedy)
    );
    html(code.code, &body)
}

/// In words.
pub(crate) fn statuses(code: &Code) -> String {
    code.statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn html(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>{STYLE}</head>\
         <body><h1>{title}</h1>{body}</body></html>"
    )
}

fn page(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
