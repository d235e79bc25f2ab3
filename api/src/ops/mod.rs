//! Operating calls: is it alive, is it ready, how far are the workers, what is counted, what the log holds, what can be called.

pub(crate) mod livez;
pub(crate) mod log_export;
pub(crate) mod metrics;
pub(crate) mod openapi;
pub(crate) mod projections;
pub(crate) mod readyz;
pub(crate) mod rebuilds;
