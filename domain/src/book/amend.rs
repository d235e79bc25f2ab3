//! New terms for a resting order: it keeps its place, or leaves it and comes again.

use super::matching::Reach;
use super::order::{check_price, check_quantity};
use super::{Action, AmendRejectReason, Book, Order, SelfTrade, Unusable};
use crate::terms::Side;

impl Book {
    /// Gives a resting order a new price and a new total quantity, what was traded included.
    ///
    /// The same price and no more shares keep the place in the queue. Anything else comes as if new: it may trade as
    /// taker, with all that it traded before still counting for its fees, and rests last at its price.
    ///
    /// # Errors
    /// A price or quantity out of bounds, see [`Unusable`]; the book is then as before.
    pub fn amend(
        &mut self,
        key: u64,
        (price, total): (i64, u64),
        self_trade: SelfTrade,
        actions: &mut Vec<Action>,
    ) -> Result<(), Unusable> {
        check_price(price)?;
        check_quantity(total)?;
        let Some(order) = self.get(key) else {
            actions.push(Action::AmendRejected { key, reason: AmendRejectReason::OrderClosed });
            return Ok(());
        };
        let amended = Order { price, quantity: total, ..*order };
        let moves = price != order.price;
        let keeps_place = !moves && total <= order.quantity;
        let refused = if total <= order.cum {
            Some(AmendRejectReason::BelowFilled)
        } else if order.post_only && moves && self.would_cross(&amended) {
            Some(AmendRejectReason::PostOnlyWouldCross)
        } else {
            None
        };
        if let Some(reason) = refused {
            actions.push(Action::AmendRejected { key, reason });
            return Ok(());
        }
        actions.push(Action::Amended { key, price, total, leaves: amended.leaves() });
        if keeps_place {
            self.shrink(key, total);
        } else {
            self.remove(key);
            self.enter(amended, Reach::Limit, self_trade, actions);
        }
        Ok(())
    }

    /// Lowers a resting order's total where it stands.
    fn shrink(&mut self, key: u64, total: u64) {
        let Some(node) = self.index.get(&key).and_then(|slot| self.slab.get_mut(*slot)) else { return };
        let less = node.order.quantity.saturating_sub(total);
        node.order.quantity = total;
        match node.order.side {
            Side::Buy => self.bids.reduce(node.level, less),
            Side::Sell => self.asks.reduce(node.level, less),
        }
    }
}
