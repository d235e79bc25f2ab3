//! Accounts, orders and one book with queues between them: what the stages do, without logs and threads.

use std::collections::{BTreeMap, VecDeque};

use orderledger_domain::account::{Account, Balance, Postings, SystemAccounts};
use orderledger_domain::book::{Action, Book, ExpireReason, Leg, NewOrder, Trade};
use orderledger_domain::event::{AmendAccepted, AmendRejected, OrderAccepted, OrderAmended, OrderFilled, Terms};
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, BasisPoints, Price, Quantity};
use orderledger_domain::order::{Order, Step as Change};
use orderledger_domain::position::Topic;
use orderledger_domain::reason::Rejection;
use orderledger_domain::rules::Rules;
use orderledger_domain::terms::{Liquidity, OrderType, Side};
use proptest::sample::Index;

use crate::checks;
use crate::steps::{NewTerms, Step};

/// A command on its way to the book.
#[derive(Clone, Debug)]
enum Command {
    Submit(NewOrder),
    Cancel(u64),
    Amend(u64, AmendAccepted),
    Close,
    Rules(Rules),
}

/// What the book did, on its way to the accounts.
#[derive(Clone, Debug)]
enum Told {
    Filled(u64, OrderFilled),
    Closed(u64, Change),
    Amended(u64, OrderAmended),
    AmendRejected(u64, AmendRejected),
}

/// Everything there is.
#[derive(Default)]
pub(crate) struct Exchange {
    pub(crate) accounts: BTreeMap<UserId, Account>,
    pub(crate) system: SystemAccounts,
    /// Every order ever accepted, by its number in the book.
    pub(crate) orders: BTreeMap<u64, Order>,
    pub(crate) book: Book,
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    fees: (BasisPoints, BasisPoints),
    rules: Rules,
    commands: VecDeque<Command>,
    told: VecDeque<Told>,
}

pub(crate) fn symbol() -> Symbol {
    Symbol::new("AAPL").unwrap()
}

fn user_id(user: usize) -> UserId {
    UserId::new(&format!("u{user}")).unwrap()
}

fn asset_amount(cash: bool, amount: u64) -> (Asset, Amount) {
    if cash {
        (Asset::USD, Amount::from_units(i128::from(amount)))
    } else {
        (symbol().asset(), Quantity::new(amount / 100 + 1).unwrap().amount())
    }
}

