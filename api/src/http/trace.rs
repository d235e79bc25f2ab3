//! The trace that a call belongs to: the caller's own (W3C Trace Context), or a new one, and the span of the call in it.

use std::num::NonZero;
use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use orderledger_domain::trace::{SpanId, TRACEPARENT, TraceContext, TraceId};
use orderledger_projections::worker::trace::STEPS;
use orderledger_store::event_log::Header;
use tracing::{Instrument, Span};

/// What answers say: the call's own span, in the form of `traceparent`.
pub(super) const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

tokio::task_local! {
    /// The span of the call that the task answers.
    static CURRENT: TraceContext;
}

/// How many of the traces that begin here are recorded, set once as the program starts.
static SAMPLING: OnceLock<Sampling> = OnceLock::new();

/// A part of all traces, chosen by their ids: every program that is asked for the same part chooses the same traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    /// Traces whose last 56 bits are below this are chosen.
    below: u64,
}

impl Sampling {
    const BITS: u32 = 56;

    /// That part of all traces, from 0 to 1.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the part is from 0 to 1")]
    pub(crate) fn of(ratio: f64) -> Sampling {
        let all = 1_u64 << Sampling::BITS;
        Sampling { below: (ratio.clamp(0.0, 1.0) * all as f64) as u64 }
    }

    /// From now on so many of the traces that begin here are recorded. The first call counts.
    pub(crate) fn use_from_now_on(self) {
        SAMPLING.get_or_init(|| self);
    }

    fn chooses(self, trace: TraceId) -> bool {
        let last = trace.0.get() & ((1 << Sampling::BITS) - 1);
        last < u128::from(self.below)
    }
}

/// A call's place in its trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// The span of the call.
    pub(super) own: TraceContext,
    /// The caller's span, if it named one.
    parent: Option<SpanId>,
}

/// A caller's words are held as long as the span is, also of a call that is refused.
const PATH_BYTES_MAX: usize = 256;
const METHOD_BYTES_MAX: usize = 16;

impl Call {
    /// A span of the caller's trace; of a new trace where the caller names none, or none that can be read.
    pub(super) fn of(headers: &HeaderMap) -> Call {
        let (trace, span) = random();
        match given(headers) {
            Some(caller) => Call { own: caller.with_span(span), parent: Some(caller.span) },
            None => {
                let is_sampled = SAMPLING.get().is_none_or(|sampling| sampling.chooses(trace));
                Call { own: TraceContext::begin(trace, span, is_sampled), parent: None }
            }
        }
    }

    /// The span that everything is told in that goes wrong in the call; of the highest level, so that it is there whatever
    /// else is logged.
    pub(super) fn span(&self, request: &Request, id: &HeaderValue, route: Option<&str>) -> Span {
        tracing::error_span!(
            "call",
            request = id.to_str().unwrap_or_default(),
            method = cut(request.method().as_str(), METHOD_BYTES_MAX),
            path = told(request.uri().path(), route),
            route = route.unwrap_or("none"),
            trace_id = %self.own.trace,
            span_id = %self.own.span,
            parent_id = self.parent.map(tracing::field::display),
            sampled = self.own.is_sampled(),
            status = tracing::field::Empty,
        )
    }

    /// The call was answered so.
    pub(super) fn answered(span: &Span, status: StatusCode, after: Duration) {
        span.record("status", status.as_u16());
        let took_us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(target: STEPS, parent: span, took_us, "answered");
    }

    /// What the answer says of it.
    pub(super) fn response_header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.own.to_string()).ok()
    }

    /// What runs for the call, wherever it runs.
    pub(super) async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self.own, work).await
    }
}

/// The path, unless it names an account: who reads logs and traces needs no user's name, and the route says the rest.
fn told<'a>(path: &'a str, route: Option<&str>) -> Option<&'a str> {
    route.is_none_or(|route| !route.contains("{userId}")).then(|| cut(path, PATH_BYTES_MAX))
}

