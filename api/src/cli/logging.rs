//! What the program says of itself, on stderr.

use std::str::FromStr;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::otlp::Exporting;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, with the span that it was said in.
    Json,
}

/// Which lines are written: a level, and those of targets.
#[derive(Clone, Debug)]
pub(super) struct LogLevel(String);

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<LogLevel, String> {
        // A word that is no level would be the name of a target, of which all is written.
        let is_level = |part: &str| part.contains('=') || (!part.is_empty() && LevelFilter::from_str(part).is_ok());
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        if let Some(part) = parts.iter().find(|part| !is_level(part)) {
            return Err(format!("{part:?} is none of off, error, warn, info, debug, trace, and no TARGET=LEVEL"));
        }
        let text = parts.join(",");
        EnvFilter::try_new(&text).map(|_| LogLevel(text)).map_err(|error| error.to_string())
    }
}

/// Begins to log. Spans go to the collector, if there is one.
pub(super) fn start(level: &LogLevel, format: LogFormat, exporting: Option<&Exporting>) {
    let filter = EnvFilter::new(&level.0);
    // Where stderr is gone, what can't be told is dropped: telling that there would be a panic of the worker that tells.
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false).log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let spans = exporting.map(Exporting::layer);
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_one_of_six_or_that_of_a_target() {
        for taken in ["warn", "off", "INFO", "warn,steps=debug", "warn, orderledger_api::http=trace", "steps=debug"] {
            assert!(LogLevel::from_str(taken).is_ok(), "{taken}");
        }
        for refused in ["", "loud", "warn,", "warn,steps", "steps=loud", "steps=debug=info"] {
            assert!(LogLevel::from_str(refused).is_err(), "{refused}");
        }
    }
}
