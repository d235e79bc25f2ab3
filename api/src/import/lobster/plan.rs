//! Messages alone: every step is known before the first is taken, so the ledger never waits.

use std::collections::{BTreeMap, BTreeSet};

use orderledger_domain::ids::{OrderId, Symbol};
use orderledger_domain::money::Quantity;
use orderledger_domain::terms::TimeInForce;
use orderledger_domain::timestamp::Timestamp;

use super::super::accounts::Funding;
use super::super::lines::ImportError;
use super::super::step::{Ask, Dealer, Order, OrderNumber, Orders, Outcome, Step, Trade};
use super::message::{Kind, Message};
use super::report::{Execution, Report};

/// The file as steps.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every order, incoming ones of executions included.
    pub orders: Orders,
    /// What to ask of the ledger, in this order.
    pub steps: Vec<Step>,
    /// What the accounts need before.
    pub funding: Funding,
    executions: Vec<Execution>,
    counted: Report,
}

impl Plan {
    /// Plans the messages for so many accounts of each side. `whole_day`: the file doesn't show what happens outside
    /// its levels, so an order's size is what the file later takes from it.
    pub fn new(
        messages: &[Option<Message>],
        symbol: Symbol,
        accounts_per_side: usize,
        whole_day: bool,
    ) -> Result<Plan, ImportError> {
        let planning = Planning {
            plan: Plan {
                orders: Orders::default(),
                steps: Vec::new(),
                funding: Funding::new(symbol, accounts_per_side),
                executions: Vec::new(),
                counted: Report { messages: count(messages.len()), ..Report::default() },
            },
            dealer: Dealer::new(accounts_per_side),
            taken: taken(messages),
            known: BTreeMap::new(),
            whole_day,
        };
        planning.plan(messages)
    }

    /// Compares what the ledger did with the file.
    pub fn report(&self, outcome: &Outcome) -> Report {
        let mut report = Report { trades: count(outcome.trades.len()), ..self.counted };
        let mut by_taker: BTreeMap<OrderNumber, Vec<Trade>> = BTreeMap::new();
        for trade in &outcome.trades {
            by_taker.entry(trade.taker).or_default().push(*trade);
        }
        for execution in &self.executions {
            let trades = by_taker.get(&execution.taker).map(Vec::as_slice).unwrap_or_default();
            report.executions.judge(&self.orders, *execution, trades, |maker| Some(maker) == execution.named);
        }
        report
    }
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// What the file takes from each order, by reductions, deletion and executions.
fn taken(messages: &[Option<Message>]) -> BTreeMap<u64, u64> {
    let mut taken = BTreeMap::<u64, u64>::new();
    for message in messages.iter().flatten().filter(|message| message.kind != Kind::Submit) {
        let sum = taken.entry(message.id).or_default();
        *sum = sum.saturating_add(message.size.shares());
    }
    taken
}

/// An order of the file that was placed.
struct Known {
    order: OrderNumber,
    /// Its total by now.
    total: u64,
    /// What was executed of it, as the file has it.
    executed: u64,
}

struct Planning {
    plan: Plan,
    dealer: Dealer,
    taken: BTreeMap<u64, u64>,
    known: BTreeMap<u64, Known>,
    whole_day: bool,
}

impl Planning {
    fn plan(mut self, messages: &[Option<Message>]) -> Result<Plan, ImportError> {
        let submitted = messages.iter().flatten().filter(|message| message.kind == Kind::Submit);
        let submitted: BTreeSet<u64> = submitted.map(|message| message.id).collect();
        // The first message of each order from outside the file's window, until it is placed.
        let mut outside: BTreeMap<u64, Message> = BTreeMap::new();
        for message in messages.iter().flatten().filter(|message| !submitted.contains(&message.id)) {
            outside.entry(message.id).or_insert(*message);
        }
        for message in messages {
            let Some(message) = message else {
                self.skip();
                continue;
            };
            if message.kind == Kind::Submit {
                while let Some(entry) = outside.first_entry().filter(|entry| *entry.key() < message.id) {
                    let first = entry.remove();
                    self.place_outside(&first, message.time)?;
                }
            } else if let Some(first) = outside.remove(&message.id) {
                self.place_outside(&first, message.time)?;
            }
            self.take(message)?;
        }
        Ok(self.plan)
    }

