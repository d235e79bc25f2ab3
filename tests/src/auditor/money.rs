//! Balances and orders, the obvious way.

use std::collections::BTreeMap;

use super::Findings;
use super::records::{Kind, Rec};
use super::story::Who;

/// An order as its events tell it; prices and amounts in 1/10000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Whose it is.
    pub user: String,
    /// What it trades.
    pub symbol: String,
    /// Buy or sell.
    pub buy: bool,
    /// Without a price.
    pub market: bool,
    /// A limit order that may stay in the book.
    pub rests: bool,
    /// Worst price, 0 for a market order.
    pub price: i128,
    /// Total shares.
    pub quantity: i128,
    /// Shares still to trade.
    pub leaves: i128,
    /// Shares traded.
    pub cum: i128,
    /// Fees of all fills so far.
    pub charged: i128,
    /// What is reserved for it, undecided amends apart.
    pub held: i128,
    /// Price, total and extra of each amend that the book has not answered.
    pub undecided: Vec<(i128, i128, i128)>,
    /// Whether it may still trade.
    pub open: bool,
    /// Its status in the words of FIX, after each event that changed it: offset in its user's partition, status, cum.
    pub history: Vec<(u64, &'static str, i128)>,
    maker_bps: i128,
    taker_bps: i128,
    maker_notional: i128,
    taker_notional: i128,
}

pub(super) fn ceil_div(of: i128, by: i128) -> i128 {
    -((-of).div_euclid(by))
}

impl Order {
    /// The asset that is reserved for it.
    pub fn held_asset(&self) -> String {
        if self.buy { "USD".to_owned() } else { self.symbol.clone() }
    }

    /// What its undecided amends reserve.
    pub fn extra(&self) -> i128 {
        self.undecided.iter().map(|(_, _, extra)| extra).sum()
    }

    /// What it traded for, per share times shares.
    pub fn notional(&self) -> i128 {
        self.maker_notional + self.taker_notional
    }

