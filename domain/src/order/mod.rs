//! The order aggregate: its status and what it holds. `DESIGN`: Money.
//!
//! Evolving never refuses for a reason of the user's; `Unexpected` means that the log and the rules disagree.

mod status;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::account::{LedgerAccount, PostingReason, Postings};
use crate::event::{AmendAccepted, AmendRejected, OrderAccepted, OrderAmended, OrderFilled};
use crate::ids::Asset;
use crate::ids::{ClientOrderId, OrderId, Symbol, UserId};
use crate::money::{Amount, BasisPoints, Price, Quantity, fee_from_basis};
use crate::planted::{self, Bug};
use crate::terms::{Liquidity, OrderType, Side, TimeInForce};

pub use status::{Status, Step, Unexpected};

/// An amend that the book has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndecidedAmend {
    /// The price asked.
    pub price: Price,
    /// The total asked.
    pub quantity: Quantity,
    /// The extra reserved for it.
    pub extra: Amount,
}

/// An accepted order as intake and settlement keep it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// Its user.
    pub user_id: UserId,
    /// Its symbol.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// How long it stands.
    pub time_in_force: TimeInForce,
    /// Whether it may only rest.
    pub post_only: bool,
    /// The total now.
    pub quantity: Quantity,
    /// The price now; none for a market order.
    pub price: Option<Price>,
    /// The client's own name of it.
    pub client_order_id: Option<ClientOrderId>,
    /// Where OrderCreated stands in the user's partition: with the partition, the order's number.
    pub created_offset: u64,
    /// Its status.
    pub status: Status,
    /// Filled so far.
    pub cum_quantity: Quantity,
    /// Still open.
    pub leaves_quantity: Quantity,
    /// What it holds: cash of a buy, shares of a sell.
    pub held: Amount,
    /// Fees so far.
    pub charged: Amount,
    /// Σ price × quantity as maker.
    pub maker_notional: Amount,
    /// Σ price × quantity as taker.
    pub taker_notional: Amount,
    /// The rate while resting.
    pub maker_bps: BasisPoints,
    /// The rate while taking.
    pub taker_bps: BasisPoints,
    /// Amends that the book has not answered, oldest first.
    pub undecided: VecDeque<UndecidedAmend>,
}

impl Order {
    /// The order that an acceptance opens, and the postings that reserve its need.
    pub fn accept(accepted: &OrderAccepted, created_offset: u64) -> (Order, Postings) {
        let terms = &accepted.terms;
        let order = Order {
            order_id: terms.order_id.clone(),
            user_id: terms.user_id.clone(),
            symbol: terms.symbol,
            side: terms.side,
            order_type: terms.order_type,
            time_in_force: terms.time_in_force,
            post_only: terms.post_only,
            quantity: terms.quantity,
            price: terms.price,
            client_order_id: terms.client_order_id.clone(),
            created_offset,
            status: Status::New,
            cum_quantity: Quantity::ZERO,
            leaves_quantity: terms.quantity,
            held: accepted.reserved,
            charged: Amount::ZERO,
            maker_notional: Amount::ZERO,
            taker_notional: Amount::ZERO,
            maker_bps: accepted.maker_bps,
            taker_bps: accepted.taker_bps,
            undecided: VecDeque::new(),
        };
        let mut postings = Postings::default();
        order.reserve(&mut postings, accepted.reserved, PostingReason::Reserve);
        (order, postings)
    }

    /// The asset it holds: cash of a buy, shares of a sell.
    pub fn held_asset(&self) -> Asset {
        if self.side == Side::Buy { Asset::USD } else { self.symbol.asset() }
    }

    /// The fee due on everything filled so far.
    fn fee_due(&self) -> Amount {
        fee_from_basis(self.fee_basis())
    }

    fn fee_basis(&self) -> i128 {
        self.taker_bps.of(self.taker_notional).saturating_add(self.maker_bps.of(self.maker_notional))
    }

