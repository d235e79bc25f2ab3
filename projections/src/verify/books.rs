//! The books once more: every record of `books` through the naive book, and what it should make the stage write.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use orderledger_domain::book::{self, Action, NewOrder, Trade, naive};
use orderledger_domain::event::{
    AmendAccepted, AmendRejected, CancelAccepted, CancelRejected, Event, OrderAccepted, OrderAmended, OrderCanceled,
    OrderExpired, OrderFilled, OrderRejected, SessionClose, TradeExecuted,
};
use orderledger_domain::ids::{OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::partition;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::reason::Rejection;
use orderledger_domain::rules::{Rules, UnknownRules};
use orderledger_domain::terms::{Liquidity, Side};

/// An order in a book.
#[derive(Clone, Debug)]
struct Named {
    user: UserId,
    order_id: OrderId,
    side: Side,
    created: Position,
}

/// What the stage should write because of one record: where, under which key, what.
pub(super) type Written = (TopicPartition, Bytes, Event);

/// A resting order: whose, price in 1/10000, open shares.
pub(super) type Resting = (UserId, OrderId, i128, i128);

/// The books of one partition.
#[derive(Debug, Default)]
pub(super) struct Books {
    partitions: u32,
    partition: u32,
    books: BTreeMap<Symbol, naive::Book>,
    /// The live orders' numbers by where they were created, and the other way round.
    numbers: BTreeMap<Position, u64>,
    named: BTreeMap<u64, Named>,
    owners: BTreeMap<UserId, u64>,
    next_number: u64,
    rules: Rules,
}

/// Why nothing can be said of what a record of `books` should lead to.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum Unknowable {
    #[error("terms that no book takes: {0}")]
    Terms(#[from] book::Unusable),
    #[error(transparent)]
    Rules(#[from] UnknownRules),
}

/// What was asked of a book.
enum Asked<'a> {
    Submit(&'a OrderAccepted),
    Cancel(&'a CancelAccepted),
    Amend(&'a AmendAccepted),
    Close,
}

impl Books {
    pub(super) fn new(partition: u32, partitions: u32) -> Books {
        // 0 is no order's number: what is asked of an order that is gone finds nothing under it.
        Books { partition, partitions, next_number: 1, ..Books::default() }
    }

    /// What a record of `books` should lead to; an error where no book can take it.
    pub(super) fn apply(&mut self, cause: Position, event: &Event) -> Result<Vec<Written>, Unknowable> {
        let mut actions = Vec::new();
        match event {
            Event::OrderAccepted(accepted) => {
                let order = self.number(cause, accepted);
                self.books.entry(accepted.terms.symbol).or_default().submit(
                    &order,
                    self.rules.self_trade(),
                    &mut actions,
                )?;
                Ok(self.told(accepted.terms.symbol, &Asked::Submit(accepted), &actions))
            }
            Event::CancelAccepted(cancel) => {
                let number = self.numbers.get(&cancel.created).copied().unwrap_or_default();
                self.books.entry(cancel.symbol).or_default().cancel(number, &mut actions);
                Ok(self.told(cancel.symbol, &Asked::Cancel(cancel), &actions))
            }
            Event::AmendAccepted(amend) => {
                let number = self.numbers.get(&amend.created).copied().unwrap_or_default();
                let (price, total) = (amend.price.units(), amend.quantity.shares());
                self.books.entry(amend.symbol).or_default().amend(
                    number,
                    (price, total),
                    self.rules.self_trade(),
                    &mut actions,
                )?;
                Ok(self.told(amend.symbol, &Asked::Amend(amend), &actions))
            }
            Event::SessionClosed(close) => Ok(self.close(close)),
            Event::RulesVersionSet(set) => {
                self.rules = Rules::try_from(set.rules_version)?;
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn close(&mut self, close: &SessionClose) -> Vec<Written> {
        let all: BTreeSet<Symbol> = self.books.keys().copied().collect();
        let symbols = close.symbols.as_ref().map_or(all, |symbols| symbols.iter().copied().collect());
        let mut written = Vec::new();
        for symbol in symbols {
            let mut actions = Vec::new();
            if let Some(book) = self.books.get_mut(&symbol) {
                book.close_session(&mut actions);
            }
            written.extend(self.told(symbol, &Asked::Close, &actions));
        }
        written
    }

    fn number(&mut self, created: Position, accepted: &OrderAccepted) -> NewOrder {
        let terms = &accepted.terms;
        let owners = u64::try_from(self.owners.len()).unwrap_or(u64::MAX);
        let owner = *self.owners.entry(terms.user_id.clone()).or_insert(owners);
        let key = self.next_number;
        self.next_number += 1;
        let (user, order_id, side) = (terms.user_id.clone(), terms.order_id.clone(), terms.side);
        self.numbers.insert(created, key);
        self.named.insert(key, Named { user, order_id, side, created });
        NewOrder {
            key,
            owner,
            side,
            kind: terms.order_type,
            time_in_force: terms.time_in_force,
            post_only: terms.post_only,
            price: terms.price.map_or(0, Price::units),
            quantity: terms.quantity.shares(),
            budget: accepted.reserved.units(),
            maker_bps: accepted.maker_bps.rate(),
            taker_bps: accepted.taker_bps.rate(),
        }
    }

    fn forget(&mut self, number: u64) -> Option<Named> {
        let named = self.named.remove(&number)?;
        self.numbers.remove(&named.created);
        Some(named)
    }

    fn told(&mut self, symbol: Symbol, asked: &Asked<'_>, actions: &[Action]) -> Vec<Written> {
        let mut written = Vec::new();
        for action in actions {
            match action {
                Action::Rested { .. } => {}
                Action::Trade(trade) => self.trade(symbol, trade, &mut written),
                other => {
                    let event = self.end(symbol, asked, *other);
                    written.extend(event.and_then(|event| self.to_user(event)));
                }
            }
        }
        written
    }

    fn to_user(&self, event: Event) -> Option<Written> {
        let key = Bytes::copy_from_slice(event.user_id()?.as_str().as_bytes());
        Some((Topic::Orders.at(partition::of_key(&key, self.partitions)), key, event))
    }

    /// The tape first, then the maker's leg, then the taker's.
    fn trade(&mut self, symbol: Symbol, trade: &Trade, written: &mut Vec<Written>) {
        let Ok(price) = Price::from_units(i128::from(trade.price)) else { return };
        let (Some(maker), Some(taker)) =
            (self.named.get(&trade.maker.key).cloned(), self.named.get(&trade.taker.key).cloned())
        else {
            return;
        };
        let (trade_id, quantity) = (format!("{symbol}-{}", trade.book_seq), shares(trade.quantity));
        let (buyer, seller) = if trade.taker_side == Side::Buy { (&taker, &maker) } else { (&maker, &taker) };
        let tape = TradeExecuted {
            trade_id: trade_id.clone(),
            symbol,
            book_seq: trade.book_seq,
            price,
            quantity,
            taker_side: trade.taker_side,
            buy_user_id: buyer.user.clone(),
            buy_order_id: buyer.order_id.clone(),
            sell_user_id: seller.user.clone(),
            sell_order_id: seller.order_id.clone(),
        };
        let key = Bytes::copy_from_slice(symbol.as_str().as_bytes());
        written.push((Topic::Trades.at(self.partition), key, Event::TradeExecuted(tape)));
        let legs = [(maker, trade.maker, Liquidity::Maker), (taker, trade.taker, Liquidity::Taker)];
        for (Named { user, order_id, side, .. }, leg, liquidity) in legs {
            let fill = OrderFilled {
                order_id,
                user_id: user,
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
            written.extend(self.to_user(Event::OrderFilled(fill)));
            if leg.leaves == 0 {
                self.forget(leg.key);
            }
        }
    }

    fn end(&mut self, symbol: Symbol, asked: &Asked<'_>, action: Action) -> Option<Event> {
        match (action, asked) {
            (Action::Expired { key, reason, quantity }, _) => {
                let Named { user: user_id, order_id, .. } = self.forget(key)?;
                let expired_quantity = shares(quantity);
                Some(Event::OrderExpired(OrderExpired { order_id, user_id, symbol, reason, expired_quantity }))
            }
            (Action::Rejected { key, .. }, Asked::Submit(accepted)) => {
                self.forget(key);
                let (terms, reason) = (accepted.terms.clone(), Rejection::PostOnlyWouldCross);
                Some(Event::OrderRejected(OrderRejected { terms, reason }))
            }
            (Action::Canceled { key, quantity }, _) => {
                let Named { user: user_id, order_id, .. } = self.forget(key)?;
                let canceled_quantity = shares(quantity);
                Some(Event::OrderCanceled(OrderCanceled { order_id, user_id, symbol, canceled_quantity }))
            }
            (Action::CancelRejected { .. }, Asked::Cancel(cancel)) => {
                let (order_id, user_id) = (cancel.order_id.clone(), cancel.user_id.clone());
                let reason = Rejection::OrderClosed;
                Some(Event::CancelRejected(CancelRejected { order_id, user_id, reason }))
            }
            (Action::Amended { leaves, .. }, Asked::Amend(amend)) => {
                let AmendAccepted { order_id, user_id, quantity, price, extra_reserved, .. } = (*amend).clone();
                let leaves_quantity = shares(leaves);
                Some(Event::OrderAmended(OrderAmended {
                    order_id,
                    user_id,
                    symbol,
                    quantity,
                    price,
                    extra_reserved,
                    leaves_quantity,
                }))
            }
            (Action::AmendRejected { reason, .. }, Asked::Amend(amend)) => {
                let AmendAccepted { order_id, user_id, extra_reserved, .. } = (*amend).clone();
                let reason = match reason {
                    book::AmendRejectReason::OrderClosed => Rejection::OrderClosed,
                    book::AmendRejectReason::BelowFilled => Rejection::BelowFilled,
                    book::AmendRejectReason::PostOnlyWouldCross => Rejection::PostOnlyWouldCross,
                };
                Some(Event::AmendRejected(AmendRejected { order_id, user_id, reason, extra_reserved }))
            }
            _ => None,
        }
    }

    /// Every order that rests.
    pub(super) fn resting(&self) -> impl Iterator<Item = Resting> + '_ {
        let orders = self.books.values().flat_map(|book| book.image().orders);
        orders.filter_map(|order| {
            let Named { user, order_id, .. } = self.named.get(&order.key)?.clone();
            Some((user, order_id, i128::from(order.price), i128::from(order.leaves())))
        })
    }
}

/// The book's quantities never exceed an order's.
fn shares(quantity: u64) -> Quantity {
    Quantity::new(quantity).unwrap_or(Quantity::MAX)
}
