//! What happens when an order comes: it trades with the best that waits, then rests or expires.

use super::cost::{affordable, fee_due, notional};
use super::{Action, Book, ExpireReason, Leg, NewOrder, Order, RejectReason, SelfTrade, Trade, Unusable};
use crate::terms::{Liquidity, OrderType, Side, TimeInForce};

/// How far an incoming order may go.
#[derive(Clone, Copy)]
pub(super) enum Reach {
    /// To its price.
    Limit,
    /// To any price, a buy only within its budget.
    Market(Option<i128>),
}

impl Reach {
    fn of(new: &NewOrder) -> Self {
        match (new.kind, new.side) {
            (OrderType::Limit, _) => Reach::Limit,
            (OrderType::Market, Side::Buy) => Reach::Market(Some(new.budget)),
            (OrderType::Market, Side::Sell) => Reach::Market(None),
        }
    }

    fn allows(self, order: &Order, price: i64) -> bool {
        match self {
            Reach::Limit => order.crosses(price),
            Reach::Market(_) => true,
        }
    }
}

impl Book {
    /// Takes a new order in: it trades, and what is left rests or expires by its terms.
    ///
    /// # Errors
    /// Terms that whoever accepted the order should have refused, see [`Unusable`]; the book is then as before.
    pub fn submit(&mut self, new: &NewOrder, self_trade: SelfTrade, actions: &mut Vec<Action>) -> Result<(), Unusable> {
        new.check()?;
        if self.index.contains_key(&new.key) {
            return Err(Unusable::KeyRests);
        }
        if self.slab.is_full() {
            return Err(Unusable::Full);
        }
        let order = Order::incoming(new);
        let reach = Reach::of(new);
        if new.post_only && self.would_cross(&order) {
            actions.push(Action::Rejected { key: order.key, reason: RejectReason::PostOnlyWouldCross });
        } else if new.time_in_force == TimeInForce::Fok && !self.fills_whole(&order, reach, self_trade) {
            let reason = ExpireReason::FokUnfillable;
            actions.push(Action::Expired { key: order.key, reason, quantity: order.leaves() });
        } else {
            self.enter(order, reach, self_trade, actions);
        }
        Ok(())
    }

    /// Lets an order trade, and what is left of it rest or expire.
    pub(super) fn enter(&mut self, mut order: Order, reach: Reach, self_trade: SelfTrade, actions: &mut Vec<Action>) {
        let stopped = self.take(&mut order, reach, self_trade, actions);
        let (key, leaves) = (order.key, order.leaves());
        if leaves == 0 {
            return;
        }
        let stopped = match stopped {
            None if !order.time_in_force.rests() => Some(ExpireReason::IocRemainder),
            other => other,
        };
        match stopped {
            Some(reason) => actions.push(Action::Expired { key, reason, quantity: leaves }),
            None => {
                self.rest(order);
                actions.push(Action::Rested { key, leaves });
            }
        }
    }

    /// Whether the order would trade at once at its price.
    pub(super) fn would_cross(&self, order: &Order) -> bool {
        self.best(order.side.opposite()).is_some_and(|best| order.crosses(best.price))
    }

    /// Whether others' orders in the book hold all that the order wants, within its budget; those behind its owner's first
    /// own order count only where that one gives way.
    fn fills_whole(&self, order: &Order, reach: Reach, self_trade: SelfTrade) -> bool {
        let (mut wanted, mut cost) = (order.leaves(), 0i128);
        for queue in self.ladder(order.side.opposite()).iter() {
            let price = queue.level.price;
            if !reach.allows(order, price) {
                return false;
            }
            let mut slot = queue.head;
            while let Some(maker) = self.slab.get(slot) {
                if maker.order.owner == order.owner {
                    match self_trade {
                        SelfTrade::ExpireIncoming => return false,
                        SelfTrade::ExpireResting => {
                            slot = maker.next;
                            continue;
                        }
                    }
                }
                let quantity = wanted.min(maker.order.leaves());
                cost = cost.saturating_add(notional(price, quantity));
                wanted = wanted.saturating_sub(quantity);
                if wanted == 0 {
                    let fees = fee_due(order.maker_bps, 0, order.taker_bps, cost);
                    return !matches!(reach, Reach::Market(Some(budget)) if cost.saturating_add(fees) > budget);
                }
                slot = maker.next;
            }
        }
        false
    }

    /// Trades as far as the order reaches; gives the rule that stopped it, if not its price or the end of the book.
    fn take(
        &mut self,
        order: &mut Order,
        reach: Reach,
        self_trade: SelfTrade,
        actions: &mut Vec<Action>,
    ) -> Option<ExpireReason> {
        let Book { slab, index, bids, asks, last_book_seq, .. } = self;
        let ladder = match order.side {
            Side::Buy => asks,
            Side::Sell => bids,
        };
        while order.leaves() > 0 {
            let queue = ladder.best()?;
            let (price, slot) = (queue.level.price, queue.head);
            if !reach.allows(order, price) {
                return None;
            }
            let maker = slab.get_mut(slot)?;
            let is_own = maker.order.owner == order.owner;
            if is_own && self_trade == SelfTrade::ExpireIncoming {
                return Some(ExpireReason::SelfTrade);
            }
            let mut quantity = order.leaves().min(maker.order.leaves());
            if let Reach::Market(Some(budget)) = reach {
                quantity = affordable(order, budget, price, quantity);
                if quantity == 0 {
                    return Some(ExpireReason::BudgetSpent);
                }
            }
            if is_own {
                let (key, quantity) = (maker.order.key, maker.order.leaves());
                ladder.unlink(slab, slot);
                slab.free(slot);
                index.remove(&key);
                actions.push(Action::Expired { key, reason: ExpireReason::SelfTrade, quantity });
                continue;
            }
            let paid = notional(price, quantity);
            let taker_leg = fill(order, Liquidity::Taker, quantity, paid);
            let maker_leg = fill(&mut maker.order, Liquidity::Maker, quantity, paid);
            ladder.reduce(maker.level, quantity);
            if maker_leg.leaves == 0 {
                ladder.unlink(slab, slot);
                slab.free(slot);
                index.remove(&maker_leg.key);
            }
            *last_book_seq = last_book_seq.saturating_add(1);
            actions.push(Action::Trade(Trade {
                book_seq: *last_book_seq,
                price,
                quantity,
                maker: maker_leg,
                taker: taker_leg,
                taker_side: order.side,
            }));
        }
        None
    }
}

/// Books a fill on one of the two orders.
fn fill(order: &mut Order, liquidity: Liquidity, quantity: u64, paid: i128) -> Leg {
    let fee = order.fill(liquidity, quantity, paid);
    Leg { key: order.key, fee, leaves: order.leaves(), cum: order.cum }
}
