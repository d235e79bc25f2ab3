//! What a stage begins with: its folds, and how far the log went when it began.

use std::collections::BTreeMap;

use orderledger_domain::position::TopicPartition;
use orderledger_store::Error;
use orderledger_store::snapshot::SnapshotStore;

use super::fold::StageFold;
use super::recovery::{Recovered, Recovery, Sending};
use super::runner::Setup;

/// The folds of all partitions as a start finds them.
pub(super) struct Restored<F> {
    pub(super) recovered: Vec<Recovered<F>>,
    pub(super) stores: Vec<SnapshotStore>,
    /// The log's ends as seen at start: reached, the stage is live.
    pub(super) ends: BTreeMap<TopicPartition, u64>,
    /// For each partition where gaps are known: what is missing below that offset is sent again anyway.
    pub(super) resent_below: Vec<u64>,
}

/// Restores them from their snapshots, or from offset zero. After a gap the marks are not trusted.
pub(super) fn restore<F: StageFold>(setup: &Setup<F::Shared>, trust_marks: bool) -> Result<Restored<F>, Error> {
    let log = &*setup.log;
    let mut recovery = Recovery::new(log, setup.source, setup.key, setup.directory.path(), trust_marks);
    let (mut recovered, mut stores, mut ends, mut resent_below) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
    for partition in 0..log.partitions() {
        let store = SnapshotStore::new(setup.directory.join(format!("{}-{partition}", F::NAME)));
        let source = setup.source.at(partition);
        let fold = recovery.recover::<F>(partition, &setup.shared, &store)?;
        let end = log.end_offset(source)?;
        let fills_gaps = !trust_marks || matches!(fold.sending, Sending::AboveLog(_));
        resent_below.push(if fills_gaps { end } else { 0 });
        recovered.push(fold);
        stores.push(store);
        ends.insert(source, end);
    }
    Ok(Restored { recovered, stores, ends, resent_below })
}
