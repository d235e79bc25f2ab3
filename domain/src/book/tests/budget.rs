//! The closed form of what a budget buys against trying one share less until it fits.

use proptest::prelude::*;

use super::super::cost::{affordable, fee_due};
use super::super::order::Order;
use super::market;
use crate::terms::Liquidity;
use crate::terms::Side::Buy;

fn trying(order: &Order, held: i128, price: i128, wanted: u64) -> u64 {
    let (maker_bps, taker_bps) = (i128::from(order.maker_bps), i128::from(order.taker_bps));
    let spent = order.taker_notional + order.maker_notional + order.charged;
    let mut quantity = wanted;
    while quantity > 0 {
        let notional = price * i128::from(quantity);
        let basis = taker_bps * (order.taker_notional + notional) + maker_bps * order.maker_notional;
        let ceiling = -((-basis).div_euclid(10_000));
        if spent + notional + ceiling - order.charged <= held {
            break;
        }
        quantity -= 1;
    }
    quantity
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn as_many_shares_as_trying_finds(
        fills in prop::collection::vec((1i64..400, 1u64..20, any::<bool>()), 0..4),
        rates in (0u32..12_000, 0u32..12_000),
        (price, wanted) in (1i64..400, 1u64..300),
        extra in -50i128..60_000,
    ) {
        let mut order = Order::incoming(&market(1, 1, Buy, 1000, 0));
        (order.maker_bps, order.taker_bps) = rates;
        for (price, quantity, maker) in fills {
            let liquidity = if maker { Liquidity::Maker } else { Liquidity::Taker };
            order.fill(liquidity, quantity, i128::from(price) * i128::from(quantity));
        }
        let held = order.taker_notional + order.maker_notional + order.charged + extra;
        prop_assert_eq!(affordable(&order, held, price, wanted), trying(&order, held, i128::from(price), wanted));
    }

    #[test]
    fn a_fee_is_the_same_in_few_bits_and_in_many(
        maker_bps in any::<u32>(), taker_bps in any::<u32>(),
        maker in 0i128..1_000_000_000_000_000_000_000, taker in 0i128..1_000_000_000_000, few in any::<bool>(),
    ) {
        let maker = if few { maker % 1_000_000_000 } else { maker };
        let basis = i128::from(maker_bps) * maker + i128::from(taker_bps) * taker;
        let fee = fee_due(maker_bps, maker, taker_bps, taker);
        prop_assert!(fee * 10_000 >= basis && (fee - 1) * 10_000 < basis);
    }
}
