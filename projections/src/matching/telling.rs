//! What the book did, told as events: to each order's user, and on the public tape.

use orderledger_domain::book::{Action, AmendRejectReason, Leg, Trade};
use orderledger_domain::event::{
    AmendAccepted, AmendRejected, CancelAccepted, CancelRejected, Event, OrderAccepted, OrderAmended, OrderCanceled,
    OrderExpired, OrderFilled, OrderRejected, TradeExecuted,
};
use orderledger_domain::ids::Symbol;
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::partition;
use orderledger_domain::position::Topic;
use orderledger_domain::reason::Rejection;
use orderledger_domain::terms::{Liquidity, Side};

use super::books::{Market, Named};
use crate::stage::emitter::{Emission, Output};

/// What the book was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command<'a> {
    Submit(&'a OrderAccepted),
    Cancel(&'a CancelAccepted),
    Amend(&'a AmendAccepted),
    Close,
}

/// Turns the actions of one command on one book into events.
pub(crate) struct Telling<'a> {
    pub(crate) market: &'a mut Market,
    pub(crate) symbol: Symbol,
    pub(crate) command: Command<'a>,
    pub(crate) partitions: u32,
}

impl Telling<'_> {
    pub(crate) fn tell(mut self, actions: &[Action], emission: &mut Emission<'_>, outputs: &mut Vec<Output>) {
        emission.not_before(self.market.last_trade);
        for action in actions {
            match action {
                Action::Trade(trade) => self.trade(trade, emission, outputs),
                Action::Rested { .. } => {}
                other => {
                    if let Some(event) = self.event(other) {
                        self.tell_user(&event, emission, outputs);
                    }
                }
            }
        }
    }

    fn trade(&mut self, trade: &Trade, emission: &mut Emission<'_>, outputs: &mut Vec<Output>) {
        let names = (self.market.names.get(&trade.maker.key), self.market.names.get(&trade.taker.key));
        let (Some(maker), Some(taker)) = (names.0.cloned(), names.1.cloned()) else { return };
        let Ok(price) = Price::from_units(i128::from(trade.price)) else { return };
        let (symbol, quantity, taker_side) = (self.symbol, shares(trade.quantity), trade.taker_side);
        let trade_id = format!("{symbol}-{}", trade.book_seq);
        let (buyer, seller) = if taker_side == Side::Buy { (&taker, &maker) } else { (&maker, &taker) };
        let executed = TradeExecuted {
            trade_id: trade_id.clone(),
            symbol,
            book_seq: trade.book_seq,
            price,
            quantity,
            taker_side,
            buy_user_id: buyer.user_id.clone(),
            buy_order_id: buyer.order_id.clone(),
            sell_user_id: seller.user_id.clone(),
            sell_order_id: seller.order_id.clone(),
        };
        self.market.last_trade = emission.timestamp();
        let tape = Topic::Trades.at(emission.cause().partition);
        emission.emit(tape, symbol.as_str(), &Event::TradeExecuted(executed), outputs);
        for (named, leg, liquidity) in
            [(maker, &trade.maker, Liquidity::Maker), (taker, &trade.taker, Liquidity::Taker)]
        {
            let Named { user_id, order_id, side } = named;
            let fill = OrderFilled {
                order_id,
                user_id,
                symbol,
                side,
                trade_id: trade_id.clone(),
                price,
                quantity,
                fee: Amount::from_units(leg.fee),
                liquidity,
                cum_quantity: shares(leg.cum),
                leaves_quantity: shares(leg.leaves),
            };
            self.tell_user(&Event::OrderFilled(fill), emission, outputs);
            self.forget_filled(leg);
        }
    }

    fn forget_filled(&mut self, leg: &Leg) {
        if leg.leaves == 0 {
            self.market.names.remove(&leg.key);
        }
    }

    fn event(&mut self, action: &Action) -> Option<Event> {
        let symbol = self.symbol;
        let event = match (action, self.command) {
            (Action::Expired { key, reason, quantity }, _) => {
                let Named { user_id, order_id, .. } = self.market.names.remove(key)?;
                let (reason, expired_quantity) = (*reason, shares(*quantity));
                Event::OrderExpired(OrderExpired { order_id, user_id, symbol, reason, expired_quantity })
            }
            (Action::Rejected { key, .. }, Command::Submit(accepted)) => {
                self.market.names.remove(key);
                let (terms, reason) = (accepted.terms.clone(), Rejection::PostOnlyWouldCross);
                Event::OrderRejected(OrderRejected { terms, reason })
            }
            (Action::Canceled { key, quantity }, _) => {
                let Named { user_id, order_id, .. } = self.market.names.remove(key)?;
                let canceled_quantity = shares(*quantity);
                Event::OrderCanceled(OrderCanceled { order_id, user_id, symbol, canceled_quantity })
            }
            (Action::CancelRejected { .. }, Command::Cancel(cancel)) => {
                let CancelAccepted { order_id, user_id, .. } = cancel.clone();
                Event::CancelRejected(CancelRejected { order_id, user_id, reason: Rejection::OrderClosed })
            }
            (Action::Amended { leaves, .. }, Command::Amend(amend)) => {
                let AmendAccepted { order_id, user_id, quantity, price, extra_reserved, .. } = amend.clone();
                let leaves_quantity = shares(*leaves);
                let amended =
                    OrderAmended { order_id, user_id, symbol, quantity, price, extra_reserved, leaves_quantity };
                Event::OrderAmended(amended)
            }
            (Action::AmendRejected { reason, .. }, Command::Amend(amend)) => {
                let AmendAccepted { order_id, user_id, extra_reserved, .. } = amend.clone();
                let reason = amend_rejection(*reason);
                Event::AmendRejected(AmendRejected { order_id, user_id, reason, extra_reserved })
            }
            _ => return None,
        };
        Some(event)
    }

    fn tell_user(&self, event: &Event, emission: &mut Emission<'_>, outputs: &mut Vec<Output>) {
        let Some(user) = event.user_id() else { return };
        let home = Topic::Orders.at(partition::of_key(user.as_str().as_bytes(), self.partitions));
        emission.emit(home, user.as_str(), event, outputs);
    }
}

/// The book's quantities never exceed an order's.
fn shares(quantity: u64) -> Quantity {
    Quantity::new(quantity).unwrap_or(Quantity::MAX)
}

const fn amend_rejection(reason: AmendRejectReason) -> Rejection {
    match reason {
        AmendRejectReason::OrderClosed => Rejection::OrderClosed,
        AmendRejectReason::BelowFilled => Rejection::BelowFilled,
        AmendRejectReason::PostOnlyWouldCross => Rejection::PostOnlyWouldCross,
    }
}
