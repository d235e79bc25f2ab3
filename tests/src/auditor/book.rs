//! A book in no order at all: whoever is best is looked for every time.
//!
//! Rules version 1: an order that would trade with one of its own user's stops there, and what is left of it expires.
//! Version 2: the resting one expires, if the other could pay for one of its shares, and the other goes on.

use super::money::ceil_div;
use super::story::Who;

/// An order in the book, or on its way into it; prices and amounts in 1/10000.
#[derive(Clone, Debug)]
pub(super) struct Resting {
    pub(super) who: Who,
    pub(super) buy: bool,
    pub(super) market: bool,
    pub(super) day: bool,
    pub(super) post_only: bool,
    /// Whether it may stay.
    pub(super) rests: bool,
    /// All of it at once, or nothing.
    pub(super) whole: bool,
    pub(super) price: i128,
    pub(super) quantity: i128,
    pub(super) cum: i128,
    /// What a market buy may cost.
    pub(super) budget: Option<i128>,
    /// Rates and what was traded: as maker, as taker.
    pub(super) bps: [i128; 2],
    pub(super) notional: [i128; 2],
    pub(super) charged: i128,
    /// Its place in the queue of all orders.
    pub(super) arrival: u64,
}

impl Resting {
    fn leaves(&self) -> i128 {
        self.quantity - self.cum
    }

    fn fees(&self) -> i128 {
        let [maker, taker] = self.notional;
        let [maker_bps, taker_bps] = self.bps;
        ceil_div(maker * maker_bps + taker * taker_bps, 10_000)
    }

    fn cost(&self) -> i128 {
        let [maker, taker] = self.notional;
        maker + taker + self.fees()
    }

    fn trades_at(&self, price: i128) -> bool {
        self.market || if self.buy { price <= self.price } else { price >= self.price }
    }

    /// The order after a trade as maker (0) or taker (1).
    fn traded(&self, side: usize, price: i128, quantity: i128) -> Resting {
        let mut after = self.clone();
        after.cum += quantity;
        if let Some(notional) = after.notional.get_mut(side) {
            *notional += price * quantity;
        }
        after
    }
}

