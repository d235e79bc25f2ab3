//! Whether an order is granted, and what it reserves: follows from its terms, the fees and what may be spent alone.

use orderledger_domain::event::{FeeSchedule, OrderAccepted, Terms};
use orderledger_domain::ids::Asset;
use orderledger_domain::money::Amount;
use orderledger_domain::order::Order;
use orderledger_domain::reason::Rejection;
use orderledger_domain::terms::{OrderType, Side, TimeInForce};

/// The acceptance with what it reserves, or why not. `available` says what the user may spend of an asset.
pub fn grant(
    terms: &Terms,
    fees: FeeSchedule,
    available: impl Fn(Asset) -> Amount,
) -> Result<OrderAccepted, Rejection> {
    if !terms_agree(terms) {
        return Err(Rejection::InvalidTerms);
    }
    if terms.price.is_some_and(|price| price.times(terms.quantity) > Amount::MAX_NOTIONAL) {
        return Err(Rejection::NotionalTooLarge);
    }
    let FeeSchedule { maker_bps, taker_bps } = fees;
    let accepted = OrderAccepted { terms: terms.clone(), reserved: Amount::ZERO, maker_bps, taker_bps };
    let (order, _) = Order::accept(&accepted, 0);
    let available = available(order.held_asset());
    let reserved = need(&order, terms.max_cost).unwrap_or(available);
    if reserved.is_zero() || reserved > available {
        return Err(insufficient(order.side));
    }
    Ok(OrderAccepted { reserved, ..accepted })
}

/// What an order of these terms must reserve; none for a market buy without a budget, which reserves all there is.
pub fn required(terms: &Terms, fees: FeeSchedule) -> Option<Amount> {
    let FeeSchedule { maker_bps, taker_bps } = fees;
    let accepted = OrderAccepted { terms: terms.clone(), reserved: Amount::ZERO, maker_bps, taker_bps };
    need(&Order::accept(&accepted, 0).0, terms.max_cost)
}

fn need(order: &Order, max_cost: Option<Amount>) -> Option<Amount> {
    match (order.side, order.price) {
        (Side::Buy, None) => max_cost,
        (Side::Buy, Some(price)) => Some(order.need(price, order.quantity)),
        (Side::Sell, _) => Some(order.quantity.amount()),
    }
}

fn terms_agree(terms: &Terms) -> bool {
    let market = terms.order_type == OrderType::Market;
    let priced = terms.price.is_some() != market;
    let lives = !market || matches!(terms.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    let rests = !terms.post_only || (!market && terms.time_in_force.rests());
    let capped = terms.max_cost.is_none() || (market && terms.side == Side::Buy);
    priced && lives && rests && capped
}

/// Why an order of that side is not granted when its user has too little.
pub(super) const fn insufficient(side: Side) -> Rejection {
    match side {
        Side::Buy => Rejection::InsufficientFunds,
        Side::Sell => Rejection::InsufficientShares,
    }
}
