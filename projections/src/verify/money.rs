//! Money the obvious way: maps of numbers in 1/10000, every event applied as the chapter on money says it, nothing shared
//! with the aggregates that the stages and the settlement view use.

use std::collections::{BTreeMap, VecDeque};

use orderledger_domain::account::LedgerAccount;
use orderledger_domain::event::{AmendAccepted, Event, OrderAccepted, OrderAmended, OrderFilled, OrderRejected, Terms};
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::order::Status;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::terms::{Liquidity, OrderType, Side};

use super::report::{Check, Report};

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

/// One record being applied.
struct Step<'a> {
    at: Position,
    money: &'a mut Money,
    report: &'a mut Report,
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

    fn outside(&mut self, user: &UserId, asset: Asset, amount: i128) {
        self.add(user, asset, amount, 0);
        self.system(LedgerAccount::Outside, asset, -amount);
    }

    fn begin(&mut self, terms: &Terms, order: Order) {
        let (user, order_id) = (terms.user_id.clone(), terms.order_id.clone());
        if self.money.order(&user, &order_id).is_some() {
            self.differs(format!("order {order_id} of {user} judged once"), "another judgement");
        }
        self.money.orders.entry(user).or_default().insert(order_id, order);
    }

    fn accepted(&mut self, cause: Position, accepted: &OrderAccepted) {
        let reserved = accepted.reserved.units();
        let mut order = Order::of(&accepted.terms, cause);
        order.held = reserved;
        order.maker_bps = i128::from(accepted.maker_bps.rate());
        order.taker_bps = i128::from(accepted.taker_bps.rate());
        self.add(&accepted.terms.user_id, order.asset(), -reserved, reserved);
        self.begin(&accepted.terms, order);
    }

    fn rejected(&mut self, cause: Position, rejected: &OrderRejected) {
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

    fn filled(&mut self, fill: &OrderFilled) {
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
            self.differs(
                "a fill within the order's terms",
                super::streams::event_text(&Event::OrderFilled(fill.clone())),
            );
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

    fn close(&mut self, user: &UserId, order_id: &OrderId, status: Status, left: Option<i128>) {
        let Some(mut order) = self.take(user, order_id, true) else { return };
        if let Some(left) = left {
            self.must_be("open quantity", order.now.leaves * SHARE, left * SHARE);
        }
        let held = order.held;
        self.add(user, order.asset(), held, -held);
        (order.held, order.now.leaves, order.status) = (0, 0, status);
        self.put(user, order_id, order);
    }

    fn amend_accepted(&mut self, amend: &AmendAccepted) {
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

    fn amended(&mut self, amend: &OrderAmended) {
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

    fn amend_rejected(&mut self, user: &UserId, order_id: &OrderId, extra: i128) {
        let Some(mut order) = self.take(user, order_id, false) else { return };
        self.decide(&mut order, extra);
        self.add(user, order.asset(), extra, -extra);
        self.put(user, order_id, order);
    }
}
