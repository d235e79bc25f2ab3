//! Problems: what is said when something is wrong (RFC 9457).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orderledger_domain::entity::Entity;
use orderledger_store::views::REBUILDING;
use orderledger_store::{At, Error};
use serde::Serialize;

use super::as_of::{AsOf, ParkedState};
use crate::lag::Lag;

/// A problem with a stable code, on its way to the caller. [`crate::http::edge`] writes its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// The end of `type`; stable.
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    pub(crate) errors: Vec<FieldError>,
    /// Seconds after which to try again.
    pub(crate) retry_after: Option<u32>,
    /// Of a parked account: what is missing may be among what waits.
    pub(crate) parked: Option<Box<ParkedState>>,
    /// Of an answer that would be too old.
    pub(crate) lag: Option<Box<Lag>>,
}

/// What is wrong with one field of the body, or one parameter of the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldError {
    /// A JSON pointer into the body (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pointer: Option<String>,
    /// The name of a query or path parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<String>,
    pub(crate) detail: String,
}

impl FieldError {
    /// A field of the body's object.
    pub(crate) fn field(name: &str, detail: impl Into<String>) -> FieldError {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        FieldError { pointer: Some(pointer), parameter: None, detail: detail.into() }
    }

    /// The body as a whole.
    pub(crate) fn body(detail: impl Into<String>) -> FieldError {
        FieldError { pointer: Some(String::new()), parameter: None, detail: detail.into() }
    }

