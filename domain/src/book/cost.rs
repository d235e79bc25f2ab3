//! What a fill costs: fees over an order's whole life, and how many shares a budget buys.
//!
//! Both are exact. Within the book's bounds no product passes 10^35, so nothing here ever saturates.

use super::order::Order;
use crate::planted::{self, Bug};

/// Rates are in parts of this.
const BPS: i128 = 10_000;
/// No order can cost as much: 10^21 of notional and 2^32 bps of fees are far below.
const BUDGET_MAX: i128 = 1_000_000_000_000_000_000_000_000_000_000;

/// Price times quantity, in 1/10000.
pub(super) fn notional(price: i64, quantity: u64) -> i128 {
    i128::from(price).saturating_mul(i128::from(quantity))
}

/// All fees of an order so far: the sum over its fills, rounded up once.
///
/// So any split into fills costs the same.
pub(super) fn fee_due(maker_bps: u32, maker_notional: i128, taker_bps: u32, taker_notional: i128) -> i128 {
    if planted::is(Bug::FeeRoundedDown) {
        return basis(maker_bps, maker_notional, taker_bps, taker_notional) / BPS;
    }
    match small_basis(maker_bps, maker_notional, taker_bps, taker_notional) {
        Some(basis) => i128::from(basis.div_ceil(10_000)),
        None => basis(maker_bps, maker_notional, taker_bps, taker_notional).saturating_add(9_999) / BPS,
    }
}

/// The shares at `price`, at most `quantity`, that a market buy can pay within `budget`, fee included.
///
/// The cost of all its fills is `spent + ceil(fees)`, and `ceil(x / 10000) <= k` holds exactly where `x <= 10000·k`. So
/// `q` shares fit exactly where `q·price·(10000 + takerBps) <= 10000·(budget − spent) − basis`.
pub(super) fn affordable(order: &Order, budget: i128, price: i64, quantity: u64) -> u64 {
    let spent = order.taker_notional.saturating_add(order.maker_notional);
    let basis = basis(order.maker_bps, order.maker_notional, order.taker_bps, order.taker_notional);
    let room = budget.min(BUDGET_MAX).saturating_sub(spent).saturating_mul(BPS).saturating_sub(basis);
    let share = i128::from(price).saturating_mul(BPS.saturating_add(i128::from(order.taker_bps)));
    let shares = room.checked_div(share).unwrap_or(0);
    u64::try_from(shares.max(0)).unwrap_or(u64::MAX).min(quantity)
}

/// Fees times 10000, before rounding.
fn basis(maker_bps: u32, maker_notional: i128, taker_bps: u32, taker_notional: i128) -> i128 {
    let maker = maker_notional.saturating_mul(i128::from(maker_bps));
    let taker = taker_notional.saturating_mul(i128::from(taker_bps));
    maker.saturating_add(taker)
}

/// The same where 64 bits are enough, which is nearly always, and a division ten times as fast.
fn small_basis(maker_bps: u32, maker_notional: i128, taker_bps: u32, taker_notional: i128) -> Option<u64> {
    let maker = u64::try_from(maker_notional).ok()?.checked_mul(u64::from(maker_bps))?;
    let taker = u64::try_from(taker_notional).ok()?.checked_mul(u64::from(taker_bps))?;
    maker.checked_add(taker)
}