    /// Its status now.
    pub fn status(&self) -> &'static str {
        self.history.last().map_or("new", |(_, status, _)| status)
    }

    pub(super) fn max_bps(&self) -> i128 {
        self.maker_bps.max(self.taker_bps)
    }

    fn basis(&self) -> i128 {
        self.taker_bps * self.taker_notional + self.maker_bps * self.maker_notional
    }

    pub(super) fn need(&self, price: i128, leaves: i128) -> i128 {
        if leaves == 0 {
            0
        } else if self.buy {
            let notional = price * leaves;
            notional + ceil_div(self.basis() + self.max_bps() * notional, 10_000) - self.charged
        } else {
            leaves * 10_000
        }
    }

    fn changed(&mut self, rec: &Rec, status: &'static str) {
        self.history.push((rec.offset, status, self.cum));
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Money {
    pub(super) available: BTreeMap<Who, i128>,
    pub(super) orders: BTreeMap<Who, Order>,
}

impl Money {
    pub(super) fn available(&self, user: &str, asset: &str) -> i128 {
        self.available.get(&(user.to_owned(), asset.to_owned())).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, user: &str, asset: &str, units: i128) -> Result<(), String> {
        let available = self.available.entry((user.to_owned(), asset.to_owned())).or_default();
        *available += units;
        if *available < 0 {
            return Err(format!("{user} has {available} {asset} available after {units}"));
        }
        Ok(())
    }

    /// A stage's record, as a view takes it.
    pub(super) fn apply(&mut self, rec: &Rec) -> Result<(), String> {
        debug_assert_eq!(rec.kind, Kind::Next);
        match rec.event_type.as_str() {
            "AccountCredited" => self.add(&rec.text("userId")?, &rec.text("asset")?, rec.units("amount")?),
            "AccountDebited" => self.add(&rec.text("userId")?, &rec.text("asset")?, -rec.units("amount")?),
            "AccountAdjusted" => self.add(&rec.text("userId")?, &rec.text("asset")?, rec.given()?),
            "OrderAccepted" => {
                let terms = Terms::of(rec)?;
                self.accept(rec, &terms, rec.units("reserved")?, (rec.whole("makerBps")?, rec.whole("takerBps")?))
            }
            "AmendAccepted" => {
                let amend = (rec.units("price")?, rec.whole("quantity")?, rec.units("extraReserved")?);
                self.amend(&order_of(rec)?, amend)
            }
            _ => self.apply_matched(rec),
        }
        .map_err(|what| format!("{what}: {rec}"))
    }

    /// What matching says; anything else changes nothing.
    pub(super) fn apply_matched(&mut self, rec: &Rec) -> Result<(), String> {
        if !rec.comes_from("books") {
            return Ok(());
        }
        match rec.event_type.as_str() {
            "OrderFilled" => self.fill(rec),
            "OrderCanceled" => self.close(rec, "canceled"),
            "OrderExpired" => self.close(rec, "expired"),
            "OrderRejected" => self.close(rec, "rejected"),
            "OrderAmended" => self.amended(rec),
            "AmendRejected" => {
                let order = self.order(&order_of(rec)?)?;
                let amend = if order.undecided.is_empty() { None } else { Some(order.undecided.remove(0)) };
                let (user, asset) = (order.user.clone(), order.held_asset());
                let extra = rec.units("extraReserved")?;
                if amend.is_none_or(|(_, _, reserved)| reserved != extra) {
                    return Err(format!("releases {extra} of {amend:?}"));
                }
                self.add(&user, &asset, extra)
            }
            "CancelRejected" | "StreamKeyTaken" => Ok(()),
            other => Err(format!("matching does not write {other}")),
        }
    }

    fn order(&mut self, who: &Who) -> Result<&mut Order, String> {
        self.orders.get_mut(who).ok_or_else(|| format!("no order {who:?}"))
    }

    /// Opens an order with these terms.
    pub(super) fn accept(&mut self, rec: &Rec, terms: &Terms, held: i128, bps: (i128, i128)) -> Result<(), String> {
        let order = Order {
            user: terms.user.clone(),
            symbol: terms.symbol.clone(),
            buy: terms.buy,
            market: terms.market,
            rests: matches!(terms.time_in_force.as_str(), "gtc" | "day"),
            price: terms.price.unwrap_or_default(),
            quantity: terms.quantity,
            leaves: terms.quantity,
            cum: 0,
            maker_bps: bps.0,
            taker_bps: bps.1,
            maker_notional: 0,
            taker_notional: 0,
            charged: 0,
            held,
            undecided: Vec::new(),
            open: true,
            history: vec![(rec.offset, "new", 0)],
        };
        let reserved = self.add(&order.user, &order.held_asset(), -held);
        if self.orders.insert(order_of(rec)?, order).is_some() {
            return Err("accepted twice".to_owned());
        }
        reserved
    }

    /// Keeps an amend's extra apart until the book answers.
    pub(super) fn amend(&mut self, who: &Who, amend: (i128, i128, i128)) -> Result<(), String> {
        let order = self.order(who)?;
        order.undecided.push(amend);
        let (user, asset) = (order.user.clone(), order.held_asset());
        self.add(&user, &asset, -amend.2)
    }

    fn fill(&mut self, rec: &Rec) -> Result<(), String> {
        let (price, quantity) = (rec.units("price")?, rec.whole("quantity")?);
        let order = self.order(&order_of(rec)?)?;
        if !order.open || quantity > order.leaves || quantity < 1 {
            return Err(format!("fills {order:?}"));
        }
        let notional = price * quantity;
        if rec.text("liquidity")? == "taker" {
            order.taker_notional += notional;
        } else {
            order.maker_notional += notional;
        }
        order.leaves -= quantity;
        order.cum += quantity;
        order.open = order.leaves > 0;
        let fee = ceil_div(order.basis(), 10_000) - order.charged;
        order.charged += fee;
        let told = (rec.units("fee")?, rec.whole("leavesQuantity")?, rec.whole("cumQuantity")?);
        if told != (fee, order.leaves, order.cum) {
            return Err(format!("fee, leaves and cum are {:?}", (fee, order.leaves, order.cum)));
        }
        order.changed(rec, if order.open { "partially_filled" } else { "filled" });
        let worse = if order.buy { price > order.price } else { price < order.price };
        if worse && !order.market {
            return Err(format!("worse than its limit: {order:?}"));
        }
        let (user, symbol) = (order.user.clone(), order.symbol.clone());
        if order.buy {
            let left = order.held - notional - fee;
            let rest = if order.leaves > 0 && order.market { left } else { order.need(order.price, order.leaves) };
            if left < rest || rest < 0 {
                return Err(format!("a negative release: {order:?}"));
            }
            order.held = rest;
            self.add(&user, "USD", left - rest)?;
            self.add(&user, &symbol, quantity * 10_000)
        } else {
            order.held -= quantity * 10_000;
            if order.held < 0 || notional < fee {
                return Err(format!("more than is held, or a fee above the proceeds: {order:?}"));
            }
            self.add(&user, "USD", notional - fee)
        }
    }

    fn close(&mut self, rec: &Rec, status: &'static str) -> Result<(), String> {
        let told = rec.maybe_whole("canceledQuantity").or_else(|| rec.maybe_whole("expiredQuantity"));
        let order = self.order(&order_of(rec)?)?;
        if !order.open || told.is_some_and(|quantity| quantity != order.leaves) {
            return Err(format!("closes {order:?}"));
        }
        let (user, asset, held) = (order.user.clone(), order.held_asset(), order.held);
        (order.held, order.leaves, order.open) = (0, 0, false);
        order.changed(rec, status);
        self.add(&user, &asset, held)
    }

    fn amended(&mut self, rec: &Rec) -> Result<(), String> {
        let told = (rec.units("price")?, rec.whole("quantity")?, rec.units("extraReserved")?);
        let order = self.order(&order_of(rec)?)?;
        let amend = if order.undecided.is_empty() { None } else { Some(order.undecided.remove(0)) };
        if !order.open || amend != Some(told) {
            return Err(format!("amends {order:?}, {amend:?}"));
        }
        let (price, quantity, extra) = told;
        (order.price, order.quantity, order.leaves) = (price, quantity, quantity - order.cum);
        if order.leaves != rec.whole("leavesQuantity")? {
            return Err(format!("leaves are {}", order.leaves));
        }
        let need = order.need(price, order.leaves);
        let release = order.held + extra - need;
        if release < 0 {
            return Err(format!("a negative release: {order:?}"));
        }
        order.held = need;
        order.changed(rec, if order.cum > 0 { "partially_filled" } else { "new" });
        let (user, asset) = (order.user.clone(), order.held_asset());
        self.add(&user, &asset, release)
    }

    /// At rest a view of the derived records and intake's own state say the same.
    pub(super) fn check_equal(&self, intake: &Money, findings: &mut Findings) {
        let nonzero = |money: &Money| -> BTreeMap<Who, i128> {
            money.available.iter().filter(|(_, units)| **units != 0).map(|(who, units)| (who.clone(), *units)).collect()
        };
        let (view, held) = (nonzero(self), nonzero(intake));
        if view != held {
            findings.add(format!("what is available follows otherwise from what was asked: {view:?}, {held:?}"));
        }
        let figures = |order: &Order| Order { history: Vec::new(), ..order.clone() };
        for (who, order) in &self.orders {
            if intake.orders.get(who).map(figures) != Some(figures(order)) {
                findings.add(format!("the order follows otherwise from what was asked: {order:?}"));
            }
        }
        if intake.orders.len() != self.orders.len() {
            findings.add(format!("{} orders stand in the log, {} were due", self.orders.len(), intake.orders.len()));
        }
    }
}

/// What an order asks for, every default filled in.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) user: String,
    pub(super) symbol: String,
    pub(super) buy: bool,
    pub(super) market: bool,
    pub(super) time_in_force: String,
    pub(super) post_only: bool,
    pub(super) quantity: i128,
    pub(super) price: Option<i128>,
    pub(super) max_cost: Option<i128>,
}

impl Terms {
    pub(super) fn of(rec: &Rec) -> Result<Terms, String> {
        let first_version = rec.event_type == "OrderCreated" && rec.version() == Some("1.0");
        let word = |field: &str| rec.payload().get(field).and_then(|value| value.as_str());
        let market = word("orderType") == Some("market");
        let time_in_force = word("timeInForce").unwrap_or(if market { "ioc" } else { "gtc" }).to_owned();
        Ok(Terms {
            user: rec.text("userId")?,
            symbol: rec.text("symbol")?,
            buy: first_version || rec.text("side")? == "buy",
            market,
            time_in_force,
            post_only: rec.payload().get("postOnly").and_then(serde_json::Value::as_bool).unwrap_or_default(),
            quantity: rec.whole("quantity")?,
            price: rec.maybe_units("price"),
            max_cost: rec.maybe_units("maxCost"),
        })
    }
}

pub(super) fn order_of(rec: &Rec) -> Result<Who, String> {
    Ok((rec.text("userId")?, rec.text("orderId")?))
}
