//! Random flow through the real stages, settled: the rules of money hold at the end of every day, whatever the batches.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod days;

use std::collections::BTreeMap;

use days::{Market, PARTITIONS};
use orderledger_domain::account::LedgerAccount;
use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::settlement::{Settlement, queries};
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::partition::PartitionState;
use orderledger_projections::worker::read::Read;
use orderledger_store::views::{RowsDigest, Schema, View};

/// Settles all partitions, so many records of each at a time.
fn settle(log: &BTreeMap<TopicPartition, Vec<Read>>, batch: usize, reload: bool) -> View {
    let view = View::in_memory(Schema { name: Settlement::NAME, version: Settlement::SCHEMA });
    let mut settlement = Settlement::load(&view, PARTITIONS).unwrap();
    let mut states: BTreeMap<TopicPartition, PartitionState> = BTreeMap::new();
    let longest = log.values().map(Vec::len).max().unwrap();
    for begin in (0..longest).step_by(batch) {
        for (of, records) in log.iter().filter(|(of, _)| of.topic == Topic::Orders) {
            let state = states.entry(*of).or_default();
            for read in records.iter().skip(begin).take(batch) {
                let arrived = state.take(read).unwrap();
                settlement.apply(&view, read, arrived).unwrap();
            }
        }
        let mut changes = view.changes();
        settlement.write_rows(&view, &mut changes).unwrap();
        view.commit(changes, "").unwrap();
        if reload {
            settlement = Settlement::load(&view, PARTITIONS).unwrap();
        }
    }
    assert!(states.values().all(|state| state.unanswered.is_empty() && state.accounting.rejected == 0));
    view
}

fn check(view: &View) -> (u64, RowsDigest) {
    let reader = view.reader().unwrap();
    let sums = queries::sums_by_partition(&reader).unwrap();
    assert!(sums.values().all(|sum| sum.is_zero()), "{sums:?}");
    let mut clearing: BTreeMap<Asset, Amount> = BTreeMap::new();
    for system in queries::system_accounts(&reader).unwrap().values() {
        for (_, asset, amount) in system.iter().filter(|(account, ..)| *account == LedgerAccount::Clearing) {
            let sum = clearing.entry(asset).or_default();
            *sum = sum.plus(amount);
        }
    }
    assert!(clearing.values().all(|sum| sum.is_zero()), "every trade has both legs: {clearing:?}");
    let mut held: BTreeMap<(UserId, Asset), Amount> = BTreeMap::new();
    let mut fills = 0;
    for row in queries::open_orders(&reader) {
        let order = row.unwrap().order;
        assert!(order.undecided.is_empty(), "{order:?}");
        let need = order.need(order.price.unwrap(), order.leaves_quantity);
        assert_eq!(order.held, need, "{order:?}");
        let sum = held.entry((order.user_id.clone(), order.held_asset())).or_default();
        *sum = sum.plus(order.held);
    }
    for row in queries::accounts(&reader) {
        let (user, row) = row.unwrap();
        for (asset, balance) in row.account.iter() {
            assert!(!balance.available.is_negative());
            let of_orders = held.get(&(user.clone(), asset)).copied().unwrap_or_default();
            assert_eq!(balance.reserved, of_orders, "{user} {asset}");
        }
        let now = queries::balances_as_of(&reader, &user, u64::MAX).unwrap().unwrap();
        let stood: Vec<_> = row.account.iter().filter(|(_, balance)| !balance.total().is_zero()).collect();
        let rolled: Vec<_> = now.account.iter().filter(|(_, balance)| !balance.total().is_zero()).collect();
        assert_eq!(stood, rolled, "{user}");
        let page = queries::Page::newest(usize::MAX);
        fills += u64::try_from(queries::fills(&reader, &user, None, &page).unwrap().rows.len()).unwrap();
    }
    (fills, view.compute_digest().unwrap().digest)
}

#[test]
fn random_days_settle_to_the_cent_whatever_the_batches() {
    let mut all_fills = 0;
    for seed in 0..12 {
        let mut market = Market::new(seed);
        market.day();
        let (fills, digest) = check(&settle(&market.log, 1000, false));
        let trades: usize =
            market.log.iter().filter(|(of, _)| of.topic == Topic::Trades).map(|(_, records)| records.len()).sum();
        assert_eq!(fills, u64::try_from(trades).unwrap() * 2, "seed {seed}");
        for (batch, reload) in [(1, true), (17, false), (100, true)] {
            assert_eq!(check(&settle(&market.log, batch, reload)).1, digest, "seed {seed} batch {batch} {reload}");
        }
        all_fills += fills;
    }
    assert!(all_fills > 500, "{all_fills}");
}
