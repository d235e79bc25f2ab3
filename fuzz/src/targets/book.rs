//! Commands to the book: the fast one does what the naive one does, and its image brings it back.

use orderledger_domain::book::{Book, NewOrder, SelfTrade, naive};
use orderledger_domain::terms::{OrderType, Side, TimeInForce};

use super::bytes::Bytes;

/// Plain numbers, and ones near the bounds.
const SCALES: [(i64, u64); 4] = [(1, 1), (833_333_333, 1), (7, 2_000_000_000), (833_333_333, 2_500_000_000)];
/// What may be combined, and some of what may not.
const TERMS: [(OrderType, TimeInForce, bool); 10] = [
    (OrderType::Limit, TimeInForce::Gtc, false),
    (OrderType::Limit, TimeInForce::Day, false),
    (OrderType::Limit, TimeInForce::Day, true),
    (OrderType::Limit, TimeInForce::Gtc, true),
    (OrderType::Limit, TimeInForce::Ioc, false),
    (OrderType::Limit, TimeInForce::Fok, false),
    (OrderType::Market, TimeInForce::Ioc, false),
    (OrderType::Market, TimeInForce::Fok, false),
    (OrderType::Market, TimeInForce::Gtc, false),
    (OrderType::Limit, TimeInForce::Fok, true),
];

pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (mut fast, mut naive) = (Book::new(), naive::Book::new());
    let (mut actions, mut expected) = (Vec::new(), Vec::new());
    let (price, quantity) = bytes.pick(&SCALES);
    let self_trade = bytes.pick(&[SelfTrade::ExpireIncoming, SelfTrade::ExpireResting]);
    let mut last = 0;
    while !bytes.is_empty() && last < 300 {
        actions.clear();
        expected.clear();
        let back = last - bytes.below(40).min(last);
        match bytes.byte() % 16 {
            0..=8 => {
                last += 1;
                let order = order(last, (price, quantity), &mut bytes);
                assert_eq!(fast.submit(&order, self_trade, &mut actions), naive.submit(&order, self_trade, &mut expected));
            }
            9 | 10 => {
                fast.cancel(back, &mut actions);
                naive.cancel(back, &mut expected);
            }
            11..=13 => {
                let to = (bytes.below(14) as i64 * price, bytes.below(42) * quantity);
                assert_eq!(
                    fast.amend(back, to, self_trade, &mut actions),
                    naive.amend(back, to, self_trade, &mut expected)
                );
            }
            14 => {
                fast.close_session(&mut actions);
                naive.close_session(&mut expected);
            }
            _ => {
                fast = Book::from_image(&fast.image()).expect("an image of a book");
                naive = naive::Book::from_image(&naive.image());
            }
        }
        assert_eq!(actions, expected);
        assert_eq!(fast.image(), naive.image());
        for side in [Side::Buy, Side::Sell] {
            assert_eq!(fast.depth(side).collect::<Vec<_>>(), naive.depth(side));
        }
    }
}

fn order(key: u64, (price, quantity): (i64, u64), bytes: &mut Bytes<'_>) -> NewOrder {
    let (kind, time_in_force, post_only) = bytes.pick(&TERMS);
    let scale = i128::from(price) * i128::from(quantity);
    NewOrder {
        key,
        owner: bytes.below(5),
        side: bytes.pick(&[Side::Buy, Side::Sell]),
        kind,
        time_in_force,
        post_only,
        price: if kind == OrderType::Market { 0 } else { bytes.below(13) as i64 * price },
        quantity: bytes.below(41) * quantity,
        budget: i128::from(bytes.below(501)) * scale,
        maker_bps: bytes.pick(&[0, 7, 25, 999, 12_000, u32::MAX]),
        taker_bps: bytes.pick(&[0, 7, 25, 999, 12_000, u32::MAX]),
    }
}
