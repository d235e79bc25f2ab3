//! The trace that a record belongs to, and the spans of the workers that handle it.
//!
//! A record that was asked for over HTTP has a header `traceparent`; what a stage makes of it has one of the same trace. Headers
//! are no part of what a record says: nothing but audit's copy of the record depends on them.

use orderledger_domain::trace::{SpanId, TRACEPARENT, TraceContext};
use orderledger_store::event_log::Header;
use tracing::field::Empty;
use tracing::{Level, Span};

use super::partition::Fate;
use super::read::Read;

/// The target of what is told of every step of every trace: `steps=debug` shows it.
pub const STEPS: &str = "steps";

/// The span that a record's headers name, if they name exactly one.
pub fn named(headers: &[Header]) -> Option<TraceContext> {
    let mut named = headers.iter().filter(|(name, _)| name == TRACEPARENT);
    match (named.next(), named.next()) {
        (Some((_, value)), None) => TraceContext::parse(value),
        _ => None,
    }
}

/// The headers of what follows from that span.
pub fn headers(span: Option<TraceContext>) -> Vec<Header> {
    span.map(|span| (TRACEPARENT.to_owned(), span.to_string().into())).into_iter().collect()
}

/// The handling of one record by one worker, if the record belongs to a trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handling {
    own: TraceContext,
    parent: SpanId,
}

impl Handling {
    /// The handling of a record by the worker of that name.
    pub(crate) fn of(read: &Read, worker: &str) -> Option<Handling> {
        let parent = named(&read.headers)?;
        Some(Handling { own: parent.handled_by(worker, read.position), parent: parent.span })
    }

    /// What the headers of its outputs name.
    pub(crate) const fn context(self) -> TraceContext {
        self.own
    }

    /// A stage decides what follows from the record.
    fn deciding(self, read: &Read, stage: &str) -> Span {
        tracing::debug_span!(
            target: STEPS,
            "decide",
            worker = stage,
            position = %read.position,
            event = event(read),
            trace_id = %self.own.trace,
            span_id = %self.own.span,
            parent_id = %self.parent,
            sampled = self.own.is_sampled(),
            outputs = Empty,
        )
    }

    /// A projection takes the record.
    fn taking(self, read: &Read, projection: &str) -> Span {
        tracing::debug_span!(
            target: STEPS,
            "take",
            worker = projection,
            position = %read.position,
            event = event(read),
            trace_id = %self.own.trace,
            span_id = %self.own.span,
            parent_id = %self.parent,
            sampled = self.own.is_sampled(),
            fate = Empty,
        )
    }
}

/// The span in which a stage decides what follows from a record; none where nobody listens.
pub(crate) fn deciding(handling: Option<Handling>, read: &Read, stage: &str) -> Span {
    match handling {
        Some(handling) if is_listened_to() => handling.deciding(read, stage),
        _ => Span::none(),
    }
}

/// It has decided, with so many outputs.
pub(crate) fn decided(span: &Span, outputs: usize) {
    if !span.is_none() {
        span.record("outputs", outputs);
        tracing::debug!(target: STEPS, parent: span, "decided");
    }
}

/// The span in which a projection takes a record; none where nobody listens.
pub(crate) fn taking(read: &Read, projection: &str) -> Span {
    if !is_listened_to() {
        return Span::none();
    }
    Handling::of(read, projection).map_or_else(Span::none, |handling| handling.taking(read, projection))
}

/// That became of the record whose span is the current one.
pub(crate) fn became(fate: Fate) {
    if is_listened_to() {
        Span::current().record("fate", fate.as_str());
    }
}

/// It has taken the record.
pub(crate) fn taken(span: &Span) {
    if !span.is_none() {
        tracing::debug!(target: STEPS, parent: span, "taken");
    }
}

/// Asked for every record; the answer is kept where it is asked.
fn is_listened_to() -> bool {
    tracing::span_enabled!(target: STEPS, Level::DEBUG, trace_id)
}

fn event(read: &Read) -> &'static str {
    read.envelope.as_ref().map_or("none", |envelope| envelope.event_type.as_str())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use bytes::Bytes;

    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn exactly_one_readable_header_names_a_span() {
        let header = |name: &str, value: &str| (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()));
        let given = header(TRACEPARENT, GIVEN);
        let expected = TraceContext::parse(GIVEN.as_bytes());
        assert_eq!(named(&[header("a", GIVEN), given.clone(), header("Traceparent", GIVEN)]), expected);
        assert_eq!(headers(expected), std::slice::from_ref(&given));
        let flood: Vec<Header> = (0..20_000).map(|_| given.clone()).collect();
        for headers in [&[][..], &[header("a", GIVEN)], &[header(TRACEPARENT, "x")], &[given.clone(), given], &flood] {
            assert_eq!(named(headers), None);
        }
        assert!(headers(None).is_empty() && expected.unwrap().is_sampled());
    }
}
