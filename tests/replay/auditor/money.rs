//! Balances and orders, the obvious way.

use std::collections::BTreeMap;

use super::records::Rec;

/// A user, and an asset or an order of theirs.
pub(crate) type Who = (String, String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) user: String,
    pub(crate) symbol: String,
    pub(crate) buy: bool,
    pub(crate) market: bool,
    /// A limit order that may stay in the book.
    pub(crate) rests: bool,
    pub(crate) price: i128,
    pub(crate) quantity: i128,
    pub(crate) leaves: i128,
    pub(crate) cum: i128,
    pub(crate) maker_bps: i128,
    pub(crate) taker_bps: i128,
    pub(crate) maker_notional: i128,
    pub(crate) taker_notional: i128,
    pub(crate) charged: i128,
    pub(crate) held: i128,
    /// Price, total and extra of each amend that the book has not answered.
    pub(crate) undecided: Vec<(i128, i128, i128)>,
    pub(crate) open: bool,
}

pub(crate) fn ceil_div(of: i128, by: i128) -> i128 {
    -((-of).div_euclid(by))
}

impl Order {
    pub(crate) fn held_asset(&self) -> String {
        if self.buy { "USD".to_owned() } else { self.symbol.clone() }
    }

    pub(crate) fn extra(&self) -> i128 {
        self.undecided.iter().map(|(_, _, extra)| extra).sum()
    }

    /// Held, leaves and cum.
    pub(crate) fn figures(&self) -> (i128, u64, u64) {
        (self.held, u64::try_from(self.leaves).unwrap(), u64::try_from(self.cum).unwrap())
    }

    pub(crate) fn max_bps(&self) -> i128 {
        self.maker_bps.max(self.taker_bps)
    }

    fn basis(&self) -> i128 {
        self.taker_bps * self.taker_notional + self.maker_bps * self.maker_notional
    }

