//! The thread that sends spans, and the bounded queue before it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use axum::http::Uri;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::runtime::Runtime;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::client::Client;
use super::layer::{SpanLayer, is_of_a_trace};
use crate::metrics::{SPANS, SpanOutcome};

/// How many spans wait at most: about 10 MiB.
const QUEUE: usize = 8192;
/// How many spans are sent at once.
const BATCH: usize = 512;
/// How long a span waits for others to be sent with.
const LINGER: Duration = Duration::from_secs(1);

/// Where a collector takes spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint(String);

impl Endpoint {
    /// The collector at that address, as the standard has it: `/v1/traces` below it.
    ///
    /// # Errors
    /// It is no address of HTTP.
    pub(crate) fn parse(address: &str) -> Result<Endpoint, String> {
        let uri: Result<Uri, _> = address.parse();
        let uri = uri.ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none());
        let named = uri.filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
        named.ok_or_else(|| "write an address as in http://127.0.0.1:4318".to_owned())?;
        Ok(Endpoint(format!("{}/v1/traces", address.trim_end_matches('/'))))
    }
}

/// What comes through the queue.
enum Message {
    Span(Box<SpanData>),
    /// Send what came before, and say when.
    Finish(SyncSender<()>),
}

/// Spans are being exported.
#[derive(Clone, Debug)]
pub(crate) struct Exporting {
    queue: SyncSender<Message>,
}

impl Exporting {
    /// Begins to send to that collector. Whether there is one is seen with the first spans.
    pub(crate) fn start(endpoint: &Endpoint) -> Result<Exporting, String> {
        let sending = Sending::new(endpoint)?;
        let (queue, waiting) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("spans".to_owned()).spawn(move || sending.run(&waiting));
        thread.map_err(|error| error.to_string())?;
        Ok(Exporting { queue })
    }

    /// What hands over the spans that end.
    pub(crate) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let queue = self.queue.clone();
        let ended = move |span| match queue.try_send(Message::Span(Box::new(span))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => SPANS.count(SpanOutcome::Dropped, 1),
        };
        let of_traces = filter_fn(is_of_a_trace).with_max_level_hint(LevelFilter::DEBUG);
        SpanLayer::new(ended).with_filter(of_traces)
    }

    /// Sends what waits, if that can be done in time.
    pub(crate) fn finish(&self, within: Duration) {
        let (done, is_done) = sync_channel(1);
        if self.queue.try_send(Message::Finish(done)).is_ok() {
            // Whoever ends doesn't wait for a collector.
            let _ = is_done.recv_timeout(within);
        }
    }
}

/// The half of the thread that sends.
struct Sending {
    exporter: SpanExporter,
    runtime: Runtime,
    is_failing: bool,
}

impl Sending {
    fn new(endpoint: &Endpoint) -> Result<Sending, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let exporter = SpanExporter::builder().with_http().with_http_client(Client::new());
        let exporter = exporter.with_protocol(Protocol::HttpBinary).with_endpoint(&endpoint.0).build();
        let mut exporter = exporter.map_err(|error: ExporterBuildError| error.to_string())?;
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        // What OTEL_RESOURCE_ATTRIBUTES says is part of it.
        exporter.set_resource(&Resource::builder().with_service_name("orderledger").with_attribute(version).build());
        Ok(Sending { exporter, runtime, is_failing: false })
    }

    /// Until nobody can hand over spans any more.
    fn run(mut self, waiting: &Receiver<Message>) {
        while let Ok(first) = waiting.recv() {
            let mut batch = Batch::default();
            batch.take(first);
            let until = Instant::now() + LINGER;
            while !batch.is_full() {
                match waiting.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(message) => batch.take(message),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            self.send(batch.spans);
            if let Some(finished) = batch.finished {
                // Who asked may have gone on.
                let _ = finished.try_send(());
            }
        }
    }

    fn send(&mut self, spans: Vec<SpanData>) {
        if spans.is_empty() {
            return;
        }
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let sent = self.runtime.block_on(self.exporter.export(spans));
        let was_failing = std::mem::replace(&mut self.is_failing, sent.is_err());
        match sent {
            Ok(()) => SPANS.count(SpanOutcome::Exported, count),
            Err(error) => {
                SPANS.count(SpanOutcome::Failed, count);
                if !was_failing {
                    tracing::warn!(%error, "the collector of spans takes none; they are lost until it does");
                }
            }
        }
    }
}

/// What is sent at once.
#[derive(Default)]
struct Batch {
    spans: Vec<SpanData>,
    finished: Option<SyncSender<()>>,
}

impl Batch {
    fn take(&mut self, message: Message) {
        match message {
            Message::Span(span) => self.spans.push(*span),
            Message::Finish(finished) => self.finished = Some(finished),
        }
    }

    fn is_full(&self) -> bool {
        self.spans.len() >= BATCH || self.finished.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_collectors_address() {
        let parsed = |address: &str| Endpoint::parse(address).map(|endpoint| endpoint.0);
        assert_eq!(parsed("http://127.0.0.1:4318"), Ok("http://127.0.0.1:4318/v1/traces".to_owned()));
        assert_eq!(parsed("https://c.example.com/otlp/"), Ok("https://c.example.com/otlp/v1/traces".to_owned()));
        for wrong in ["", "127.0.0.1:4318", "grpc://a:4317", "http://", "http://a?b=c", "http:// a"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
