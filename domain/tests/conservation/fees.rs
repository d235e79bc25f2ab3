//! A fee depends on what was traded, not on how many fills it took.

use orderledger_domain::event::{OrderAccepted, OrderFilled, Terms};
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_domain::money::{Amount, BasisPoints, Price, Quantity};
use orderledger_domain::order::{Order, Status};
use orderledger_domain::terms::{Liquidity, OrderType, Side, TimeInForce};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::exchange::symbol;

/// A fill's shares, how far its price is from the limit, and whether the order was the taker.
type Part = (u64, i64, bool);

#[derive(Clone, Copy, Debug)]
struct Rates {
    maker: u32,
    taker: u32,
}

fn ceil_div(of: i128, by: i128) -> i128 {
    (of + by - 1) / by
}

/// The fee of all notional at once.
fn fee_at_once(price: i64, parts: &[Part], rates: Rates) -> i128 {
    let basis = parts.iter().map(|(quantity, off, taker)| {
        let rate = if *taker { rates.taker } else { rates.maker };
        i128::from(price - off) * i128::from(*quantity) * i128::from(rate)
    });
    ceil_div(basis.sum(), 10_000)
}

/// The order after these fills, each with the fee that makes the sum right.
fn filled(side: Side, price: i64, parts: &[Part], rates: Rates) -> Order {
    let total: u64 = parts.iter().map(|(quantity, _, _)| quantity).sum();
    let notional = i128::from(price) * i128::from(total);
    let reserved = match side {
        Side::Buy => notional + ceil_div(notional * i128::from(rates.maker.max(rates.taker)), 10_000),
        Side::Sell => i128::from(total) * 10_000,
    };
    let terms = Terms {
        order_id: OrderId::new("o").unwrap(),
        user_id: UserId::new("u").unwrap(),
        symbol: symbol(),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        quantity: Quantity::new(total).unwrap(),
        price: Some(Price::from_units(i128::from(price)).unwrap()),
        max_cost: None,
        client_order_id: None,
    };
    let accepted = OrderAccepted {
        terms,
        reserved: Amount::from_units(reserved),
        maker_bps: BasisPoints::new(rates.maker).unwrap(),
        taker_bps: BasisPoints::new(rates.taker).unwrap(),
    };
    let (mut order, _) = Order::accept(&accepted, 0);
    for (number, (quantity, off, taker)) in parts.iter().enumerate() {
        let so_far = order.cum_quantity.shares() + quantity;
        let fee = fee_at_once(price, &parts[..=number], rates) - fee_at_once(price, &parts[..number], rates);
        let fill = OrderFilled {
            order_id: order.order_id.clone(),
            user_id: order.user_id.clone(),
            symbol: order.symbol,
            side,
            trade_id: String::from("AAPL-1"),
            price: Price::from_units(i128::from(price - off)).unwrap(),
            quantity: Quantity::new(*quantity).unwrap(),
            fee: Amount::from_units(fee),
            liquidity: if *taker { Liquidity::Taker } else { Liquidity::Maker },
            cum_quantity: Quantity::new(so_far).unwrap(),
            leaves_quantity: Quantity::new(total - so_far).unwrap(),
        };
        order.fill(&fill).unwrap();
    }
    order
}

proptest! {
    #[test]
    fn any_split_into_fills_costs_the_same(
        buy in any::<bool>(), price in 1_000..10_000_000_000_i64, off in 0..1_000_i64, taker in any::<bool>(),
        sizes in vec(1..1_000_u64, 1..20), maker_bps in 0..=1000_u32, taker_bps in 0..=1000_u32,
    ) {
        let (side, rates) = (if buy { Side::Buy } else { Side::Sell }, Rates { maker: maker_bps, taker: taker_bps });
        let parts: Vec<Part> = sizes.iter().map(|size| (*size, off, taker)).collect();
        let split = filled(side, price, &parts, rates);
        let whole = filled(side, price, &[(sizes.iter().sum(), off, taker)], rates);
        prop_assert_eq!(split.charged, whole.charged);
        prop_assert_eq!((split.status, split.held), (Status::Filled, Amount::ZERO));
    }

    #[test]
    fn fills_as_maker_and_as_taker_are_rounded_together(
        buy in any::<bool>(), price in 1..200_i64,
        parts in vec((1..50_u64, Just(0_i64), any::<bool>()), 1..20), maker_bps in 0..=1000_u32, taker_bps in 0..=1000_u32,
    ) {
        let (side, rates) = (if buy { Side::Buy } else { Side::Sell }, Rates { maker: maker_bps, taker: taker_bps });
        let order = filled(side, price, &parts, rates);
        let mut sorted = parts.clone();
        sorted.sort_by_key(|(_, _, taker)| *taker);
        prop_assert_eq!(order.charged, filled(side, price, &sorted, rates).charged);
        prop_assert_eq!(order.charged.units(), fee_at_once(price, &parts, rates));
        prop_assert_eq!((order.status, order.held), (Status::Filled, Amount::ZERO));
    }
}
