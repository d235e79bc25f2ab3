//! A record that is refused leaves no trace in the fold: what follows is as if it had not been there.

use super::*;

/// Folds all but the last record, then finds that one refused; the fold and what it still writes.
fn refused_last(log: &Log) -> (Settlement, usize) {
    let (last, before) = log.records.split_last().unwrap();
    let (view, mut state) = (empty_view(), PartitionState::default());
    let mut settlement = Settlement::load(&view, 2).unwrap();
    for read in before {
        let arrived = state.take(read).unwrap();
        settlement.apply(&view, read, arrived).unwrap();
    }
    let mut changes = view.changes();
    settlement.write_rows(&view, &mut changes).unwrap();
    view.commit(changes, "").unwrap();
    let arrived = state.take(last).unwrap();
    assert!(matches!(settlement.apply(&view, last, arrived), Err(Failure::Record(_))));
    let mut changes = view.changes();
    settlement.write_rows(&view, &mut changes).unwrap();
    (settlement, changes.len())
}

#[test]
fn a_user_whom_a_refused_record_names_first_is_not_begun() {
    let mut log = Log::default();
    log.fund("u", "USD", "100");
    let unknown = limit("stranger", "o1", Side::Buy, 10, "1");
    log.fill(&unknown, "AAPL-1", (10, "1"), "0", Liquidity::Taker, (10, 0));
    let (settlement, rows) = refused_last(&log);
    assert!(!settlement.holders.contains_key(&user("stranger")));
    assert_eq!(rows, 0);
}

#[test]
fn a_closed_order_is_not_kept_in_memory_by_a_refused_record() {
    let mut log = Log::default();
    log.fund("u", "USD", "100");
    let buy = limit("u", "o1", Side::Buy, 10, "1");
    log.place(&buy, "10", (0, 0));
    log.fill(&buy, "AAPL-1", (10, "1"), "0", Liquidity::Taker, (10, 0));
    log.fill(&buy, "AAPL-2", (10, "1"), "0", Liquidity::Taker, (20, 0));
    let (settlement, rows) = refused_last(&log);
    assert!(settlement.holders.get(&user("u")).unwrap().orders.is_empty());
    assert_eq!(rows, 0);
}
