//! What each event does to balances and orders.

use std::collections::BTreeMap;

use orderledger_domain::account::LedgerAccount;
use orderledger_domain::event::{
    Adjustment, AmendAccepted, Direction, Event, OrderAccepted, OrderAmended, OrderFilled, OrderRejected, Terms,
};
use orderledger_domain::ids::{Asset, OrderId, UserId};
use orderledger_domain::order::Status;
use orderledger_domain::position::Position;
use orderledger_domain::terms::{Liquidity, Side};

use super::{AmendBase, Balance, Money, Order, SHARE, decimal, up};
use crate::verify::report::{Check, Report};
use crate::verify::streams::event_text;

/// One record being applied.
pub(super) struct Step<'a> {
    pub(super) at: Position,
    pub(super) money: &'a mut Money,
    pub(super) report: &'a mut Report,
}

impl Step<'_> {
    fn differs(&mut self, expected: impl Into<String>, found: impl Into<String>) {
        self.report.differs(Check::Money, self.at, expected, found);
    }

    fn must_be(&mut self, what: &str, expected: i128, found: i128) {
        if expected != found {
            self.differs(format!("{what} {}", decimal(&expected)), format!("{what} {}", decimal(&found)));
        }
    }

    /// Changes a user's balance; neither part may fall below zero.
    fn add(&mut self, user: &UserId, asset: Asset, available: i128, reserved: i128) {
        if !self.money.balances.contains_key(user) {
            self.money.balances.insert(user.clone(), BTreeMap::new());
        }
        let Some(balance) = self.money.balances.get_mut(user).map(|assets| assets.entry(asset).or_default()) else {
            return;
        };
        balance.available += available;
        balance.reserved += reserved;
        let Balance { available, reserved } = *balance;
        if available < 0 || reserved < 0 {
            let found = format!("available {} and reserved {}", decimal(&available), decimal(&reserved));
            self.differs(format!("{asset} of {user} never below zero"), found);
        }
    }

    fn system(&mut self, account: LedgerAccount, asset: Asset, amount: i128) {
        if amount != 0 {
            *self.money.system.entry((self.at.partition, account, asset)).or_default() += amount;
        }
    }

    pub(super) fn outside(&mut self, user: &UserId, asset: Asset, amount: i128) {
        self.add(user, asset, amount, 0);
        self.system(LedgerAccount::Outside, asset, -amount);
    }

    pub(super) fn adjusted(&mut self, adjustment: &Adjustment) {
        let Adjustment { user_id, asset, direction, amount, .. } = adjustment;
        let given = match direction {
            Direction::Credit => amount.units(),
            Direction::Debit => -amount.units(),
        };
        self.add(user_id, *asset, given, 0);
        self.system(LedgerAccount::Adjustments, *asset, -given);
    }

    fn begin(&mut self, terms: &Terms, order: Order) {
        let (user, order_id) = (terms.user_id.clone(), terms.order_id.clone());
        if self.money.order(&user, &order_id).is_some() {
            self.differs(format!("order {order_id} of {user} judged once"), "another judgement");
        }
        self.money.orders.entry(user).or_default().insert(order_id, order);
    }

    pub(super) fn accepted(&mut self, cause: Position, accepted: &OrderAccepted) {
        let reserved = accepted.reserved.units();
        let mut order = Order::of(&accepted.terms, cause);
        order.held = reserved;
        order.maker_bps = i128::from(accepted.maker_bps.rate());
        order.taker_bps = i128::from(accepted.taker_bps.rate());
        self.add(&accepted.terms.user_id, order.asset(), -reserved, reserved);
        self.begin(&accepted.terms, order);
    }

    pub(super) fn rejected(&mut self, cause: Position, rejected: &OrderRejected) {
        let mut order = Order::of(&rejected.terms, cause);
        order.status = Status::Rejected;
        order.now.leaves = 0;
        self.begin(&rejected.terms, order);
    }

    /// Takes an order out to change it; it goes back with [`Step::put`].
    fn take(&mut self, user: &UserId, order_id: &OrderId, must_be_open: bool) -> Option<Order> {
        let order = self.money.orders.get_mut(user).and_then(|orders| orders.get(order_id)).cloned();
        match &order {
            None => self.differs(format!("an order {order_id} of {user}"), "none was accepted"),
            Some(order) if must_be_open && !order.status.is_open() => {
                let found = format!("it is {}", order.status.as_str());
                self.differs(format!("order {order_id} of {user} open"), found);
            }
            Some(_) => {}
        }
        order
    }

    fn put(&mut self, user: &UserId, order_id: &OrderId, order: Order) {
        if let Some(slot) = self.money.orders.get_mut(user).and_then(|orders| orders.get_mut(order_id)) {
            *slot = order;
        }
    }

    pub(super) fn filled(&mut self, fill: &OrderFilled) {
        let (user, order_id) = (&fill.user_id, &fill.order_id);
        let Some(mut order) = self.take(user, order_id, true) else { return };
        let (price, shares) = (i128::from(fill.price.units()), i128::from(fill.quantity.shares()));
        let cost = price * shares;
        match fill.liquidity {
            Liquidity::Maker => order.maker_notional += cost,
            Liquidity::Taker => order.taker_notional += cost,
        }
        order.now.leaves -= shares;
        order.cum += shares;
        let fee = up(order.basis()) - order.charged;
        order.charged += fee;
        self.must_be("fee", fee, fill.fee.units());
        self.must_be("leavesQuantity", order.now.leaves * SHARE, i128::from(fill.leaves_quantity.shares()) * SHARE);
        self.must_be("cumQuantity", order.cum * SHARE, i128::from(fill.cum_quantity.shares()) * SHARE);
        order.status = if order.now.leaves == 0 { Status::Filled } else { Status::PartiallyFilled };
        let within_price =
            !order.priced || if order.side == Side::Buy { price <= order.now.price } else { price >= order.now.price };
        if order.now.leaves < 0 || !within_price || (fill.side, fill.symbol) != (order.side, order.symbol) {
            self.differs("a fill within the order's terms", event_text(&Event::OrderFilled(fill.clone())));
        }
        let shares_moved = shares * SHARE;
        if order.side == Side::Buy {
            let spent = cost + fee;
            let keep = order.need().unwrap_or(order.held - spent);
            let release = order.held - spent - keep;
            if release < 0 || keep < 0 {
                self.differs("nothing released or kept below zero", format!("{} released", decimal(&release)));
            }
            self.add(user, Asset::USD, release, -spent - release);
            self.add(user, order.symbol.asset(), shares_moved, 0);
            self.system(LedgerAccount::Clearing, Asset::USD, cost);
            self.system(LedgerAccount::Clearing, order.symbol.asset(), -shares_moved);
            order.held = keep;
        } else {
            self.add(user, order.symbol.asset(), 0, -shares_moved);
            self.add(user, Asset::USD, cost - fee, 0);
            self.system(LedgerAccount::Clearing, order.symbol.asset(), shares_moved);
            self.system(LedgerAccount::Clearing, Asset::USD, -cost);
            order.held -= shares_moved;
        }
        self.system(LedgerAccount::Fees, Asset::USD, fee);
        self.put(user, order_id, order);
    }

    pub(super) fn close(&mut self, user: &UserId, order_id: &OrderId, status: Status, left: Option<i128>) {
        let Some(mut order) = self.take(user, order_id, true) else { return };
        if let Some(left) = left {
            self.must_be("open quantity", order.now.leaves * SHARE, left * SHARE);
        }
        let held = order.held;
        self.add(user, order.asset(), held, -held);
        (order.held, order.now.leaves, order.status) = (0, 0, status);
        self.put(user, order_id, order);
    }

    pub(super) fn amend_accepted(&mut self, amend: &AmendAccepted) {
        let (user, order_id) = (&amend.user_id, &amend.order_id);
        let Some(mut order) = self.take(user, order_id, false) else { return };
        let extra = amend.extra_reserved.units();
        self.add(user, order.asset(), -extra, extra);
        let (price, total) = (i128::from(amend.price.units()), i128::from(amend.quantity.shares()));
        order.undecided.push_back((price, total, extra));
        self.put(user, order_id, order);
    }

    /// The extra of the oldest undecided amend, which this record answers.
    fn decide(&mut self, order: &mut Order, extra: i128) {
        let oldest = order.undecided.pop_front().map(|(.., extra)| extra);
        if oldest != Some(extra) {
            let expected = oldest.map_or("an undecided amend".to_owned(), |extra| format!("extra {}", decimal(&extra)));
            self.differs(expected, format!("extra {}", decimal(&extra)));
        }
    }

    pub(super) fn amended(&mut self, amend: &OrderAmended) {
        let (user, order_id) = (&amend.user_id, &amend.order_id);
        let Some(mut order) = self.take(user, order_id, true) else { return };
        let extra = amend.extra_reserved.units();
        self.decide(&mut order, extra);
        let (price, quantity) = (i128::from(amend.price.units()), i128::from(amend.quantity.shares()));
        order.now = AmendBase { price, quantity, leaves: quantity - order.cum };
        self.must_be("leavesQuantity", order.now.leaves * SHARE, i128::from(amend.leaves_quantity.shares()) * SHARE);
        let need = order.need().unwrap_or_default();
        let release = order.held + extra - need;
        if release < 0 {
            self.differs("nothing released below zero", format!("{} released", decimal(&release)));
        }
        self.add(user, order.asset(), release, -release);
        order.held = need;
        self.put(user, order_id, order);
    }

    pub(super) fn amend_rejected(&mut self, user: &UserId, order_id: &OrderId, extra: i128) {
        let Some(mut order) = self.take(user, order_id, false) else { return };
        self.decide(&mut order, extra);
        self.add(user, order.asset(), extra, -extra);
        self.put(user, order_id, order);
    }
}