    pub(crate) fn need(&self, price: i128, leaves: i128) -> i128 {
        if leaves == 0 {
            0
        } else if self.buy {
            let notional = price * leaves;
            notional + ceil_div(self.basis() + self.max_bps() * notional, 10_000) - self.charged
        } else {
            leaves * 10_000
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Money {
    pub(crate) available: BTreeMap<Who, i128>,
    pub(crate) orders: BTreeMap<Who, Order>,
}

impl Money {
    pub(crate) fn available(&self, user: &str, asset: &str) -> i128 {
        self.available.get(&(user.to_owned(), asset.to_owned())).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, user: &str, asset: &str, units: i128) {
        let available = self.available.entry((user.to_owned(), asset.to_owned())).or_default();
        *available += units;
        assert!(*available >= 0, "{user} has {available} {asset} available after {units}");
    }

    /// A stage's record, as a view takes it.
    pub(crate) fn apply(&mut self, rec: &Rec) {
        match rec.event_type.as_str() {
            "AccountCredited" => self.add(&rec.text("userId"), &rec.text("asset"), rec.units("amount")),
            "AccountDebited" => self.add(&rec.text("userId"), &rec.text("asset"), -rec.units("amount")),
            "OrderAccepted" => self.accept(rec, rec.units("reserved"), rec.whole("makerBps"), rec.whole("takerBps")),
            "AmendAccepted" => {
                let amend = (rec.units("price"), rec.whole("quantity"), rec.units("extraReserved"));
                self.amend(&order_of(rec), amend);
            }
            _ => self.apply_matched(rec),
        }
    }

    /// What matching says; anything else changes nothing.
    pub(crate) fn apply_matched(&mut self, rec: &Rec) {
        if rec.stamp.as_ref().is_none_or(|stamp| stamp.stream.0 != "books") {
            return;
        }
        match rec.event_type.as_str() {
            "OrderFilled" => self.fill(rec),
            "OrderCanceled" | "OrderExpired" | "OrderRejected" => self.close(&order_of(rec)),
            "OrderAmended" => self.amended(rec),
            "AmendRejected" => {
                let (user, asset, extra) = {
                    let order = self.orders.get_mut(&order_of(rec)).unwrap();
                    let (_, _, extra) = order.undecided.remove(0);
                    (order.user.clone(), order.held_asset(), extra)
                };
                assert_eq!(extra, rec.units("extraReserved"), "{rec:?}");
                self.add(&user, &asset, extra);
            }
            "CancelRejected" => {}
            other => panic!("matching does not write {other}"),
        }
    }

    /// Opens the order that a record names the terms of.
    pub(crate) fn accept(&mut self, rec: &Rec, held: i128, maker_bps: i128, taker_bps: i128) {
        let market = rec.text("orderType") == "market";
        let time_in_force = rec.payload()["timeInForce"].as_str().unwrap_or(if market { "ioc" } else { "gtc" });
        let order = Order {
            user: rec.text("userId"),
            symbol: rec.text("symbol"),
            buy: rec.text("side") == "buy",
            market,
            rests: matches!(time_in_force, "gtc" | "day"),
            price: rec.maybe_units("price").unwrap_or_default(),
            quantity: rec.whole("quantity"),
            leaves: rec.whole("quantity"),
            cum: 0,
            maker_bps,
            taker_bps,
            maker_notional: 0,
            taker_notional: 0,
            charged: 0,
            held,
            undecided: Vec::new(),
            open: true,
        };
        self.add(&order.user, &order.held_asset(), -held);
        let before = self.orders.insert(order_of(rec), order);
        assert!(before.is_none(), "accepted twice: {rec:?}");
    }

    /// Keeps an amend's extra apart until the book answers.
    pub(crate) fn amend(&mut self, who: &Who, amend: (i128, i128, i128)) {
        let order = self.orders.get_mut(who).unwrap();
        order.undecided.push(amend);
        let (user, asset) = (order.user.clone(), order.held_asset());
        self.add(&user, &asset, -amend.2);
    }

    fn fill(&mut self, rec: &Rec) {
        let (price, quantity) = (rec.units("price"), rec.whole("quantity"));
        let mut order = self.orders.remove(&order_of(rec)).unwrap();
        assert!(order.open && quantity <= order.leaves && quantity > 0, "{rec:?} of {order:?}");
        let notional = price * quantity;
        if rec.text("liquidity") == "taker" {
            order.taker_notional += notional;
        } else {
            order.maker_notional += notional;
        }
        order.leaves -= quantity;
        order.cum += quantity;
        order.open = order.leaves > 0;
        let fee = ceil_div(order.basis(), 10_000) - order.charged;
        order.charged += fee;
        let told = (rec.units("fee"), rec.whole("leavesQuantity"), rec.whole("cumQuantity"));
        assert_eq!(told, (fee, order.leaves, order.cum), "fee, leaves or cum: {rec:?}");
        if order.buy {
            assert!(order.market || price <= order.price, "dearer than allowed: {rec:?}");
            let left = order.held - notional - fee;
            let rest = if order.leaves > 0 && order.market { left } else { order.need(order.price, order.leaves) };
            assert!(left >= rest && rest >= 0, "a negative release: {rec:?} {order:?}");
            order.held = rest;
            self.add(&order.user, "USD", left - rest);
            self.add(&order.user, &order.symbol, quantity * 10_000);
        } else {
            assert!(order.market || price >= order.price, "cheaper than allowed: {rec:?}");
            order.held -= quantity * 10_000;
            assert!(order.held >= 0 && notional >= fee, "{rec:?} {order:?}");
            self.add(&order.user, "USD", notional - fee);
        }
        self.orders.insert(order_of(rec), order);
    }

    fn close(&mut self, who: &Who) {
        let order = self.orders.get_mut(who).unwrap();
        assert!(order.open, "closed twice: {order:?}");
        let (user, asset, held) = (order.user.clone(), order.held_asset(), order.held);
        (order.held, order.leaves, order.open) = (0, 0, false);
        self.add(&user, &asset, held);
    }

    fn amended(&mut self, rec: &Rec) {
        let order = self.orders.get_mut(&order_of(rec)).unwrap();
        assert!(order.open, "{rec:?} of {order:?}");
        let amend = order.undecided.remove(0);
        assert_eq!(amend, (rec.units("price"), rec.whole("quantity"), rec.units("extraReserved")), "{rec:?}");
        let (price, quantity, extra) = amend;
        (order.price, order.quantity, order.leaves) = (price, quantity, quantity - order.cum);
        assert_eq!(order.leaves, rec.whole("leavesQuantity"), "{rec:?}");
        let need = order.need(price, order.leaves);
        let release = order.held + extra - need;
        assert!(release >= 0, "a negative release: {rec:?} {order:?}");
        order.held = need;
        let (user, asset) = (order.user.clone(), order.held_asset());
        self.add(&user, &asset, release);
    }
}

pub(crate) fn order_of(rec: &Rec) -> Who {
    (rec.text("userId"), rec.text("orderId"))
}