    /// A parameter of the path or query.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> FieldError {
        FieldError { pointer: None, parameter: Some(name.to_owned()), detail: detail.into() }
    }
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem { status, code, detail: detail.into(), errors: Vec::new(), retry_after: None, parked: None, lag: None }
    }

    /// 422: valid JSON, or readable parameters, that break a rule.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Problem {
        let detail = match errors.as_slice() {
            [one] => match (&one.pointer, &one.parameter) {
                (_, Some(name)) => format!("{name} {}", one.detail),
                (Some(pointer), _) if !pointer.is_empty() => format!("{pointer} {}", one.detail),
                _ => one.detail.clone(),
            },
            more => format!("{} fields are wrong; see errors", more.len()),
        };
        Problem { errors, ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", detail) }
    }

    /// 400: the body can't be read at all.
    pub(crate) fn unreadable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "unreadable-body", detail)
    }

    /// 404 of a thing that is not there.
    pub(crate) fn not_found(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 401 of a call without a credential.
    pub(crate) fn credential_required() -> Problem {
        let detail = "this call needs a credential: Authorization: Bearer, with an API key or a token";
        Problem::new(StatusCode::UNAUTHORIZED, "credential-required", detail)
    }

    /// 401 of a credential that doesn't hold; what is wrong with it is not said.
    pub(crate) fn credential_invalid() -> Problem {
        let detail = "the credential is malformed, unknown, expired or revoked, or not for this server; get another";
        Problem::new(StatusCode::UNAUTHORIZED, "credential-invalid", detail)
    }

    /// 403 of a call that no role of the caller may make.
    pub(crate) fn forbidden() -> Problem {
        let detail = "no role of this credential may make this call; use one that has the role for it";
        Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 429 of a caller that calls too often.
    pub(crate) fn rate_limited(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail)
    }

    /// 409 of a request that the rules in force don't know.
    pub(crate) fn rules_too_old(what: &str) -> Problem {
        let detail = format!(
            "{what}, as far as this server has seen; nothing was written: an operator sets it by PUT /v1/rules"
        );
        Problem::new(StatusCode::CONFLICT, "rules-too-old", detail).retry_after(1)
    }

    /// 404 of an account that no event names, and of every account that is another's: nobody learns which it is.
    pub(crate) fn unknown_account() -> Problem {
        Problem::not_found("unknown-account", "no event names this account")
    }

    /// 404 of an order that its account doesn't have.
    pub(crate) fn unknown_order() -> Problem {
        Problem::not_found("unknown-order", "this account has no order of this id")
    }

    /// 404 of a webhook that isn't there.
    pub(crate) fn unknown_webhook() -> Problem {
        Problem::not_found("unknown-webhook", "there is no webhook of this id; GET /v1/webhooks lists all of them")
    }

    /// 404 of an entity that is not parked.
    pub(crate) fn not_parked(entity: &Entity) -> Problem {
        Problem::not_found("not-parked", format!("{entity} is not parked; GET /v1/parked lists what is"))
    }

    /// 503 of a write whose record may or may not be in the log.
    pub(crate) fn outcome_unknown() -> Problem {
        let detail = "the log has not acknowledged the record, or intake has not judged it, in time; it may still be \
                      booked. Retrying with the same Idempotency-Key is safe";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", detail).retry_after(1)
    }

    /// 503 of something that will work later; nothing was written.
    pub(crate) fn unavailable(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(1)
    }

    /// 503 of an answer that would be older than the caller accepts.
    pub(crate) fn too_stale(lag: Lag) -> Problem {
        let detail = format!(
            "the answer would be {} ms and {} records behind the log, more than maxStalenessMs; ask again, wait longer \
             (waitMs), or accept an older answer",
            lag.millis, lag.records
        );
        Problem { lag: Some(Box::new(lag)), ..Problem::unavailable("too-stale", detail) }
    }

    /// 406: none of the forms that the caller takes.
    pub(crate) fn not_acceptable(forms: &str) -> Problem {
        let detail = format!("this list comes as {forms}; name one of them in Accept, or leave it out");
        Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail)
    }

    /// 503 of an export while as many run as may.
    pub(crate) fn too_many_exports() -> Problem {
        let detail = "as many lists are being streamed as may be at once; try again soon, or read them page by page";
        Problem::unavailable("too-many-exports", detail).retry_after(5)
    }

    /// 503 of a view without rows to answer from; the others answer.
    pub(crate) fn view_rebuilding() -> Problem {
        Problem::unavailable("view-rebuilding", REBUILDING)
    }

    /// 500: our own fault; what happened is in the log of the process.
    pub(crate) fn internal() -> Problem {
        let detail = "the server failed at this call; its log says why";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// The same of a part of the body: its pointers begin where that part stands.
    #[must_use]
    pub(crate) fn within(mut self, place: &str) -> Problem {
        for error in &mut self.errors {
            error.pointer = error.pointer.take().map(|pointer| format!("{place}{pointer}"));
        }
        if self.errors.is_empty() {
            return self;
        }
        let Problem { detail, errors, .. } = Problem::invalid(std::mem::take(&mut self.errors));
        Problem { detail, errors, ..self }
    }

    /// Said of what was looked for at that moment: whose records wait is said with it.
    #[must_use]
    pub(crate) fn at_moment(self, as_of: &AsOf) -> Problem {
        Problem { parked: as_of.parked.map(Box::new), ..self }
    }

    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after = Some(seconds);
        self
    }

    /// The problem of an answer that has only a status, such as the router's own.
    pub(crate) fn of_status(status: StatusCode) -> Problem {
        let (code, detail) = match status {
            StatusCode::BAD_REQUEST => ("bad-request", "the request can't be read"),
            StatusCode::NOT_FOUND => {
                ("not-found", "there is nothing at this address; GET /openapi.json lists all calls")
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method-not-allowed", "the header Allow names the methods of this address")
            }
            StatusCode::REQUEST_TIMEOUT => ("request-timeout", "the request did not come in time"),
            StatusCode::PAYLOAD_TOO_LARGE => ("body-too-large", "a body has at most 65536 bytes"),
            StatusCode::URI_TOO_LONG => ("uri-too-long", "an address has at most 8192 bytes"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ("unsupported-media-type", "the body must be application/json"),
            status if status.is_server_error() => ("internal", "the server failed at this call; its log says why"),
            _ => ("refused", "the request is refused"),
        };
        Problem::new(status, code, detail)
    }

    /// The body (`application/problem+json`) of a call to `instance`.
    pub(crate) fn body(&self, instance: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            detail: &'a str,
            instance: &'a str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'a [FieldError],
            #[serde(flatten)]
            parked: Option<ParkedState>,
            #[serde(flatten)]
            lag: Option<Lag>,
        }
        let body = Body {
            r#type: format!("/docs/errors/{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Problem"),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            errors: &self.errors,
            parked: self.parked.as_deref().copied(),
            lag: self.lag.as_deref().copied(),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// What failed in the store is told to the process's log, not to the caller.
impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        if matches!(&error, Error::Unavailable { what, .. } if what == REBUILDING) {
            return Problem::view_rebuilding();
        }
        tracing::error!(%error, cause = ?std::error::Error::source(&error), "the store failed at a call");
        match error {
            // A view that proved damaged: it is made anew.
            Error::Corrupt { at: At::Path(_) | At::Frame, .. } => Problem::view_rebuilding(),
            Error::Unavailable { .. } => Problem::unavailable("store-unavailable", "the store does not answer"),
            _ => Problem::internal(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(problem: &Problem) -> String {
        String::from_utf8_lossy(&problem.body("/v1/x")).into_owned()
    }

    #[test]
    fn a_problem_has_these_bytes() {
        let errors = vec![FieldError::field("a/b~c", "is wrong"), FieldError::parameter("limit", "is wrong")];
        insta::assert_snapshot!(text(&Problem::invalid(errors)), @r#"{"type":"/docs/errors/invalid-request","title":"Unprocessable Entity","status":422,"detail":"2 fields are wrong; see errors","instance":"/v1/x","errors":[{"pointer":"/a~1b~0c","detail":"is wrong"},{"parameter":"limit","detail":"is wrong"}]}"#);
        insta::assert_snapshot!(text(&Problem::of_status(StatusCode::NOT_FOUND)), @r#"{"type":"/docs/errors/not-found","title":"Not Found","status":404,"detail":"there is nothing at this address; GET /openapi.json lists all calls","instance":"/v1/x"}"#);
    }
}
