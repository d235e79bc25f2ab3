//! Groups, their partitions, and views.

use std::fmt;

use orderledger_domain::position::TopicPartition;
use orderledger_projections::worker::partition::Accounting;

use super::text::{Text, number};
use crate::lag::{Class, Group, PartitionLag, STATES};
use crate::ledger::rebuild::job::{Phase, State};

/// What is gathered of a view, beside its group.
#[derive(Debug)]
pub(super) struct OfView {
    pub(super) name: &'static str,
    /// The generation that answers.
    pub(super) generation: u64,
    pub(super) rows: u64,
    pub(super) disk_bytes: u64,
    pub(super) pending_bytes: u64,
    /// The newest rebuild or rollback.
    pub(super) job: Option<State>,
}

type Labels = [(&'static str, String); 3];

fn labels(group: &Group, of: TopicPartition) -> Labels {
    [("group", group.name.to_owned()), ("topic", of.topic.name().to_owned()), ("partition", of.partition.to_string())]
}

pub(super) fn groups(text: &mut Text<'_>, groups: &[Group]) -> fmt::Result {
    let each = |value: fn(&PartitionLag) -> Option<f64>| {
        let rows = groups.iter().flat_map(move |group| group.partitions.iter().map(move |one| (group, one)));
        rows.filter_map(move |(group, one)| Some((labels(group, one.of), value(one)?)))
    };
    let help = "Records that a group has not read";
    text.gauges("orderledger_lag_records", help, each(|one| Some(number(one.lag.records))))?;
    let help = "How long the first record that a group has not read has stood in the log";
    text.gauges("orderledger_lag_seconds", help, each(|one| Some(seconds(one.lag.millis))))?;
    let help = "Records that a group passed a second, in the last seconds";
    text.gauges("orderledger_lag_records_per_second", help, each(|one| Some(one.pace.per_second)))?;
    let help = "Until a group is at the end if it goes on like this; absent: nobody knows";
    text.gauges("orderledger_lag_eta_seconds", help, each(|one| one.pace.eta.map(|eta| eta.as_secs_f64())))?;
    let help = "1 if a group has records to read and has stood still for too long";
    text.gauges("orderledger_lag_frozen", help, each(|one| Some(if one.is_frozen { 1.0 } else { 0.0 })))?;
    let target = |group: &Group| Some(([("group", group.name)], group.class.target()?.as_secs_f64()));
    text.gauges("orderledger_lag_target_seconds", "How far behind a group may be", groups.iter().filter_map(target))?;
    let class = |group: &Group| ([("group", group.name), ("class", Class::as_str(group.class))], 1.0);
    text.gauges("orderledger_group_class", "1 for the class of each group", groups.iter().map(class))?;
    let is = |group: &Group, state| if group.state == state { 1.0 } else { 0.0 };
    let states = groups
        .iter()
        .flat_map(|group| STATES.map(|state| ([("group", group.name), ("state", state)], is(group, state))));
    text.gauges("orderledger_group_state", "1 for the state that a group is in, 0 for the others", states)?;
    let parked = groups.iter().map(|group| ([("group", group.name)], number(group.standing.parked_entities)));
    text.gauges("orderledger_parked_entities", "Entities of which records wait", parked)?;
    fates(text, groups)
}

fn fates(text: &mut Text<'_>, groups: &[Group]) -> fmt::Result {
    let mut rows = Vec::new();
    for group in groups {
        for one in &group.partitions {
            let Accounting { applied, duplicate, rejected, parked, ignored } = one.at.accounting;
            let fates = [
                ("applied", applied),
                ("duplicate", duplicate),
                ("rejected", rejected),
                ("parked", parked),
                ("ignored", ignored),
            ];
            for (fate, count) in fates {
                let [group, topic, partition] = labels(group, one.of);
                rows.push(([group, topic, partition, ("fate", fate.to_owned())], count));
            }
        }
    }
    text.counters("orderledger_records", "Records consumed, by what became of them; a rebuild begins anew", rows)
}

/// Every phase of a rebuild, and its name.
const PHASES: [(Phase, &str); 8] = [
    (Phase::Folding, "folding"),
    (Phase::Writing, "writing"),
    (Phase::CatchingUp, "catching_up"),
    (Phase::Comparing, "comparing"),
    (Phase::Done, "done"),
    (Phase::Different, "different"),
    (Phase::Canceled, "canceled"),
    (Phase::Failed, "failed"),
];

pub(super) fn views(text: &mut Text<'_>, views: &[OfView]) -> fmt::Result {
    let each = |value: fn(&OfView) -> u64| views.iter().map(move |view| ([("view", view.name)], number(value(view))));
    text.gauges("orderledger_view_generation", "The generation that answers", each(|view| view.generation))?;
    text.gauges("orderledger_view_rows", "Rows on disk", each(|view| view.rows))?;
    text.gauges("orderledger_view_disk_bytes", "Bytes of a view's files", each(|view| view.disk_bytes))?;
    text.gauges("orderledger_view_pending_bytes", "Bytes that wait for the disk", each(|view| view.pending_bytes))?;
    let jobs = || views.iter().filter_map(|view| Some((view.name, view.job.as_ref()?)));
    let phases = jobs().flat_map(|(name, job)| {
        PHASES.map(|(phase, text)| ([("view", name), ("phase", text)], if job.phase == phase { 1.0 } else { 0.0 }))
    });
    let help = "1 for the phase that a view's newest rebuild or rollback is in or ended with";
    text.gauges("orderledger_rebuild_phase", help, phases)?;
    let left = jobs().map(|(name, job)| ([("view", name)], number(job.left)));
    text.gauges("orderledger_rebuild_left_records", "Offsets that a rebuild still has to read", left)
}

fn seconds(millis: i64) -> f64 {
    number(u64::try_from(millis).unwrap_or(0)) / 1000.0
}
