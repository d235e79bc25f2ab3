//! Money the obvious way: maps of numbers in 1/10000, every event applied as the chapter on money says it, nothing shared
//! with the aggregates that the stages and the settlement view use.

use std::collections::{BTreeMap, VecDeque};

use orderledger_domain::account::LedgerAccount;
use orderledger_domain::event::{Event, OrderAccepted, Terms};
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::order::Status;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::terms::{OrderType, Side};

use self::events::Step;
use super::report::{Check, Report};

mod events;

/// One share, in 1/10000.
const SHARE: i128 = 10_000;

/// Price, total and open quantity of an order where an amend was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AmendBase {
    pub(super) price: i128,
    pub(super) quantity: i128,
    pub(super) leaves: i128,
}

/// An order, open or closed.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) created: Position,
    pub(super) symbol: Symbol,
    pub(super) side: Side,
    pub(super) status: Status,
    pub(super) priced: bool,
    /// As it is now.
    pub(super) now: AmendBase,
    /// As it was placed.
    pub(super) placed: AmendBase,
    pub(super) cum: i128,
    pub(super) held: i128,
    pub(super) charged: i128,
    maker_notional: i128,
    taker_notional: i128,
    maker_bps: i128,
    taker_bps: i128,
    /// Amends that the book has not answered: price, total, extra.
    undecided: VecDeque<(i128, i128, i128)>,
}

/// What a user has of an asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Balance {
    pub(super) available: i128,
    pub(super) reserved: i128,
}

/// All accounts and orders.
#[derive(Debug, Default)]
pub(super) struct Money {
    pub(super) balances: BTreeMap<UserId, BTreeMap<Asset, Balance>>,
    pub(super) system: BTreeMap<(u32, LedgerAccount, Asset), i128>,
    pub(super) orders: BTreeMap<UserId, BTreeMap<OrderId, Order>>,
}

impl Order {
    fn of(terms: &Terms, created: Position) -> Order {
        let quantity = i128::from(terms.quantity.shares());
        let price = terms.price.map_or(0, |price| i128::from(price.units()));
        let placed = AmendBase { price, quantity, leaves: quantity };
        Order {
            created,
            symbol: terms.symbol,
            side: terms.side,
            status: Status::New,
            priced: terms.price.is_some(),
            now: placed,
            placed,
            cum: 0,
            held: 0,
            charged: 0,
            maker_notional: 0,
            taker_notional: 0,
            maker_bps: 0,
            taker_bps: 0,
            undecided: VecDeque::new(),
        }
    }

    fn asset(&self) -> Asset {
        if self.side == Side::Buy { Asset::USD } else { self.symbol.asset() }
    }

    pub(super) fn notional(&self) -> i128 {
        self.maker_notional + self.taker_notional
    }

    /// Fees × 10000 of everything so far.
    fn basis(&self) -> i128 {
        self.taker_bps * self.taker_notional + self.maker_bps * self.maker_notional
    }

    /// What must be held for the open shares; none where a budget is held.
    fn need(&self) -> Option<i128> {
        let AmendBase { price, leaves, .. } = self.now;
        match self.side {
            _ if leaves == 0 => Some(0),
            Side::Sell => Some(leaves * SHARE),
            Side::Buy if !self.priced => None,
            Side::Buy => {
                let dearest = self.maker_bps.max(self.taker_bps);
                Some(price * leaves + up(self.basis() + dearest * price * leaves) - self.charged)
            }
        }
    }
}

/// ⌈x / 10000⌉ for x ≥ 0.
fn up(x: i128) -> i128 {
    x / 10_000 + i128::from(x % 10_000 != 0)
}

/// What an accepted order must reserve; none for a market buy, which reserves a budget.
pub(super) fn first_need(accepted: &OrderAccepted) -> Option<i128> {
    let terms = &accepted.terms;
    if terms.side == Side::Buy && terms.order_type == OrderType::Market {
        return terms.max_cost.map(|budget| budget.units());
    }
    let mut order = Order::of(terms, Topic::Orders.at(0).offset(0));
    order.maker_bps = i128::from(accepted.maker_bps.rate());
    order.taker_bps = i128::from(accepted.taker_bps.rate());
    order.need()
}

