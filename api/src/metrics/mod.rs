//! What the program counts and measures, and how that is written for Prometheus.
//!
//! - `histogram`, `calls`, `appends`, `canary`, `spans`: what is recorded while it happens, in atomic numbers that are there from the start: no
//!   lock, no allocation, no look-up of labels
//! - `text`: names, labels and values in Prometheus' text format
//! - `moment`: all of it at one moment, with what is read where it is kept: workers, lag, views, rebuilds, webhooks,
//!   the process
//!
//! Every label has few values: routes as they are written in the table of calls, names of workers, topics, partitions, states.
//! Never one that a caller chooses: no user, no order, no symbol, no path.

mod appends;
mod calls;
mod canary;
mod histogram;
mod moment;
mod process;
mod spans;
mod text;
mod webhooks;
mod workers;

pub(crate) use appends::{APPENDS, Outcome};
pub(crate) use calls::seen;
pub(crate) use canary::{CANARY_SEEN, Step};
pub(crate) use moment::Moment;
pub(crate) use spans::{SPANS, SpanOutcome};
