//! Everything at one moment, gathered where it is kept, and its text.

use std::fmt;

use orderledger_store::Error;
use orderledger_store::views::ViewSizes;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;

use super::appends::APPENDS;
use super::canary::CANARY_SEEN;
use super::spans::SPANS;
use super::text::{Text, number};
use super::webhooks::{self, OfWebhooks};
use super::workers::{self, OfView};
use super::{calls, process};
use crate::lag::Group;
use crate::ledger::{Ledger, ViewHandle, WRITES_MAX};

/// What is there at one moment.
#[derive(Debug)]
pub(crate) struct Moment {
    groups: Vec<Group>,
    views: Vec<OfView>,
    log_is_reachable: bool,
    appends_waiting: usize,
    streams: usize,
    exports: usize,
    resting_orders: usize,
    /// Records of another server that each stage has read.
    twins: Vec<(&'static str, u64)>,
    /// None while the view has no rows.
    webhooks: OfWebhooks,
}

impl Moment {
    /// The media type of [`Moment::text`].
    pub(crate) const MEDIA_TYPE: &'static str = prometheus_text::CONTENT_TYPE;

    /// Gathers it. It looks at files, and at the log.
    pub(crate) fn of(ledger: &Ledger) -> Result<Moment, Error> {
        let twin = |(name, progress): (&'static str, &orderledger_projections::worker::progress::Progress)| {
            (name, progress.twin().map_or(0, |twin| twin.records))
        };
        Ok(Moment {
            groups: ledger.lag.groups(ledger)?,
            views: ledger.views().into_iter().map(|view| of_view(view)).collect(),
            log_is_reachable: ledger.log.reachable().is_ok(),
            appends_waiting: WRITES_MAX.saturating_sub(ledger.writes.available_permits()),
            streams: ledger.streams.open(),
            exports: ledger.open_exports(),
            resting_orders: ledger.board.resting(),
            twins: ledger.stages().map(twin).to_vec(),
            webhooks: OfWebhooks::of(ledger),
        })
    }

    /// It in Prometheus' text format, with all that was counted since the program began.
    pub(crate) fn text(self) -> Result<String, fmt::Error> {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(self));
        prometheus_text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// One that can't be read has no rows.
fn of_view(view: &ViewHandle) -> OfView {
    let live = view.live.load();
    let sizes = if view.has_no_rows() { None } else { live.view.sizes().ok() };
    let ViewSizes { rows, pending_bytes, disk_bytes, .. } = sizes.unwrap_or_default();
    OfView {
        name: view.name,
        generation: live.number,
        rows,
        disk_bytes,
        pending_bytes: u64::try_from(pending_bytes).unwrap_or(u64::MAX),
        job: view.job().map(|job| job.state()),
    }
}

impl Collector for Moment {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let text = &mut Text(encoder);
        let count = |count: usize| number(u64::try_from(count).unwrap_or(u64::MAX));
        calls::write(text)?;
        APPENDS.write(text)?;
        CANARY_SEEN.write(text)?;
        SPANS.write(text)?;
        text.gauge(
            "orderledger_appends_waiting",
            "Records of calls on their way to the log",
            count(self.appends_waiting),
        )?;
        let reachable = if self.log_is_reachable { 1.0 } else { 0.0 };
        text.gauge("orderledger_log_reachable", "1 if the log can be reached and takes records", reachable)?;
        text.gauge("orderledger_streams_open", "Streams that are open", count(self.streams))?;
        text.gauge("orderledger_exports_open", "Lists that are being streamed", count(self.exports))?;
        text.gauge("orderledger_resting_orders", "Orders that rest in the books", count(self.resting_orders))?;
        let twins = self.twins.iter().map(|(stage, records)| ([("group", *stage)], *records));
        text.counters("orderledger_twin_records", "Records of another server on the same topics", twins)?;
        workers::groups(text, &self.groups)?;
        workers::views(text, &self.views)?;
        webhooks::write(text, &self.webhooks)?;
        process::write(text)
    }
}