/// What an amend must reserve beside what is held: D + ⌈maxBps·D/10000⌉ for a buy, the further shares for a sell.
pub(super) fn amend_extra(order: &Order, base: AmendBase, price: i128, quantity: i128) -> i128 {
    let more = (quantity - base.quantity).max(0);
    if order.side == Side::Sell {
        return more * SHARE;
    }
    let dearer = (price - base.price).max(0) * base.leaves + price * more;
    dearer + up(order.maker_bps.max(order.taker_bps) * dearer)
}

impl Money {
    pub(super) fn order(&self, user: &UserId, order_id: &OrderId) -> Option<&Order> {
        self.orders.get(user)?.get(order_id)
    }

    pub(super) fn amend_base(&self, user: &UserId, order_id: &OrderId) -> Option<AmendBase> {
        self.order(user, order_id).map(|order| order.now)
    }

    /// Applies the next record of a stream in `orders`.
    pub(super) fn apply(&mut self, at: Position, cause: Position, event: &Event, report: &mut Report) {
        let mut step = Step { at, money: self, report };
        match event {
            Event::AccountCredited(e) => step.outside(&e.user_id, e.asset, e.amount.units()),
            Event::AccountDebited(e) => step.outside(&e.user_id, e.asset, -e.amount.units()),
            Event::AccountAdjusted(adjusted) => step.adjusted(&adjusted.adjustment),
            Event::OrderAccepted(accepted) => step.accepted(cause, accepted),
            Event::OrderRejected(rejected) if cause.topic == Topic::Orders => step.rejected(cause, rejected),
            Event::OrderRejected(e) => step.close(&e.terms.user_id, &e.terms.order_id, Status::Rejected, None),
            Event::OrderFilled(fill) => step.filled(fill),
            Event::OrderCanceled(e) => {
                let left = Some(i128::from(e.canceled_quantity.shares()));
                step.close(&e.user_id, &e.order_id, Status::Canceled, left);
            }
            Event::OrderExpired(e) => {
                let left = Some(i128::from(e.expired_quantity.shares()));
                step.close(&e.user_id, &e.order_id, Status::Expired, left);
            }
            Event::AmendAccepted(amend) => step.amend_accepted(amend),
            Event::OrderAmended(amend) => step.amended(amend),
            Event::AmendRejected(e) if cause.topic == Topic::Books => {
                step.amend_rejected(&e.user_id, &e.order_id, e.extra_reserved.units());
            }
            _ => return,
        }
        report.count(Check::Money);
    }

    /// What must hold once nothing is on its way: clearing is empty, closed orders hold nothing, open ones their need.
    pub(super) fn finish(&self, is_settled: bool, report: &mut Report) {
        let mut sums: BTreeMap<Asset, i128> = BTreeMap::new();
        let mut clearing: BTreeMap<Asset, i128> = BTreeMap::new();
        for ((_, account, asset), amount) in &self.system {
            *sums.entry(*asset).or_default() += amount;
            if *account == LedgerAccount::Clearing {
                *clearing.entry(*asset).or_default() += amount;
            }
        }
        for (asset, balance) in self.balances.values().flatten() {
            *sums.entry(*asset).or_default() += balance.available + balance.reserved;
        }
        for (asset, sum) in sums {
            report.compare(Check::Money, format!("the sum over all accounts of {asset}"), &0, &sum, decimal);
        }
        if !is_settled {
            return;
        }
        for (asset, sum) in clearing {
            report.compare(Check::Money, format!("clearing of {asset}"), &0, &sum, decimal);
        }
        for (user, order_id, order) in self.all_orders() {
            let expected = if order.status.is_open() { order.need().unwrap_or(order.held) } else { 0 };
            let extra: i128 = order.undecided.iter().map(|(.., extra)| extra).sum();
            let at = || format!("what order {order_id} of {user} holds");
            report.compare(Check::Money, at(), &(expected, 0), &(order.held, extra), |(held, extra)| {
                format!("{} and {} for amends", decimal(held), decimal(extra))
            });
        }
    }

    pub(super) fn all_orders(&self) -> impl Iterator<Item = (&UserId, &OrderId, &Order)> {
        self.orders.iter().flat_map(|(user, orders)| orders.iter().map(move |(id, order)| (user, id, order)))
    }
}

/// An amount as people read it.
pub(super) fn decimal(units: &i128) -> String {
    orderledger_domain::money::Amount::from_units(*units).to_string()
}
