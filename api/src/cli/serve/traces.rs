//! Which traces are recorded, and who collects their spans.

use super::super::Failure;
use crate::http::trace::Sampling;
use crate::otlp::{Endpoint, Exporting};

#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct TraceArgs {
    /// The collector that spans are sent to (OTLP over HTTP, protobuf, to /v1/traces below this address) [default: none].
    #[arg(long, env = "ORDERLEDGER_OTLP_ENDPOINT", value_name = "URL", value_parser = Endpoint::parse)]
    otlp_endpoint: Option<Endpoint>,
    /// Which part of the traces that begin here is recorded, from 0 to 1; of others their callers say it.
    #[arg(long, env = "ORDERLEDGER_TRACE_SAMPLE_RATIO", default_value_t = 1.0, value_name = "RATIO", value_parser = ratio)]
    trace_sample_ratio: f64,
}

impl TraceArgs {
    /// Begins to sample so, and to export if that is asked for.
    pub(in crate::cli) fn start(&self) -> Result<Option<Exporting>, Failure> {
        Sampling::of(self.trace_sample_ratio).use_from_now_on();
        let exporting = self.otlp_endpoint.as_ref().map(Exporting::start).transpose();
        exporting.map_err(|why| Failure::failed(format!("spans can't be exported: {why}")))
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "write a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_from_0_to_1() {
        for (text, expected) in [("0", Some(0.0)), ("0.25", Some(0.25)), ("1", Some(1.0))] {
            assert_eq!(ratio(text).ok(), expected);
        }
        for text in ["", "-0.1", "1.01", "NaN", "inf", "half"] {
            assert!(ratio(text).is_err(), "{text}");
        }
    }
}
