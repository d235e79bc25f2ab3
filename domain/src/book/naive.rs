//! The specification of the order book: the same commands, done the obvious way.
//!
//! In and out: what [`super::Book`] takes and gives. It shares its data types, but no step of its logic: two sorted
//! rows, every search from the front, the share count that fits a budget found by halving. Slow on purpose, and the
//! judge of the fast one, in tests and when a ledger is verified.

use super::{
    Action, AmendRejectReason, BookImage, ExpireReason, Leg, Level, NewOrder, Order, PRICE_MAX, QUANTITY_MAX,
    RejectReason, SelfTrade, Trade, Unusable,
};
use crate::terms::{OrderType, Side, TimeInForce};

/// The book of one symbol, the obvious way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Best first: highest price, then earliest arrival.
    bids: Vec<Order>,
    /// Best first: lowest price, then earliest arrival.
    asks: Vec<Order>,
    arrivals: u64,
    trades: u64,
}

impl Book {
    /// An empty book that has seen no trade.
    pub fn new() -> Self {
        Self::default()
    }

    /// Like [`super::Book::submit`].
    ///
    /// # Errors
    /// Terms that no book should see.
    pub fn submit(&mut self, new: &NewOrder, self_trade: SelfTrade, actions: &mut Vec<Action>) -> Result<(), Unusable> {
        new.check()?;
        let key = new.key;
        if self.find(key).is_some() {
            return Err(Unusable::KeyRests);
        }
        let order = Order {
            key,
            owner: new.owner,
            arrival: 0,
            price: new.price,
            quantity: new.quantity,
            cum: 0,
            maker_notional: 0,
            taker_notional: 0,
            charged: 0,
            maker_bps: new.maker_bps,
            taker_bps: new.taker_bps,
            side: new.side,
            time_in_force: new.time_in_force,
            post_only: new.post_only,
        };
        let market = new.kind == OrderType::Market;
        let budget = (market && new.side == Side::Buy).then_some(new.budget);
        if new.post_only && self.crossing(&order, market).next().is_some() {
            actions.push(Action::Rejected { key, reason: RejectReason::PostOnlyWouldCross });
        } else if new.time_in_force == TimeInForce::Fok && !self.can_fill_whole(&order, market, budget, self_trade) {
            actions.push(Action::Expired { key, reason: ExpireReason::FokUnfillable, quantity: new.quantity });
        } else {
            self.enter(order, (market, budget), self_trade, actions);
        }
        Ok(())
    }

    /// Like [`super::Book::cancel`].
    pub fn cancel(&mut self, key: u64, actions: &mut Vec<Action>) {
        match self.find(key) {
            None => actions.push(Action::CancelRejected { key }),
            Some(order) => {
                self.forget(key);
                actions.push(Action::Canceled { key, quantity: left(&order) });
            }
        }
    }

    /// Like [`super::Book::amend`].
    ///
    /// # Errors
    /// A price or quantity out of bounds.
    pub fn amend(
        &mut self,
        key: u64,
        (price, total): (i64, u64),
        self_trade: SelfTrade,
        actions: &mut Vec<Action>,
    ) -> Result<(), Unusable> {
        if !(1..=PRICE_MAX).contains(&price) {
            return Err(Unusable::Price);
        }
        if !(1..=QUANTITY_MAX).contains(&total) {
            return Err(Unusable::Quantity);
        }
        let mut refuse = |reason| actions.push(Action::AmendRejected { key, reason });
        let Some(old) = self.find(key) else {
            refuse(AmendRejectReason::OrderClosed);
            return Ok(());
        };
        if total <= old.cum {
            refuse(AmendRejectReason::BelowFilled);
            return Ok(());
        }
        let new = Order { price, quantity: total, ..old };
        if old.post_only && price != old.price && self.crossing(&new, false).next().is_some() {
            refuse(AmendRejectReason::PostOnlyWouldCross);
            return Ok(());
        }
        actions.push(Action::Amended { key, price, total, leaves: left(&new) });
        if price == old.price && total <= old.quantity {
            for order in self.bids.iter_mut().chain(&mut self.asks) {
                if order.key == key {
                    *order = new;
                }
            }
        } else {
            self.forget(key);
            self.enter(new, (false, None), self_trade, actions);
        }
        Ok(())
    }