impl Exchange {
    /// Whether both legs of every trade were heard.
    pub(crate) fn all_heard(&self) -> bool {
        self.told.is_empty()
    }

    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Deposit { user, cash, amount } => {
                let (asset, amount) = asset_amount(*cash, *amount);
                self.post(&user_id(*user), &Postings::deposit(asset, amount));
            }
            Step::Withdraw { user, cash, amount } => {
                let (asset, amount) = asset_amount(*cash, *amount);
                if self.balance(&user_id(*user), asset).available >= amount {
                    self.post(&user_id(*user), &Postings::withdrawal(asset, amount));
                }
            }
            Step::Fees { maker, taker } => self.fees = (*maker, *taker),
            Step::Rules(rules) => self.commands.push_back(Command::Rules(*rules)),
            Step::Create(new) => self.create(new),
            Step::Cancel { order } => {
                if let Some(key) = self.pick(order) {
                    self.commands.push_back(Command::Cancel(key));
                }
            }
            Step::Amend { order, price, total, fewer } => {
                if let Some(key) = self.pick(order) {
                    self.amend(key, *price, *total, *fewer);
                }
            }
            Step::CloseSession => self.commands.push_back(Command::Close),
            Step::Match => self.match_next(),
            Step::Hear => self.hear(),
        }
    }

    /// Lets everything on its way arrive.
    pub(crate) fn settle(&mut self) {
        while !self.commands.is_empty() || !self.told.is_empty() {
            self.match_next();
            self.hear();
        }
    }

    fn balance(&self, user: &UserId, asset: Asset) -> Balance {
        self.accounts.get(user).map_or(Balance::default(), |account| account.balance(asset))
    }

    fn post(&mut self, user: &UserId, postings: &Postings) {
        checks::postings(postings);
        self.accounts.entry(user.clone()).or_default().post_all(postings).unwrap();
        for posting in postings.iter() {
            self.system.post(posting);
        }
    }

    fn count(&mut self, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    /// One of the last orders that is open as far as the accounts know.
    fn pick(&self, order: &Index) -> Option<u64> {
        let open = self.orders.iter().rev().filter(|(_, order)| order.status.is_open());
        let keys: Vec<u64> = open.take(8).map(|(key, _)| *key).collect();
        (!keys.is_empty()).then(|| *order.get(&keys))
    }

    fn create(&mut self, new: &NewTerms) {
        let key = u64::try_from(self.orders.len()).unwrap();
        let market = new.order_type == OrderType::Market;
        let terms = Terms {
            order_id: OrderId::new(&format!("o{key}")).unwrap(),
            user_id: user_id(new.user),
            symbol: symbol(),
            side: new.side,
            order_type: new.order_type,
            time_in_force: new.time_in_force,
            post_only: new.post_only,
            quantity: new.quantity,
            price: (!market).then_some(new.price),
            max_cost: None,
            client_order_id: None,
        };
        let (maker_bps, taker_bps) = self.fees;
        let asset = if new.side == Side::Buy { Asset::USD } else { symbol().asset() };
        let available = self.balance(&terms.user_id, asset).available;
        let reserved = match (new.side, market) {
            (Side::Buy, true) => new.budget.map_or(available, |budget| Amount::from_units(i128::from(budget))),
            (Side::Buy, false) => checks::need_of_new_buy(new.price, new.quantity, maker_bps.max(taker_bps)),
            (Side::Sell, _) => new.quantity.amount(),
        };
        if reserved.is_zero() || reserved > available {
            return;
        }
        let (order, postings) = Order::accept(&OrderAccepted { terms, reserved, maker_bps, taker_bps }, key);
        self.post(&order.user_id, &postings);
        self.orders.insert(key, order);
        self.commands.push_back(Command::Submit(NewOrder {
            key,
            owner: u64::try_from(new.user).unwrap(),
            side: new.side,
            kind: new.order_type,
            time_in_force: new.time_in_force,
            post_only: new.post_only,
            price: if market { 0 } else { new.price.units() },
            quantity: new.quantity.shares(),
            budget: reserved.units(),
            maker_bps: maker_bps.rate(),
            taker_bps: taker_bps.rate(),
        }));
    }

    /// Grants an amend as intake does: while one is undecided, another may merely reduce further.
    fn amend(&mut self, key: u64, price: Option<Price>, total: Option<Quantity>, fewer: Option<u64>) {
        let order = &self.orders[&key];
        let (true, Some(old)) = (order.time_in_force.rests(), order.price) else { return };
        let fewer = fewer.map(|shares| order.quantity.minus(Quantity::new(shares).unwrap()));
        let (price, quantity) = (price.unwrap_or(old), total.or(fewer).unwrap_or(order.quantity));
        let below_all = order.undecided.iter().all(|pending| pending.price == price && quantity < pending.quantity);
        let merely_reduces = below_all && price == old && quantity <= order.quantity;
        let extra_reserved = order.amend_extra(price, quantity);
        let available = self.balance(&order.user_id, order.held_asset()).available;
        if quantity.is_zero() || extra_reserved > available || !(order.undecided.is_empty() || merely_reduces) {
            return;
        }
        let accepted = AmendAccepted {
            order_id: order.order_id.clone(),
            user_id: order.user_id.clone(),
            symbol: order.symbol,
            quantity,
            price,
            extra_reserved,
            created: Topic::Orders.at(0).offset(key),
        };
        self.change(key, |order| order.amend_accepted(&accepted).unwrap());
        self.commands.push_back(Command::Amend(key, accepted));
    }

    fn match_next(&mut self) {
        let Some(command) = self.commands.pop_front() else { return };
        let mut actions = Vec::new();
        match &command {
            Command::Submit(new) => self.book.submit(new, self.rules.self_trade(), &mut actions).unwrap(),
            Command::Close => self.book.close_session(&mut actions),
            Command::Rules(rules) => self.rules = *rules,
            Command::Cancel(key) => self.book.cancel(*key, &mut actions),
            Command::Amend(key, amend) => {
                let terms = (amend.price.units(), amend.quantity.shares());
                self.book.amend(*key, terms, self.rules.self_trade(), &mut actions).unwrap();
            }
        }
        for action in actions {
            match (action, &command) {
                (Action::Trade(trade), _) => self.tell_trade(&trade),
                (Action::Expired { key, reason, .. }, _) => {
                    if reason == ExpireReason::SelfTrade && !is_about(&command, key) {
                        self.count("expired while resting");
                    }
                    self.told.push_back(Told::Closed(key, Change::Expired));
                }
                (Action::Rejected { key, .. }, _) => self.told.push_back(Told::Closed(key, Change::Rejected)),
                (Action::Canceled { key, .. }, _) => self.told.push_back(Told::Closed(key, Change::Canceled)),
                (Action::Amended { key, leaves, .. }, Command::Amend(_, amend)) => {
                    self.told.push_back(Told::Amended(key, amended(amend, leaves)));
                }
                (Action::AmendRejected { key, .. }, Command::Amend(_, amend)) => {
                    self.told.push_back(Told::AmendRejected(key, rejected(amend)));
                }
                _ => {}
            }
        }
    }

    fn tell_trade(&mut self, trade: &Trade) {
        for (leg, liquidity) in [(trade.maker, Liquidity::Maker), (trade.taker, Liquidity::Taker)] {
            let Leg { key, fee, leaves, cum } = leg;
            let order = &self.orders[&key];
            let filled = OrderFilled {
                order_id: order.order_id.clone(),
                user_id: order.user_id.clone(),
                symbol: order.symbol,
                side: order.side,
                trade_id: format!("AAPL-{}", trade.book_seq),
                price: Price::from_units(i128::from(trade.price)).unwrap(),
                quantity: Quantity::new(trade.quantity).unwrap(),
                fee: Amount::from_units(fee),
                liquidity,
                cum_quantity: Quantity::new(cum).unwrap(),
                leaves_quantity: Quantity::new(leaves).unwrap(),
            };
            self.told.push_back(Told::Filled(key, filled));
        }
    }

    fn hear(&mut self) {
        let Some(told) = self.told.pop_front() else { return };
        match told {
            Told::Filled(key, fill) => {
                let maker = fill.liquidity == Liquidity::Maker;
                self.count(if maker { "filled as maker" } else { "filled as taker" });
                self.change(key, |order| order.fill(&fill).unwrap());
            }
            Told::Closed(key, step) => {
                let expired = if step == Change::Expired { "expired" } else { "canceled" };
                self.count(if step == Change::Rejected { "rejected" } else { expired });
                self.change(key, |order| order.close(step).unwrap());
            }
            Told::Amended(key, amend) => {
                self.count("amended");
                self.change(key, |order| order.amended(&amend).unwrap());
            }
            Told::AmendRejected(key, amend) => {
                self.count("amend rejected");
                self.change(key, |order| order.amend_rejected(&amend).unwrap());
            }
        }
    }

    fn change(&mut self, key: u64, change: impl FnOnce(&mut Order) -> Postings) {
        let order = self.orders.get_mut(&key).unwrap();
        let (postings, user) = (change(order), order.user_id.clone());
        self.post(&user, &postings);
    }
}

/// Whether the command is about that order, not about another that it met.
const fn is_about(command: &Command, key: u64) -> bool {
    match command {
        Command::Submit(new) => new.key == key,
        Command::Cancel(about) | Command::Amend(about, _) => *about == key,
        Command::Close | Command::Rules(_) => false,
    }
}

fn amended(amend: &AmendAccepted, leaves: u64) -> OrderAmended {
    OrderAmended {
        order_id: amend.order_id.clone(),
        user_id: amend.user_id.clone(),
        symbol: amend.symbol,
        quantity: amend.quantity,
        price: amend.price,
        extra_reserved: amend.extra_reserved,
        leaves_quantity: Quantity::new(leaves).unwrap(),
    }
}

fn rejected(amend: &AmendAccepted) -> AmendRejected {
    AmendRejected {
        order_id: amend.order_id.clone(),
        user_id: amend.user_id.clone(),
        reason: Rejection::OrderClosed,
        extra_reserved: amend.extra_reserved,
    }
}