/// As much of it as a span holds.
fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..bytes_max).unwrap_or(text)
}

/// Spawns what goes on in the trace and the span of this call.
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    let current = CURRENT.try_get();
    let work = async move {
        match current {
            Ok(current) => CURRENT.scope(current, work).await,
            Err(_) => work.await,
        }
    };
    tokio::spawn(work.in_current_span())
}

/// The headers of a record that this call appends: its span, which the span of whoever handles the record has as its parent.
pub(crate) fn record_headers() -> Vec<Header> {
    let current = CURRENT.try_get();
    current.map(|current| (TRACEPARENT.to_owned(), current.to_string().into())).into_iter().collect()
}

/// The caller's span, if it names exactly one.
fn given(headers: &HeaderMap) -> Option<TraceContext> {
    let mut given = headers.get_all(TRACEPARENT).iter();
    match (given.next(), given.next()) {
        (Some(one), None) => TraceContext::parse(one.as_bytes()),
        _ => None,
    }
}

/// Ids that no other trace or span has. Without the machine's random numbers all have the same: a trace is worth no refusal.
fn random() -> (TraceId, SpanId) {
    let mut bytes = [0; 24];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::debug!(%error, "a trace begins without random numbers");
    }
    let (trace, span) = bytes.split_first_chunk().map_or((0, 0), |(trace, span)| {
        (u128::from_be_bytes(*trace), span.first_chunk().map_or(0, |span| u64::from_be_bytes(*span)))
    });
    (
        TraceId(NonZero::new(trace).unwrap_or(NonZero::<u128>::MIN)),
        SpanId(NonZero::new(span).unwrap_or(NonZero::<u64>::MIN)),
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    fn call(given: &[&str]) -> Call {
        let headers = given.iter().map(|value| (HeaderName::from_static(TRACEPARENT), value.parse().unwrap()));
        Call::of(&headers.collect())
    }

    #[test]
    fn a_call_is_in_the_callers_trace_and_has_a_span_of_its_own() {
        let (call, again) = (call(&[GIVEN]), call(&[GIVEN]));
        assert_eq!(call.own.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(call.parent.unwrap().to_string(), "00f067aa0ba902b7");
        assert!(!call.own.is_sampled(), "the caller's decision stands");
        assert!(call.own.span != again.own.span && Some(call.own.span) != call.parent);
    }

    #[test]
    fn without_one_readable_traceparent_a_new_trace_begins() {
        for given in [&[][..], &["00-nonsense"], &[GIVEN, GIVEN], &[""], &[&"0".repeat(4000)]] {
            let (one, other) = (call(given), call(given));
            assert!(one.parent.is_none() && one.own.trace != other.own.trace, "{given:?}");
            assert!(one.own.is_sampled());
        }
    }

    #[test]
    fn a_part_of_all_traces_is_chosen_by_their_ids() {
        let traces: Vec<TraceId> = (0..2000).map(|_| random().0).collect();
        let chosen = |ratio: f64| traces.iter().filter(|trace| Sampling::of(ratio).chooses(**trace)).count();
        assert_eq!((chosen(0.0), chosen(1.0), chosen(-1.0), chosen(7.0)), (0, 2000, 0, 2000));
        let tenth = chosen(0.1);
        assert!((100..350).contains(&tenth), "{tenth}");
        let is_chosen_by_more =
            |trace: &&TraceId| !Sampling::of(0.1).chooses(**trace) || Sampling::of(0.2).chooses(**trace);
        assert!(traces.iter().all(|trace| is_chosen_by_more(&trace)));
    }

    #[tokio::test]
    async fn records_of_a_call_carry_its_span_and_others_none() {
        assert_eq!(record_headers(), []);
        let call = call(&[GIVEN]);
        let expected = vec![(TRACEPARENT.to_owned(), call.own.to_string().into())];
        let (inside, below) = call.scope(async { (record_headers(), spawn(async { record_headers() }).await) }).await;
        assert_eq!((inside, below.unwrap()), (expected.clone(), expected));
    }
}
