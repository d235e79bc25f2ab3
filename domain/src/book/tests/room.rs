//! Steady traffic needs no more room than the orders that rest at one time.

use super::super::{Book, ORDERS_MAX, SelfTrade, Unusable};
use super::limit;
use crate::terms::Side::{Buy, Sell};

#[test]
fn freed_slots_and_levels_are_used_again() {
    let (mut book, mut actions, self_trade) = (Book::new(), Vec::new(), SelfTrade::ExpireIncoming);
    for key in 1..1000 {
        let price = i64::try_from(key).unwrap_or(1);
        for (key, price) in [(key, price), (2000, 2000), (3000, 3000)] {
            assert_eq!(book.submit(&limit(key, 1, Buy, price, 2), self_trade, &mut actions), Ok(()));
            let slot = book.index.get(&key).copied().unwrap_or(u32::MAX);
            let level = book.slab.get(slot).map(|node| node.level);
            assert!(slot < 3 && level < Some(3), "{slot} {level:?}");
        }
        assert_eq!(book.submit(&limit(4000, 2, Sell, 3000, 2), self_trade, &mut actions), Ok(()));
        book.cancel(key, &mut actions);
        book.cancel(2000, &mut actions);
        assert!(book.is_empty());
    }
}

#[test]
fn the_shares_of_a_full_level_can_be_counted() {
    let most = u128::from(ORDERS_MAX).saturating_mul(u128::from(super::super::QUANTITY_MAX));
    assert!(most <= u128::from(u64::MAX));
    assert_eq!(Unusable::Full.to_string(), "the book is full");
}
