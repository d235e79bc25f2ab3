//! Answers: JSON with `asOf` and `ETag`, rows of a list, what a write gave.

use std::hash::{DefaultHasher, Hasher};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;

use super::as_of::AsOf;
use super::problem::Problem;

const LEDGER_POSITION: HeaderName = HeaderName::from_static("ledger-position");

/// One row and what it rests on.
pub(crate) fn object(headers: &HeaderMap, row: &impl Serialize, as_of: &AsOf) -> Result<Response, Problem> {
    let mut body = to_json(row)?;
    // The row is an object: its last byte closes it.
    body.pop();
    if body.len() > 1 {
        body.push(b',');
    }
    finish(headers, body, as_of)
}

/// A list that has one page only.
pub(crate) fn whole_list<R: Serialize>(headers: &HeaderMap, rows: &[R], as_of: &AsOf) -> Result<Response, Problem> {
    list(headers, rows, None, as_of)
}

/// A page of a list, the cursor of the next page, and what it rests on.
pub(crate) fn list<R: Serialize>(
    headers: &HeaderMap,
    rows: &[R],
    next: Option<String>,
    as_of: &AsOf,
) -> Result<Response, Problem> {
    let mut body = b"{\"data\":".to_vec();
    body.extend_from_slice(&to_json(rows)?);
    body.extend_from_slice(b",\"nextCursor\":");
    body.extend_from_slice(&to_json(&next)?);
    body.push(b',');
    finish(headers, body, as_of)
}

/// Ends the body, whose object is still open, with what is said beside the rows.
fn finish(headers: &HeaderMap, mut body: Vec<u8>, as_of: &AsOf) -> Result<Response, Problem> {
    if let Some(parked) = &as_of.parked {
        let parked = to_json(parked)?;
        body.extend_from_slice(parked.get(1..parked.len().saturating_sub(1)).unwrap_or_default());
        body.push(b',');
    }
    let rows = Rows { tag: tag_of(&body), body: body.into() };
    let mut response = rows.whole(as_of)?.send(headers);
    // Whoever keeps answers keeps these.
    response.extensions_mut().insert((rows, as_of.clone()));
    Ok(response)
}

/// `Ledger-Position`: what a caller carries on, so that no later answer is of an earlier state.
pub(crate) fn rests_on(response: &mut Response, as_of: &AsOf) {
    let position = as_of.ledger_position();
    if !position.is_empty() {
        set(response, LEDGER_POSITION, &position);
    }
}

/// An answer that rests on no one moment of a view: its tag is of all of it.
pub(crate) fn tagged(headers: &HeaderMap, row: &impl Serialize) -> Result<Response, Problem> {
    let body = to_json(row)?;
    let tag = tag_of(&body);
    let mut response = if names_tag(headers, &tag) {
        let mut same = Response::new(Body::empty());
        *same.status_mut() = StatusCode::NOT_MODIFIED;
        same
    } else {
        json(StatusCode::OK, body)
    };
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// The rows of an answer, written but for `asOf`.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    body: Bytes,
    tag: HeaderValue,
}

impl Rows {
    /// How long they are.
    pub(crate) const fn bytes(&self) -> usize {
        self.body.len()
    }

    /// The answer with them.
    pub(crate) fn whole(&self, as_of: &AsOf) -> Result<Whole, Problem> {
        let said = to_json(as_of)?;
        let body = [&self.body, b"\"asOf\":".as_slice(), &said, b"}"].concat().into();
        let position = as_of.ledger_position();
        let position = HeaderValue::try_from(position).ok().filter(|position| !position.is_empty());
        Ok(Whole { body, tag: self.tag.clone(), position })
    }
}

/// An answer as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    body: Bytes,
    tag: HeaderValue,
    position: Option<HeaderValue>,
}

impl Whole {
    /// Nothing but the tag where the caller has the rows already.
    pub(crate) fn send(&self, headers: &HeaderMap) -> Response {
        let mut response = if names_tag(headers, &self.tag) {
            let mut same = Response::new(Body::empty());
            *same.status_mut() = StatusCode::NOT_MODIFIED;
            same
        } else {
            json(StatusCode::OK, self.body.clone())
        };
        let own = response.headers_mut();
        own.insert(header::ETAG, self.tag.clone());
        // Several lists have other forms, too.
        own.insert(header::VARY, HeaderValue::from_static("accept"));
        if let Some(position) = &self.position {
            own.insert(LEDGER_POSITION, position.clone());
        }
        response
    }
}

/// Weak: of the rows alone, for `asOf` moves on while they stay.
fn tag_of(body: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    let tag = format!("W/\"{:016x}\"", hasher.finish());
    // Hexadecimal digits in quotes are a header's value.
    HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
}

fn names_tag(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let strong = tag.to_str().unwrap_or_default().trim_start_matches("W/");
    let named = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    named
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|one| one == "*" || one.trim_start_matches("W/") == strong)
}

/// What a write gave.
pub(crate) struct Written {
    pub(crate) status: StatusCode,
    pub(crate) position: String,
    pub(crate) location: Option<String>,
    pub(crate) replayed: bool,
    pub(crate) waited: bool,
}

impl Written {
    /// The answer with that body.
    pub(crate) fn answer(self, body: &impl Serialize) -> Result<Response, Problem> {
        let mut response = json(self.status, to_json(body)?);
        if !self.position.is_empty() {
            set(&mut response, LEDGER_POSITION, &self.position);
        }
        if let Some(location) = &self.location {
            set(&mut response, header::LOCATION, location);
        }
        if self.replayed {
            set(&mut response, HeaderName::from_static("idempotency-replayed"), "true");
        }
        if self.waited {
            set(&mut response, HeaderName::from_static("preference-applied"), "wait");
        }
        Ok(response)
    }
}

/// Any JSON.
pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A row as JSON.
pub(crate) fn to_json<R: Serialize + ?Sized>(row: &R) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(row).map_err(|error| {
        tracing::error!(%error, "a row can't be written as JSON");
        Problem::internal()
    })
}

pub(crate) fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn answers_have_these_bytes() {
        #[derive(Serialize)]
        struct Row {
            asset: &'static str,
        }
        let (headers, row, as_of) = (HeaderMap::new(), Row { asset: "USD" }, AsOf::default());
        let one = object(&headers, &row, &as_of).unwrap();
        assert!(one.headers().contains_key(header::ETAG));
        insta::assert_snapshot!(text(one).await, @r#"{"asset":"USD","asOf":{"positions":{},"time":null,"lagRecords":0,"lagMs":0}}"#);
        let page = list(&headers, &[row], Some("c".to_owned()), &as_of).unwrap();
        insta::assert_snapshot!(text(page).await, @r#"{"data":[{"asset":"USD"}],"nextCursor":"c","asOf":{"positions":{},"time":null,"lagRecords":0,"lagMs":0}}"#);
    }

    #[test]
    fn the_same_rows_are_not_sent_again() {
        let first = whole_list(&HeaderMap::new(), &[1], &AsOf::default()).unwrap();
        let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(whole_list(&headers, &[1], &AsOf::default()).unwrap().status(), StatusCode::NOT_MODIFIED);
        assert_eq!(whole_list(&headers, &[2], &AsOf::default()).unwrap().status(), StatusCode::OK);
    }
}