    fn take(&mut self, message: &Message) -> Result<(), ImportError> {
        let counted = &mut self.plan.counted;
        match message.kind {
            Kind::Submit => return self.submit(message),
            Kind::Reduce => counted.reductions = counted.reductions.saturating_add(1),
            Kind::Delete => counted.cancels = counted.cancels.saturating_add(1),
            Kind::Execute => {
                counted.executions.in_file = counted.executions.in_file.saturating_add(1);
                return self.execute(message);
            }
        }
        self.reduce(message)
    }

    fn submit(&mut self, message: &Message) -> Result<(), ImportError> {
        let size = if self.whole_day { self.taken_from(message)? } else { message.size };
        if size.is_zero() {
            self.skip();
            return Ok(());
        }
        self.place_known(message, size, message.time)
    }

    fn place_outside(&mut self, first: &Message, time: Timestamp) -> Result<(), ImportError> {
        let size = self.taken_from(first)?;
        self.place_known(first, size, time)
    }

    fn taken_from(&self, message: &Message) -> Result<Quantity, ImportError> {
        Quantity::new(self.taken.get(&message.id).copied().unwrap_or(0)).map_err(|error| {
            let what = format!("what the file takes from order {} {error}; is it the file of one day?", message.id);
            ImportError::line(message.line, what)
        })
    }

    fn place_known(&mut self, message: &Message, size: Quantity, time: Timestamp) -> Result<(), ImportError> {
        let order = self.place(message, &message.id.to_string(), message.side, size, TimeInForce::Gtc, time)?;
        self.plan.counted.orders = self.plan.counted.orders.saturating_add(1);
        let known = Known { order, total: size.shares(), executed: 0 };
        if self.known.insert(message.id, known).is_some() {
            let what = format!("order {} is submitted twice; is it the file of one day?", message.id);
            return Err(ImportError::line(message.line, what));
        }
        Ok(())
    }

    /// An incoming order of the other side, which takes the size at the price or better, at once.
    fn execute(&mut self, message: &Message) -> Result<(), ImportError> {
        let id = format!("x{}", message.line);
        let (side, size) = (message.side.opposite(), message.size);
        let taker = self.place(message, &id, side, size, TimeInForce::Ioc, message.time)?;
        let known = self.known.get_mut(&message.id);
        let named = known.map(|known| {
            known.executed = known.executed.saturating_add(size.shares());
            known.order
        });
        self.plan.executions.push(Execution { taker, named });
        Ok(())
    }

    fn reduce(&mut self, message: &Message) -> Result<(), ImportError> {
        let Some(known) = self.known.get_mut(&message.id) else {
            self.skip();
            return Ok(());
        };
        known.total = known.total.saturating_sub(message.size.shares());
        let nothing_left = message.kind == Kind::Delete || known.total <= known.executed;
        let total = Quantity::new(known.total).map_err(|error| ImportError::line(message.line, error.to_string()))?;
        let ask = if nothing_left { Ask::Cancel } else { Ask::Amend(total) };
        self.plan.steps.push(Step { time: message.time, order: known.order, ask });
        Ok(())
    }

    fn place(
        &mut self,
        message: &Message,
        id: &str,
        side: orderledger_domain::terms::Side,
        quantity: Quantity,
        time_in_force: TimeInForce,
        time: Timestamp,
    ) -> Result<OrderNumber, ImportError> {
        let id = OrderId::new(id).map_err(|error| ImportError::line(message.line, format!("the order id {error}")))?;
        let owner = self.dealer.next(side);
        let order = Order { id, side, owner, price: message.price, quantity, time_in_force };
        self.plan.funding.add(&order);
        let order = self.plan.orders.push(order);
        self.plan.steps.push(Step { time, order, ask: Ask::Place });
        Ok(order)
    }

    fn skip(&mut self) {
        self.plan.counted.skipped = self.plan.counted.skipped.saturating_add(1);
    }
}