    /// What must stay held for `leaves` shares at `price`; fees at the higher rate included.
    pub fn need(&self, price: Price, leaves: Quantity) -> Amount {
        if leaves.is_zero() {
            return Amount::ZERO;
        }
        if self.side == Side::Sell {
            return leaves.amount();
        }
        let notional = price.times(leaves);
        let worst = self.fee_basis().saturating_add(self.maker_bps.max(self.taker_bps).of(notional));
        notional.plus(fee_from_basis(worst)).minus(self.charged)
    }

    /// What an amend to `price` and `quantity` must reserve beside what is held.
    pub fn amend_extra(&self, price: Price, quantity: Quantity) -> Amount {
        let more = quantity.minus(self.quantity);
        if self.side == Side::Sell {
            return more.amount();
        }
        let raise = price.units().saturating_sub(self.price.map_or(0, Price::units)).max(0);
        let dearer =
            Price::from_units(i128::from(raise)).map_or(Amount::ZERO, |raise| raise.times(self.leaves_quantity));
        let extra = dearer.plus(price.times(more));
        extra.plus(fee_from_basis(self.maker_bps.max(self.taker_bps).of(extra)))
    }

    /// A fill: what it costs, what it brings, what is released. Checks the fill's figures against the rules.
    pub fn fill(&mut self, fill: &OrderFilled) -> Result<Postings, Unexpected> {
        if fill.quantity > self.leaves_quantity || fill.quantity.is_zero() {
            return Err(Unexpected::Overfilled);
        }
        let step = if fill.leaves_quantity.is_zero() { Step::FilledWhole } else { Step::Filled };
        let status = self.status.after(step)?;
        let mut next = self.clone();
        next.status = status;
        next.leaves_quantity = self.leaves_quantity.minus(fill.quantity);
        next.cum_quantity = self.cum_quantity.plus(fill.quantity);
        let cost = fill.price.times(fill.quantity);
        match fill.liquidity {
            Liquidity::Maker => next.maker_notional = next.maker_notional.plus(cost),
            Liquidity::Taker => next.taker_notional = next.taker_notional.plus(cost),
        }
        let fee = next.fee_due().minus(self.charged);
        next.charged = self.charged.plus(fee);
        let agrees = fee == fill.fee
            && next.leaves_quantity == fill.leaves_quantity
            && next.cum_quantity == fill.cum_quantity
            && fill.side == self.side;
        if !agrees {
            return Err(Unexpected::FillDiffers);
        }
        let postings = if self.side == Side::Buy {
            next.fill_buy(cost, fee, fill.quantity)?
        } else {
            next.fill_sell(cost, fee, fill.quantity)?
        };
        *self = next;
        Ok(postings)
    }

    fn fill_buy(&mut self, cost: Amount, fee: Amount, shares: Quantity) -> Result<Postings, Unexpected> {
        use LedgerAccount::{Available, Clearing, Fees, Reserved};
        let rest = self.held.minus(cost).minus(fee);
        let keep = match (self.order_type, self.price) {
            _ if self.leaves_quantity.is_zero() => Amount::ZERO,
            (OrderType::Market, _) => rest,
            (OrderType::Limit, Some(price)) => self.need(price, self.leaves_quantity),
            (OrderType::Limit, None) => return Err(Unexpected::NoPrice),
        };
        let release = rest.minus(keep);
        if release.is_negative() || keep.is_negative() {
            return Err(Unexpected::Overspent);
        }
        self.held = keep;
        let mut postings = Postings::default();
        postings.transfer(Asset::USD, cost, Reserved, Clearing, PostingReason::Trade);
        postings.transfer(Asset::USD, fee, Reserved, Fees, PostingReason::Fee);
        postings.transfer(Asset::USD, release, Reserved, Available, PostingReason::Release);
        postings.transfer(self.symbol.asset(), shares.amount(), Clearing, Available, PostingReason::Trade);
        Ok(postings)
    }

