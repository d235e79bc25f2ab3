//! Which of the import's orders rest in the book, so that a level can be reduced order by order.

use std::collections::BTreeMap;

use orderledger_domain::money::Price;
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Timestamp;

use super::super::lines::ImportError;
use super::super::step::{Ask, OrderNumber, Step};
use super::replay::quantity;

/// The orders of the import that rest in the book, as its trades and our requests leave them.
#[derive(Debug, Default)]
pub(super) struct Resting {
    orders: BTreeMap<OrderNumber, RestingOrder>,
    /// The earliest first.
    by_price: BTreeMap<(Side, Price), Vec<OrderNumber>>,
    by_id: BTreeMap<u64, OrderNumber>,
    synthetic: Vec<bool>,
}

#[derive(Clone, Copy, Debug)]
struct RestingOrder {
    side: Side,
    price: Price,
    total: u64,
    leaves: u64,
    /// The file's number; synthetic depth has none.
    id: Option<u64>,
}

impl Resting {
    /// The order rests now, last at its price.
    pub(super) fn add(&mut self, order: OrderNumber, side: Side, price: Price, shares: u64, id: Option<u64>) {
        self.synthetic.resize(order, false);
        self.synthetic.push(id.is_none());
        self.orders.insert(order, RestingOrder { side, price, total: shares, leaves: shares, id });
        self.by_price.entry((side, price)).or_default().push(order);
        if let Some(id) = id {
            self.by_id.insert(id, order);
        }
    }

    /// The order that rests under a number of the file.
    pub(super) fn of_id(&self, id: u64) -> Option<OrderNumber> {
        self.by_id.get(&id).copied()
    }

    /// Whether it stands for what no message explains.
    pub(super) fn is_synthetic(&self, order: OrderNumber) -> bool {
        self.synthetic.get(order).copied().unwrap_or(false)
    }

    /// What rests at a price, the earliest first.
    pub(super) fn at(&self, side: Side, price: Price) -> &[OrderNumber] {
        self.by_price.get(&(side, price)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Synthetic depth before the file's orders, and of these the latest before the earliest.
    pub(super) fn least_trusted_first(&self, side: Side, price: Price) -> Vec<OrderNumber> {
        let (synthetic, own): (Vec<_>, Vec<_>) =
            self.at(side, price).iter().copied().partition(|order| self.is_synthetic(*order));
        synthetic.into_iter().chain(own.into_iter().rev()).collect()
    }

    /// Shares of an order traded or went.
    pub(super) fn take(&mut self, order: OrderNumber, shares: u64) {
        let Some(resting) = self.orders.get_mut(&order) else { return };
        resting.leaves = resting.leaves.saturating_sub(shares);
        if resting.leaves > 0 {
            return;
        }
        let RestingOrder { side, price, id, .. } = *resting;
        self.orders.remove(&order);
        if let Some(queue) = self.by_price.get_mut(&(side, price)) {
            queue.retain(|other| *other != order);
            if queue.is_empty() {
                self.by_price.remove(&(side, price));
            }
        }
        if let Some(id) = id {
            self.by_id.remove(&id);
        }
    }

    /// Takes at most `shares` away from an order; gives how many it had of them.
    pub(super) fn reduce(
        &mut self,
        order: OrderNumber,
        shares: u64,
        time: Timestamp,
        steps: &mut Vec<Step>,
    ) -> Result<u64, ImportError> {
        let Some(resting) = self.orders.get_mut(&order) else { return Ok(0) };
        let less = shares.min(resting.leaves);
        resting.total = resting.total.saturating_sub(less);
        let ask = if less == resting.leaves { Ask::Cancel } else { Ask::Amend(quantity(resting.total)?) };
        steps.push(Step { time, order, ask });
        self.take(order, less);
        Ok(less)
    }

    /// Takes `shares` away from these orders as far as they have them.
    pub(super) fn reduce_one_after_another(
        &mut self,
        orders: &[OrderNumber],
        shares: u64,
        time: Timestamp,
        steps: &mut Vec<Step>,
    ) -> Result<(), ImportError> {
        let mut left = shares;
        for order in orders {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(self.reduce(*order, left, time, steps)?);
        }
        Ok(())
    }
}
