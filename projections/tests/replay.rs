//! A stage restored from an image at any record writes the rest of its records as before, byte for byte, whatever the
//! index of ids knows already.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod days;

use bytes::Bytes;
use days::{Market, PARTITIONS};
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_projections::intake::{Identities, Intake};
use orderledger_projections::matching::Matching;
use orderledger_projections::stage::emitter::Output;
use orderledger_projections::stage::fold::StageFold;
use orderledger_projections::worker::read::Read;
use orderledger_store::id_index::IdIndex;

type Written = Vec<(u64, TopicPartition, Bytes, Bytes)>;

/// What the fold writes of these records; `before(place, fold)` is called before each.
fn run<F: StageFold>(
    fold: &mut F,
    records: &[Read],
    shared: &mut F::Shared,
    mut before: impl FnMut(usize, &F),
) -> Written {
    let mut outputs: Vec<Output> = Vec::new();
    for (place, read) in records.iter().enumerate() {
        before(place, fold);
        fold.step(read, shared, &mut outputs).unwrap();
    }
    outputs.into_iter().map(|output| (output.cause_offset, output.to, output.key, output.value)).collect()
}

/// The whole, then again from images here and there; what is shared is as the whole run left it.
fn check<F: StageFold>(partition: u32, records: &[Read], mut shared: F::Shared, written_in_all: &mut usize) {
    let mut images = Vec::new();
    let mut fold = F::new(partition, PARTITIONS, StreamKey::default());
    let keep = |place: usize, fold: &F| {
        if place % 41 == 7 {
            images.push((place, fold.image().unwrap()));
        }
    };
    let whole = run(&mut fold, records, &mut shared, keep);
    *written_in_all += whole.len();
    for (place, image) in images {
        let mut again = F::new(partition, PARTITIONS, StreamKey::default());
        again.restore(&image).unwrap();
        let from = again.next_offset();
        let rest = run(&mut again, &records[place..], &mut shared, |_, _| {});
        let expected: Written = whole.iter().filter(|(cause, ..)| *cause >= from).cloned().collect();
        assert!(rest == expected, "{} {partition} from {from}", F::NAME);
        assert!(again.image().unwrap() == fold.image().unwrap(), "{} {partition} from {from}", F::NAME);
    }
}

#[test]
fn a_restored_stage_writes_the_same_bytes() {
    let mut written = 0;
    for seed in 100..106 {
        let mut market = Market::new(seed);
        market.day();
        for partition in 0..PARTITIONS {
            let records = |topic: Topic| market.log.get(&topic.at(partition)).map_or(&[][..], Vec::as_slice);
            let dir = tempfile::tempdir().unwrap();
            let ids = Identities::new(IdIndex::open(&dir.path().join("ids.redb")).unwrap());
            check::<Intake>(partition, records(Topic::Orders), ids, &mut written);
            check::<Matching>(partition, records(Topic::Books), std::sync::Arc::default(), &mut written);
        }
    }
    assert!(written > 2000, "{written}");
}
