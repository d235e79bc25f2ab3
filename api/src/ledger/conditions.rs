//! What every projection is started with, whichever generation it works on.

use std::path::Path;
use std::sync::Arc;

use orderledger_domain::stream::StreamKey;
use orderledger_projections::parking::breaker::Limits;
use orderledger_projections::worker::clock::Clock;
use orderledger_projections::worker::courtesy::Courtesy;
use orderledger_projections::worker::progress::Progress;
use orderledger_projections::worker::projection::Setup;
use orderledger_projections::worker::rest::Rest;
use orderledger_projections::worker::stop::Stop;
use orderledger_store::be_polite;
use orderledger_store::event_log::EventLog;
use orderledger_store::views::View;

/// What every projection is started with.
#[derive(Clone)]
pub(crate) struct Conditions {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) key: StreamKey,
    /// When a projection stops instead of parking still more.
    pub(crate) limits: Limits,
    /// Says when everything ends.
    pub(crate) stop: Stop,
    /// Says when critical groups are behind.
    pub(crate) courtesy: Courtesy,
}

impl Conditions {
    /// For a projection on that view, which is kept there; `is_live` if it goes on in the place of one that is live.
    pub(crate) fn setup(
        &self,
        view: &Arc<View>,
        kept: &Path,
        progress: &Progress,
        rest: &Rest,
        is_live: bool,
    ) -> Setup {
        Setup {
            log: Arc::clone(&self.log),
            key: self.key,
            view: Arc::clone(view),
            kept: kept.display().to_string(),
            progress: progress.clone(),
            limits: self.limits,
            stop: self.stop.clone(),
            clock: Clock::default(),
            rest: rest.clone(),
            courtesy: self.courtesy.clone(),
            be_polite,
            is_live,
        }
    }
}
