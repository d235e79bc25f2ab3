//! Prometheus' text format, version 0.0.4: families of samples, each with the same labels.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::histogram::Counted;

/// The labels of a family that has one sample.
pub(super) const NO_LABELS: [(&str, &str); 0] = [];

/// Where families are written.
pub(super) struct Text<'a>(pub(super) DescriptorEncoder<'a>);

impl Text<'_> {
    /// Numbers that go up and down.
    pub(super) fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, rows, |mut row, value| row.encode_gauge(&value))
    }

    /// One number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.gauges(name, help, [(NO_LABELS, value)])
    }

    /// Numbers that only rise; `_total` is put behind the name.
    pub(super) fn counters<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let write = |mut row: MetricEncoder<'_>, value: V| row.encode_counter::<NoLabelSet, _, u64>(&value, None);
        self.family(name, help, MetricType::Counter, rows, write)
    }

    /// Durations.
    pub(super) fn histograms<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, Counted)>,
    ) -> fmt::Result {
        let write = |mut row: MetricEncoder<'_>, Counted { seconds, count, buckets }: Counted| {
            row.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
        };
        self.family(name, help, MetricType::Histogram, rows, write)
    }

    /// Name and meaning are there even where there is no sample yet.
    fn family<L: EncodeLabelSet, V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        rows: impl IntoIterator<Item = (L, V)>,
        write: impl Fn(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in rows {
            write(family.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}

/// A count as a gauge has it; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "samples are 64-bit floats")]
pub(super) const fn number(count: u64) -> f64 {
    count as f64
}