    /// Like [`super::Book::close_session`].
    pub fn close_session(&mut self, actions: &mut Vec<Action>) {
        for order in self.image().orders {
            if order.time_in_force == TimeInForce::Day {
                self.forget(order.key);
                let reason = ExpireReason::SessionClosed;
                actions.push(Action::Expired { key: order.key, reason, quantity: left(&order) });
            }
        }
    }

    /// The levels of a side, best price first.
    pub fn depth(&self, side: Side) -> Vec<Level> {
        let mut levels: Vec<Level> = Vec::new();
        for order in self.row(side) {
            match levels.last_mut() {
                Some(level) if level.price == order.price => {
                    level.quantity = level.quantity.saturating_add(left(order));
                    level.orders = level.orders.saturating_add(1);
                }
                _ => levels.push(Level { price: order.price, quantity: left(order), orders: 1 }),
            }
        }
        levels
    }

    /// The book as data.
    pub fn image(&self) -> BookImage {
        let mut orders: Vec<Order> = self.bids.iter().chain(&self.asks).copied().collect();
        orders.sort_by_key(|order| order.arrival);
        BookImage { orders, next_arrival: self.arrivals.saturating_add(1), last_book_seq: self.trades }
    }

    /// The book of an image, which is taken as it is.
    pub fn from_image(image: &BookImage) -> Self {
        let mut book = Self::new();
        for order in &image.orders {
            book.insert(*order);
        }
        book.arrivals = image.next_arrival.saturating_sub(1);
        book.trades = image.last_book_seq;
        book
    }

