//! Spans on their way to a collector, in nobody's way.
//!
//! - `layer`: makes the program's spans OpenTelemetry's; a span is one of a trace if it has a field `trace_id`
//! - `sending`: the bounded queue, and the thread that sends what is in it; what finds no room is dropped and counted
//! - `client`: the HTTP client that takes it there

mod client;
mod layer;
mod sending;

pub(crate) use sending::{Endpoint, Exporting};
