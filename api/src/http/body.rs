//! Reading a body: bounded, JSON, each field once.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::strict;
use std::time::Duration;

use super::problem::{FieldError, Problem};

/// The largest body of most calls.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The largest body of a call that takes many requests at once.
pub(crate) const BULK_BYTES_MAX: usize = 1024 * 1024;
/// So much of a body that is too large is still read, so that its sender sees the answer and not a broken connection.
const DRAINED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long a body may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// The JSON text of a body, checked as a whole: UTF-8, JSON, shallow, no field twice.
pub(crate) async fn json(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    json_up_to(BODY_BYTES_MAX, headers, body).await
}

/// The same with that many bytes at most.
pub(crate) async fn json_up_to(bytes_max: usize, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    if !is_json(headers) || is_encoded(headers) {
        return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let text = read(bytes_max, headers, body).await?;
    check(&text)?;
    Ok(text)
}

/// The same where a body may be left out: then an object without fields.
pub(crate) async fn json_or_none(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    if headers.contains_key(header::CONTENT_TYPE) {
        return json(headers, body).await;
    }
    if read(BODY_BYTES_MAX, headers, body).await?.is_empty() {
        Ok(Bytes::from_static(b"{}"))
    } else {
        Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
    }
}

/// Refuses a body where none belongs.
pub(crate) async fn none(headers: &HeaderMap, body: Body) -> Result<(), Problem> {
    if read(BODY_BYTES_MAX, headers, body).await?.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid(vec![FieldError::body("this call takes no body")]))
    }
}

pub(crate) fn check(text: &[u8]) -> Result<(), Problem> {
    strict::check(Some(text)).map_err(|refusal| match refusal.reason {
        RefuseReason::DuplicateField => Problem::invalid(vec![FieldError::body(refusal.detail)]),
        _ => Problem::unreadable(refusal.detail),
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next().and_then(|kind| kind.to_str().ok()), kinds.next()) else { return false };
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Whether the body is compressed: none of that is read here.
fn is_encoded(headers: &HeaderMap) -> bool {
    let plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| !plain(coding))
}

/// 413, with how much is taken.
fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("the body of this call has at most {bytes_max} bytes");
    Problem { detail, ..Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE) }
}

async fn read(bytes_max: usize, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    // Who asks before sending is not left to send what will be refused.
    let limit = if headers.contains_key(header::EXPECT) { bytes_max } else { DRAINED_BYTES_MAX };
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(bytes_max));
    }
    match tokio::time::timeout(BODY_WITHIN, read_frames(bytes_max, body)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::of_status(StatusCode::REQUEST_TIMEOUT)),
    }
}

async fn read_frames(bytes_max: usize, mut body: Body) -> Result<Bytes, Problem> {
    let (mut text, mut length) = (Vec::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Problem::unreadable("the body ends before its end, or its chunks are malformed"))?;
        let Ok(bytes) = frame.into_data() else { continue };
        length = length.saturating_add(bytes.len());
        if length > DRAINED_BYTES_MAX {
            break;
        }
        if length <= bytes_max {
            text.extend_from_slice(&bytes);
        }
    }
    if length > bytes_max { Err(too_large(bytes_max)) } else { Ok(Bytes::from(text)) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    async fn status(kind: Option<&'static str>, body: impl Into<Body>) -> u16 {
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        }
        json(&headers, body.into()).await.err().map_or(200, |problem| problem.status.as_u16())
    }

    #[test]
    fn a_compressed_body_is_not_of_the_right_type() {
        for (coding, encoded) in [("gzip", true), ("identity", false), ("Identity", false)] {
            let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, coding.parse().unwrap())]);
            assert_eq!(is_encoded(&headers), encoded, "{coding}");
        }
    }

    #[tokio::test]
    async fn only_a_readable_json_body_of_the_right_type_and_size_passes() {
        let json = Some("application/json");
        assert_eq!(status(json, "{}").await, 200);
        assert_eq!(status(Some("application/json; charset=utf-8"), "{}").await, 200);
        assert_eq!(status(Some("text/plain"), "{}").await, 415);
        assert_eq!(status(None, "{}").await, 415);
        assert_eq!(status(json, "").await, 400);
        assert_eq!(status(json, "{").await, 400);
        assert_eq!(status(json, &b"\xff\xfe"[..]).await, 400);
        assert_eq!(status(json, r#"{"a":"#.repeat(5000)).await, 400);
        assert_eq!(status(json, format!("{}1{}", "[".repeat(40), "]".repeat(40))).await, 400);
        assert_eq!(status(json, r#"{"a":1,"a":1}"#).await, 422);
        assert_eq!(status(json, "x".repeat(65_537)).await, 413);
        assert_eq!(status(json, "x".repeat(4_000_000)).await, 413);
    }
}
