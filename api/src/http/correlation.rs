//! What a call belongs to, in the caller's words: what is written because of it carries that (`metadata.correlationId`).

use std::future::Future;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use orderledger_domain::ids::CorrelationId;

/// Where callers say it; without it, the call's own id is what it belongs to.
const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

tokio::task_local! {
    static CURRENT: Option<CorrelationId>;
}

/// What the call belongs to that this task answers; none outside of calls.
pub(crate) fn current() -> Option<CorrelationId> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Answers a call that belongs to that.
pub(crate) fn within<F: Future>(id: Option<CorrelationId>, call: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, call)
}

/// What a request says it belongs to, if the header is there once and well formed; else its own id.
pub(crate) fn of(headers: &HeaderMap, request_id: &HeaderValue) -> Option<CorrelationId> {
    let mut given = headers.get_all(HEADER).iter();
    let said = match (given.next(), given.next()) {
        (Some(value), None) => read(value),
        _ => None,
    };
    said.or_else(|| read(request_id))
}

fn read(value: &HeaderValue) -> Option<CorrelationId> {
    CorrelationId::new(value.to_str().ok()?).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_call_belongs_to_what_its_caller_says_or_to_itself() {
        let of = |given: &[&[u8]]| {
            let values = given.iter().map(|value| (HEADER, HeaderValue::from_bytes(value).unwrap()));
            of(&values.collect(), &HeaderValue::from_static("request-1")).unwrap().to_string()
        };
        let (long, longer) = ([b'x'; 128], [b'x'; 129]);
        assert_eq!(of(&[b"desk-7/4711"]), "desk-7/4711");
        assert_eq!(of(&[&long]).len(), 128);
        let nones: [&[&[u8]]; 6] = [&[], &[b""], &[b"a b"], &[b"\xff"], &[b"a", b"b"], &[&longer]];
        for none in nones {
            assert_eq!(of(none), "request-1", "{none:?}");
        }
    }

    #[tokio::test]
    async fn only_within_a_call_there_is_something_to_belong_to() {
        assert_eq!(current(), None);
        let id = CorrelationId::new("a").ok();
        assert_eq!(within(id.clone(), async { current() }).await, id);
    }
}
