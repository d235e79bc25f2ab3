//! The rows depend on the records alone: not on batches, not on restarts, not on how partitions interleave.

use proptest::prelude::*;

use super::answers::scripts;
use super::*;

fn digests(reads: &[Read], restart_every: usize) {
    let whole = Trail::of(reads).digest();
    let mut by_one = Trail::new();
    reads.iter().for_each(|read| by_one.feed(std::slice::from_ref(read)));
    assert_eq!(by_one.digest(), whole);
    let mut at_once = Trail::new();
    at_once.feed(reads);
    assert_eq!(at_once.digest(), whole);
    let mut restarted = Trail::new();
    for batch in reads.chunks(restart_every) {
        restarted.feed(batch);
        restarted.reload();
    }
    assert_eq!(restarted.digest(), whole);
    let mut partition_by_partition = reads.to_vec();
    partition_by_partition.sort_by_key(|read| read.position);
    assert_eq!(Trail::of(&partition_by_partition).digest(), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rows_do_not_depend_on_batches_or_restarts(script in scripts(200), restart_every in 1_usize..20) {
        digests(&script.reads(), restart_every);
    }
}

#[test]
fn blocks_end_at_the_same_records_however_they_were_batched() {
    let mut script = Script::default();
    for number in 0..900_u32 {
        // Small ones end a block by count, large ones by bytes, and what can't be compressed needs several rows.
        let size = [10, 10, 10, 3_000, 20_000, 60_000][(number / 300 + number % 3) as usize];
        let noise = |at: u32| (at.wrapping_mul(0x9E37_79B9) ^ number.wrapping_mul(0x85EB_CA6B)).to_le_bytes()[3];
        let value: Vec<u8> = (0..size / if number < 300 { 1 } else { 7 }).map(noise).collect();
        script.append(Topic::Trades.at(0), Some(b"S1"), Some(&value), Vec::new());
    }
    digests(&script.reads(), 13);
}
