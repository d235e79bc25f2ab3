//! From the program's spans to OpenTelemetry's.
//!
//! Trace, span and parent stand in the spans' fields: they come from a request or follow from a record's place in the log, so
//! nothing here makes ids up, and the span that a record in the log names is the one that a collector shows.

use std::fmt;
use std::time::SystemTime;

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, Key, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Hands the spans of traces that are to be recorded on when they end.
#[derive(Debug)]
pub(super) struct SpanLayer<F> {
    ended: F,
    scope: InstrumentationScope,
}

/// Whether it is a span of a trace.
pub(super) fn is_of_a_trace(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.fields().field("trace_id").is_some()
}

impl<F> SpanLayer<F> {
    /// One that calls `ended` with each span, where the span ends: it must not block.
    pub(super) fn new(ended: F) -> SpanLayer<F> {
        let scope = InstrumentationScope::builder("orderledger").with_version(env!("CARGO_PKG_VERSION")).build();
        SpanLayer { ended, scope }
    }
}

/// A span that has not ended.
#[derive(Debug)]
struct Begun {
    at: SystemTime,
    fields: Fields,
}

/// What a span says.
#[derive(Debug)]
struct Fields {
    trace: TraceId,
    span: SpanId,
    parent: SpanId,
    is_sampled: bool,
    /// HTTP status of the answer to a call.
    status: Option<u64>,
    attributes: Vec<KeyValue>,
}

impl<S, F> Layer<S> for SpanLayer<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: Fn(SpanData) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields {
            trace: TraceId::INVALID,
            span: SpanId::INVALID,
            parent: SpanId::INVALID,
            is_sampled: false,
            status: None,
            attributes: Vec::with_capacity(8),
        };
        attributes.record(&mut fields);
        if let Some(span) = context.span(id).filter(|_| fields.is_sampled) {
            span.extensions_mut().insert(Begun { at: SystemTime::now(), fields });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(begun) = span.extensions_mut().get_mut::<Begun>() {
            values.record(&mut begun.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let begun = span.extensions_mut().remove::<Begun>();
        if let Some(begun) = begun {
            (self.ended)(begun.end(span.name(), self.scope.clone()));
        }
    }
}

impl Begun {
    fn end(self, name: &'static str, instrumentation_scope: InstrumentationScope) -> SpanData {
        let Begun { at, fields } = self;
        let (flags, state) = (TraceFlags::SAMPLED, TraceState::NONE);
        let is_call = name == "call";
        let has_failed = fields.status.is_some_and(|status| status >= 500);
        SpanData {
            name: fields.name(name, is_call).into(),
            span_context: SpanContext::new(fields.trace, fields.span, flags, false, state),
            parent_span_id: fields.parent,
            parent_span_is_remote: fields.parent != SpanId::INVALID,
            span_kind: if is_call { SpanKind::Server } else { SpanKind::Consumer },
            start_time: at,
            end_time: SystemTime::now(),
            attributes: fields.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if has_failed { Status::error("") } else { Status::Unset },
            instrumentation_scope,
        }
    }
}

impl Fields {
    /// The same for all spans of a kind: `POST /v1/accounts/{userId}/orders`, `settlement take`.
    fn name(&self, name: &str, is_call: bool) -> String {
        let said = |key: &str| {
            let found = self.attributes.iter().find(|attribute| attribute.key.as_str() == key);
            found.map_or_else(String::new, |attribute| attribute.value.to_string())
        };
        if is_call { format!("{} {}", said(METHOD), said(ROUTE)) } else { format!("{} {name}", said(WORKER)) }
    }

    fn say(&mut self, field: &Field, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(key(field.name()), value));
    }

    fn say_text(&mut self, field: &Field, text: String) {
        match field.name() {
            "trace_id" => self.trace = TraceId::from_hex(&text).unwrap_or(TraceId::INVALID),
            "span_id" => self.span = SpanId::from_hex(&text).unwrap_or(SpanId::INVALID),
            "parent_id" => self.parent = SpanId::from_hex(&text).unwrap_or(SpanId::INVALID),
            _ => self.say(field, text),
        }
    }
}

const METHOD: &str = "http.request.method";
const ROUTE: &str = "http.route";
const WORKER: &str = "orderledger.worker";

/// The attribute's name in OpenTelemetry's conventions, or else one of our own.
fn key(field: &'static str) -> Key {
    Key::from_static_str(match field {
        "method" => METHOD,
        "route" => ROUTE,
        "path" => "url.path",
        "status" => "http.response.status_code",
        "worker" => WORKER,
        "request" => "orderledger.request_id",
        "position" => "orderledger.position",
        "event" => "orderledger.event",
        "outputs" => "orderledger.outputs",
        "fate" => "orderledger.fate",
        other => other,
    })
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "sampled" { self.is_sampled = value } else { self.say(field, value) }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" {
            self.status = Some(value);
        }
        self.say(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.say_text(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.say_text(field, format!("{value:?}"));
    }
}