    fn fill_sell(&mut self, cost: Amount, fee: Amount, shares: Quantity) -> Result<Postings, Unexpected> {
        use LedgerAccount::{Available, Clearing, Fees, Reserved};
        self.held = self.held.minus(shares.amount());
        if self.held.is_negative() || cost.minus(fee).is_negative() {
            return Err(Unexpected::Overspent);
        }
        let mut postings = Postings::default();
        postings.transfer(self.symbol.asset(), shares.amount(), Reserved, Clearing, PostingReason::Trade);
        postings.transfer(Asset::USD, cost, Clearing, Available, PostingReason::Trade);
        postings.transfer(Asset::USD, fee, Available, Fees, PostingReason::Fee);
        Ok(postings)
    }

    /// The order ends unfilled or partly filled (canceled, expired, rejected by the book): what it holds is released.
    pub fn close(&mut self, step: Step) -> Result<Postings, Unexpected> {
        self.status = self.status.after(step)?;
        self.leaves_quantity = Quantity::ZERO;
        let held = std::mem::take(&mut self.held);
        let mut postings = Postings::default();
        if step == Step::Expired && planted::is(Bug::ExpiryKeepsReserve) {
            return Ok(postings);
        }
        self.release(&mut postings, held);
        Ok(postings)
    }

    /// An amend's extra is reserved; the book will answer it.
    pub fn amend_accepted(&mut self, amend: &AmendAccepted) -> Result<Postings, Unexpected> {
        self.status = self.status.after(Step::RequestAccepted)?;
        let AmendAccepted { price, quantity, extra_reserved: extra, .. } = *amend;
        self.undecided.push_back(UndecidedAmend { price, quantity, extra });
        let mut postings = Postings::default();
        self.reserve(&mut postings, extra, PostingReason::AmendReserve);
        Ok(postings)
    }

    /// The oldest undecided amend took effect: its extra joins the reserve, what is not needed is released.
    pub fn amended(&mut self, amend: &OrderAmended) -> Result<Postings, Unexpected> {
        let status = self.status.after(Step::Amended)?;
        let expected = self.undecided.front().ok_or(Unexpected::NoSuchAmend)?;
        if (expected.price, expected.quantity, expected.extra) != (amend.price, amend.quantity, amend.extra_reserved) {
            return Err(Unexpected::NoSuchAmend);
        }
        let leaves = amend.quantity.minus(self.cum_quantity);
        let need = self.need(amend.price, leaves);
        let release = self.held.plus(amend.extra_reserved).minus(need);
        if release.is_negative() {
            return Err(Unexpected::Overspent);
        }
        self.undecided.pop_front();
        self.status = status;
        self.price = Some(amend.price);
        self.quantity = amend.quantity;
        self.leaves_quantity = leaves;
        self.held = need;
        let mut postings = Postings::default();
        self.release(&mut postings, release);
        Ok(postings)
    }

    /// The book refused the oldest undecided amend: its extra is released.
    pub fn amend_rejected(&mut self, amend: &AmendRejected) -> Result<Postings, Unexpected> {
        let status = self.status.after(Step::RequestRejected)?;
        let expected = self.undecided.front().ok_or(Unexpected::NoSuchAmend)?;
        if expected.extra != amend.extra_reserved {
            return Err(Unexpected::NoSuchAmend);
        }
        self.undecided.pop_front();
        self.status = status;
        let mut postings = Postings::default();
        self.release(&mut postings, amend.extra_reserved);
        Ok(postings)
    }

    fn reserve(&self, postings: &mut Postings, amount: Amount, reason: PostingReason) {
        postings.transfer(self.held_asset(), amount, LedgerAccount::Available, LedgerAccount::Reserved, reason);
    }

    fn release(&self, postings: &mut Postings, amount: Amount) {
        let (from, to) = (LedgerAccount::Reserved, LedgerAccount::Available);
        postings.transfer(self.held_asset(), amount, from, to, PostingReason::Release);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
