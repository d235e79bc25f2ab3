//! What waits is applied in slices: nobody else is held up for long.

use std::collections::BTreeSet;
use std::sync::Arc;

use orderledger_domain::entity::{Entity, EntityKind};
use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::settlement::Settlement;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::folding::Folding;
use orderledger_projections::worker::progress::WorkerState;
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::{EventLog, MemoryLog};
use orderledger_store::views::{Schema, View};

use crate::days::{self, PARTITIONS};
use crate::live::set_poison;
use crate::operators::{decide, log_of, one_at_a_time};

fn take_all(folding: &mut Folding<Settlement>, log: &MemoryLog) {
    for of in (0..PARTITIONS).map(|partition| Topic::Orders.at(partition)) {
        for record in log.read(of, 0, usize::MAX).unwrap() {
            folding.take(&Read::new(of, record, &StreamKey::default())).unwrap();
        }
    }
}

#[test]
fn a_slice_of_one_is_one_record_and_slices_come_to_all_that_waits() {
    let _turn = one_at_a_time();
    let mut market = days::Market::new(3);
    market.day();
    let (log, key) = (log_of(&market.log), StreamKey::default());
    let of = Topic::Orders.at(0);
    let records = log.read(of, 0, usize::MAX).unwrap();
    let is_users = |key: &[u8]| !key.starts_with(b"_");
    let first = records.iter().find(|record| record.key.as_deref().is_some_and(is_users)).unwrap();
    let entity: Entity = EntityKind::User.named(std::str::from_utf8(first.key.as_deref().unwrap()).unwrap()).unwrap();
    let head = of.offset(first.offset);

    set_poison::<Settlement>(&BTreeSet::from([head]));
    let view = Arc::new(View::in_memory(Schema { name: Settlement::NAME, version: Settlement::SCHEMA }));
    let mut folding = Folding::<Settlement>::resume(view, &log, &key, "memory").unwrap();
    take_all(&mut folding, &log);
    set_poison::<Settlement>(&BTreeSet::new());
    let waiting = |folding: &Folding<Settlement>| -> u64 {
        folding.standing(WorkerState::Live).partitions.values().map(|partition| partition.accounting.parked).sum()
    };
    let all = waiting(&folding);
    assert!(all > 20 && !folding.is_releasing(), "{all}");
    assert_eq!(folding.release(&log, &key, 1).unwrap(), 0, "nothing was decided");

    decide(&log, 1, Settlement::NAME, &entity, head, false);
    assert!(folding.read_decisions(&log, &key).unwrap() && folding.is_releasing());
    assert!(!folding.read_decisions(&log, &key).unwrap(), "they were read");
    assert_eq!(folding.release(&log, &key, 1).unwrap(), 1);
    assert_eq!(waiting(&folding), all - 1);
    let mut released = 1;
    while folding.is_releasing() {
        released += folding.release(&log, &key, 5).unwrap();
    }
    assert_eq!((u64::try_from(released).unwrap(), waiting(&folding)), (all, 0));
    folding.commit().unwrap();
}