/// What a command did, in the words of the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Did {
    Trade { seq: i128, price: i128, quantity: i128, buy_came: bool, maker: Leg, taker: Leg },
    Expired { who: Who, reason: &'static str, quantity: i128 },
    Canceled { who: Who, quantity: i128 },
    Rejected { who: Who, reason: &'static str },
    CancelRejected { who: Who, reason: &'static str },
    Amended { who: Who, price: i128, total: i128, leaves: i128 },
    AmendRejected { who: Who, reason: &'static str },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) who: Who,
    pub(super) fee: i128,
    pub(super) cum: i128,
    pub(super) leaves: i128,
}

/// The book of one symbol.
#[derive(Debug, Default)]
pub(super) struct Book {
    orders: Vec<Resting>,
    arrivals: u64,
    trades: i128,
}

impl Book {
    fn find(&self, who: &Who) -> Option<&Resting> {
        self.orders.iter().find(|order| order.who == *who)
    }

    fn replace(&mut self, with: &Resting) {
        for order in self.orders.iter_mut().filter(|order| order.who == with.who) {
            *order = with.clone();
        }
    }

    fn forget(&mut self, who: &Who) {
        self.orders.retain(|order| order.who != *who);
    }

    /// Those an order would trade with, best price first and of these who came first.
    fn against(&self, order: &Resting) -> Vec<Resting> {
        let mut found: Vec<Resting> =
            self.orders.iter().filter(|o| o.buy != order.buy && order.trades_at(o.price)).cloned().collect();
        let sign = if order.buy { 1 } else { -1 };
        found.sort_by_key(|other| (sign * other.price, other.arrival));
        found
    }

    pub(super) fn submit(&mut self, order: Resting, version: i128) -> Vec<Did> {
        let who = order.who.clone();
        if order.post_only && !self.against(&order).is_empty() {
            return vec![Did::Rejected { who, reason: "post_only_would_cross" }];
        }
        if order.whole && !self.can_fill(&order, version) {
            return vec![Did::Expired { who, reason: "fok_unfillable", quantity: order.quantity }];
        }
        self.enter(order, version)
    }

    fn can_fill(&self, order: &Resting, version: i128) -> bool {
        let mut tried = order.clone();
        for other in self.against(order) {
            if other.who.0 == order.who.0 {
                if version == 1 {
                    break;
                }
                continue;
            }
            tried = tried.traded(1, other.price, tried.leaves().min(other.leaves()));
        }
        tried.leaves() == 0 && order.budget.is_none_or(|budget| tried.cost() <= budget)
    }

    pub(super) fn cancel(&mut self, who: &Who) -> Vec<Did> {
        let Some(quantity) = self.find(who).map(Resting::leaves) else {
            return vec![Did::CancelRejected { who: who.clone(), reason: "order_closed" }];
        };
        self.forget(who);
        vec![Did::Canceled { who: who.clone(), quantity }]
    }

    pub(super) fn amend(&mut self, who: &Who, price: i128, total: i128, version: i128) -> Vec<Did> {
        let rejected = |reason| vec![Did::AmendRejected { who: who.clone(), reason }];
        let Some(old) = self.find(who).cloned() else { return rejected("order_closed") };
        if total <= old.cum {
            return rejected("below_filled");
        }
        let new = Resting { price, quantity: total, ..old.clone() };
        if new.post_only && price != old.price && !self.against(&new).is_empty() {
            return rejected("post_only_would_cross");
        }
        let mut did = vec![Did::Amended { who: who.clone(), price, total, leaves: new.leaves() }];
        if price == old.price && total <= old.quantity {
            self.replace(&new);
        } else {
            self.forget(who);
            did.extend(self.enter(new, version));
        }
        did
    }

    pub(super) fn close_session(&mut self) -> Vec<Did> {
        let mut closing: Vec<Resting> = self.orders.iter().filter(|order| order.day).cloned().collect();
        closing.sort_by_key(|order| order.arrival);
        self.orders.retain(|order| !order.day);
        let expired = |order: Resting| {
            let quantity = order.leaves();
            Did::Expired { who: order.who, reason: "session_closed", quantity }
        };
        closing.into_iter().map(expired).collect()
    }

    fn enter(&mut self, mut order: Resting, version: i128) -> Vec<Did> {
        let mut did = Vec::new();
        let mut stopped = None;
        while order.leaves() > 0 {
            let Some(maker) = self.against(&order).into_iter().next() else { break };
            let own = maker.who.0 == order.who.0;
            if own && version == 1 {
                stopped = Some("self_trade");
                break;
            }
            let quantity = affordable(&order, maker.price, order.leaves().min(maker.leaves()));
            if quantity == 0 {
                stopped = Some("budget_spent");
                break;
            }
            if own {
                self.forget(&maker.who);
                let quantity = maker.leaves();
                did.push(Did::Expired { who: maker.who, reason: "self_trade", quantity });
                continue;
            }
            did.push(self.trade(&mut order, &maker, quantity));
        }
        let (who, quantity) = (order.who.clone(), order.leaves());
        if quantity > 0 && (stopped.is_some() || !order.rests) {
            did.push(Did::Expired { who, reason: stopped.unwrap_or("ioc_remainder"), quantity });
        } else if quantity > 0 {
            self.arrivals += 1;
            order.arrival = self.arrivals;
            self.orders.push(order);
        }
        did
    }

    fn trade(&mut self, taker: &mut Resting, maker: &Resting, quantity: i128) -> Did {
        self.trades += 1;
        let price = maker.price;
        let mut waited = maker.traded(0, price, quantity);
        *taker = taker.traded(1, price, quantity);
        let did = Did::Trade {
            seq: self.trades,
            price,
            quantity,
            buy_came: taker.buy,
            maker: leg(&mut waited),
            taker: leg(taker),
        };
        if waited.leaves() == 0 {
            self.forget(&waited.who);
        } else {
            self.replace(&waited);
        }
        did
    }
}

/// How many of the wanted shares the budget pays for: the cost only grows, so it is looked for by halving.
fn affordable(order: &Resting, price: i128, wanted: i128) -> i128 {
    let Some(budget) = order.budget else { return wanted };
    let fits = |quantity: i128| order.traded(1, price, quantity).cost() <= budget;
    let (mut low, mut high) = (0, wanted);
    while low < high {
        let middle = (low + high + 1) / 2;
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

fn leg(order: &mut Resting) -> Leg {
    let fee = order.fees() - order.charged;
    order.charged += fee;
    Leg { who: order.who.clone(), fee, cum: order.cum, leaves: order.leaves() }
}
