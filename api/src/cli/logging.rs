//! What the program says of itself, on stderr.

use clap::ValueEnum;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::LOG_LEVEL;
use crate::otlp::Exporting;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, with the span that it was said in.
    Json,
}

/// Begins to log what `ORDERLEDGER_LOG_LEVEL` names; without it warnings and errors.
/// Spans go to the collector, if there is one.
pub(super) fn start(format: LogFormat, exporting: Option<&Exporting>) {
    let filter = EnvFilter::try_from_env(LOG_LEVEL).unwrap_or_else(|_| EnvFilter::new("warn"));
    // Where stderr is gone, what can't be told is dropped: telling that there would be a panic of the worker that tells.
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false).log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let spans = exporting.map(Exporting::layer);
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).init();
}