    fn row(&self, side: Side) -> &[Order] {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn find(&self, key: u64) -> Option<Order> {
        self.bids.iter().chain(&self.asks).find(|order| order.key == key).copied()
    }

    fn forget(&mut self, key: u64) {
        self.bids.retain(|order| order.key != key);
        self.asks.retain(|order| order.key != key);
    }

    /// The resting orders that an incoming one would trade with, in that order.
    fn crossing(&self, order: &Order, market: bool) -> impl Iterator<Item = Order> {
        let (side, limit) = (order.side, order.price);
        let other = match side {
            Side::Buy => &self.asks,
            Side::Sell => &self.bids,
        };
        let reached = move |maker: &Order| match side {
            Side::Buy => market || maker.price <= limit,
            Side::Sell => market || maker.price >= limit,
        };
        other.iter().copied().take_while(reached)
    }

    fn can_fill_whole(&self, order: &Order, market: bool, budget: Option<i128>, self_trade: SelfTrade) -> bool {
        let mut tried = *order;
        let own = |maker: &Order| maker.owner == order.owner;
        let others: Vec<Order> = match self_trade {
            SelfTrade::ExpireIncoming => self.crossing(order, market).take_while(|maker| !own(maker)).collect(),
            SelfTrade::ExpireResting => self.crossing(order, market).filter(|maker| !own(maker)).collect(),
        };
        for maker in others {
            let quantity = left(&tried).min(left(&maker));
            tried.cum = tried.cum.saturating_add(quantity);
            tried.taker_notional = tried.taker_notional.saturating_add(product(maker.price, quantity));
        }
        let cost = tried.taker_notional.saturating_add(fees(&tried));
        left(&tried) == 0 && budget.is_none_or(|budget| cost <= budget)
    }

    fn enter(
        &mut self,
        mut order: Order,
        reach: (bool, Option<i128>),
        self_trade: SelfTrade,
        actions: &mut Vec<Action>,
    ) {
        let stopped = self.trade(&mut order, reach, self_trade, actions);
        let (key, leaves) = (order.key, left(&order));
        if leaves == 0 {
            return;
        }
        let at_once = matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        if let Some(reason) = stopped {
            actions.push(Action::Expired { key, reason, quantity: leaves });
        } else if at_once {
            actions.push(Action::Expired { key, reason: ExpireReason::IocRemainder, quantity: leaves });
        } else {
            self.arrivals = self.arrivals.saturating_add(1);
            order.arrival = self.arrivals;
            self.insert(order);
            actions.push(Action::Rested { key, leaves });
        }
    }

    /// Behind all that are as good or better.
    fn insert(&mut self, order: Order) {
        match order.side {
            Side::Buy => self.bids.insert(self.bids.partition_point(|bid| bid.price >= order.price), order),
            Side::Sell => self.asks.insert(self.asks.partition_point(|ask| ask.price <= order.price), order),
        }
    }

    fn trade(
        &mut self,
        taker: &mut Order,
        (market, budget): (bool, Option<i128>),
        self_trade: SelfTrade,
        actions: &mut Vec<Action>,
    ) -> Option<ExpireReason> {
        while left(taker) > 0 {
            let mut maker = self.crossing(taker, market).next()?;
            let own = maker.owner == taker.owner;
            if own && self_trade == SelfTrade::ExpireIncoming {
                return Some(ExpireReason::SelfTrade);
            }
            let wanted = left(taker).min(left(&maker));
            let quantity = budget.map_or(wanted, |budget| fitting(taker, budget, maker.price, wanted));
            if quantity == 0 {
                return Some(ExpireReason::BudgetSpent);
            }
            if own {
                self.forget(maker.key);
                let (key, reason) = (maker.key, ExpireReason::SelfTrade);
                actions.push(Action::Expired { key, reason, quantity: left(&maker) });
                continue;
            }
            self.trades = self.trades.saturating_add(1);
            let amount = product(maker.price, quantity);
            maker.maker_notional = maker.maker_notional.saturating_add(amount);
            taker.taker_notional = taker.taker_notional.saturating_add(amount);
            actions.push(Action::Trade(Trade {
                book_seq: self.trades,
                price: maker.price,
                quantity,
                maker: leg(&mut maker, quantity),
                taker: leg(taker, quantity),
                taker_side: taker.side,
            }));
            if left(&maker) == 0 {
                self.forget(maker.key);
            }
            for order in self.bids.iter_mut().chain(&mut self.asks) {
                if order.key == maker.key {
                    *order = maker;
                }
            }
        }
        None
    }
}

fn left(order: &Order) -> u64 {
    order.quantity.saturating_sub(order.cum)
}

fn product(price: i64, quantity: u64) -> i128 {
    i128::from(price).saturating_mul(i128::from(quantity))
}

/// All fees of an order so far, rounded up to 1/10000.
fn fees(order: &Order) -> i128 {
    let maker = order.maker_notional.saturating_mul(i128::from(order.maker_bps));
    let taker = order.taker_notional.saturating_mul(i128::from(order.taker_bps));
    let sum = maker.saturating_add(taker);
    let whole = sum / 10_000;
    if sum % 10_000 == 0 { whole } else { whole.saturating_add(1) }
}

/// Most of `wanted` shares at `price` whose cost and fee still fit the budget: halving, since the cost only grows.
fn fitting(taker: &Order, budget: i128, price: i64, wanted: u64) -> u64 {
    let fits = |quantity: u64| {
        let notional = taker.taker_notional.saturating_add(product(price, quantity));
        let after = Order { taker_notional: notional, ..*taker };
        notional.saturating_add(after.maker_notional).saturating_add(fees(&after)) <= budget
    };
    let (mut good, mut bad) = (0, wanted.saturating_add(1));
    while bad.saturating_sub(good) > 1 {
        let middle = good.midpoint(bad);
        if fits(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    good
}

/// Counts a fill whose notional is booked already.
fn leg(order: &mut Order, quantity: u64) -> Leg {
    order.cum = order.cum.saturating_add(quantity);
    let fee = fees(order).saturating_sub(order.charged);
    order.charged = order.charged.saturating_add(fee);
    Leg { key: order.key, fee, leaves: left(order), cum: order.cum }
}
