//! Messages beside the rows of the book: after each message the ledger's own book is compared with its row and then
//! corrected to it, so that what no message explains can't spoil the next row.
//!
//! What the rows show and no message explains rests as synthetic depth, which belongs to the first account of its side.

use orderledger_domain::ids::{OrderId, Symbol};
use orderledger_domain::money::{Price, Quantity};
use orderledger_domain::terms::{Side, TimeInForce};
use orderledger_domain::timestamp::Timestamp;

use super::super::accounts::Funding;
use super::super::lines::ImportError;
use super::super::step::{Ask, Dealer, Order, OrderNumber, Orders, Step, Trade};
use super::message::{Kind, Message};
use super::plan::count;
use super::report::{Execution, LEVELS, Report};
use super::resting::Resting;
use super::rows::{Level, Row};

/// Which account of a side the synthetic depth belongs to.
const SYNTHETIC_OWNER: usize = 0;

/// A file's messages and rows, taken one after another.
#[derive(Debug)]
pub struct Replay<'a> {
    messages: &'a [Option<Message>],
    rows: &'a [Row],
    /// The next message.
    next: usize,
    time: Timestamp,
    orders: Orders,
    funding: Funding,
    dealer: Dealer,
    resting: Resting,
    /// The execution that is being compared, and whether the order that it names is known.
    execution: Option<Execution>,
    report: Report,
}

impl<'a> Replay<'a> {
    /// Messages and the row after each, for so many accounts of each side.
    pub fn new(
        messages: &'a [Option<Message>],
        rows: &'a [Row],
        symbol: Symbol,
        accounts_per_side: usize,
    ) -> Result<Replay<'a>, ImportError> {
        if messages.len() != rows.len() || rows.is_empty() {
            let (messages, rows) = (messages.len(), rows.len());
            let what = format!(
                "the order book file has {rows} rows for {messages} messages; \
                 name the two files of the same day and level"
            );
            return Err(ImportError::Files(what));
        }
        let dealer = Dealer::new(accounts_per_side);
        let mut replay = Replay {
            messages,
            rows,
            next: 0,
            time: messages.iter().flatten().next().map_or(Timestamp::default(), |message| message.time),
            orders: Orders::default(),
            funding: Funding::new(symbol, accounts_per_side),
            dealer,
            resting: Resting::default(),
            execution: None,
            report: Report { messages: count(messages.len()), ..Report::default() },
        };
        replay.fund()?;
        Ok(replay)
    }

    /// What the accounts need before: their orders, and as much synthetic depth as if every row were new.
    pub fn funding(&self) -> &Funding {
        &self.funding
    }

    /// How many messages follow the first.
    pub fn len(&self) -> usize {
        self.messages.len().saturating_sub(1)
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every order so far.
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// The first row as synthetic depth. The first message is in it and is not applied.
    pub fn seed(&mut self) -> Result<Vec<Step>, ImportError> {
        let Some(row) = self.rows.first() else { return Ok(Vec::new()) };
        self.next = 1;
        let mut steps = Vec::new();
        for (side, levels) in [(Side::Buy, &row.bids), (Side::Sell, &row.asks)] {
            for level in levels {
                self.place_synthetic(side, *level, &mut steps)?;
            }
        }
        Ok(steps)
    }

    /// What the next message asks; `None` after the last. Then wait for matching and call [`Replay::compare`].
    pub fn next_message(&mut self) -> Result<Option<Vec<Step>>, ImportError> {
        let Some(message) = self.messages.get(self.next) else { return Ok(None) };
        self.next = self.next.saturating_add(1);
        let mut steps = Vec::new();
        let Some(message) = message else {
            self.report.skipped = self.report.skipped.saturating_add(1);
            return Ok(Some(steps));
        };
        self.time = message.time;
        match message.kind {
            Kind::Submit => self.submit(message, &mut steps)?,
            Kind::Execute => self.execute(message, &mut steps)?,
            Kind::Reduce => {
                self.report.reductions = self.report.reductions.saturating_add(1);
                self.reduce(message, &mut steps)?;
            }
            Kind::Delete => {
                self.report.cancels = self.report.cancels.saturating_add(1);
                self.reduce(message, &mut steps)?;
            }
        }
        Ok(Some(steps))
    }

    /// Compares the ledger's book, best first, with the message's row; `trades` are those that the message led to.
    /// Gives the steps that make the book the row's as far as the row shows it.
    pub fn compare(&mut self, bids: &[Level], asks: &[Level], trades: &[Trade]) -> Result<Vec<Step>, ImportError> {
        self.report.trades = self.report.trades.saturating_add(count(trades.len()));
        if let Some(execution) = self.execution.take() {
            let is_named = |maker| match execution.named {
                Some(named) => maker == named,
                None => self.resting.is_synthetic(maker),
            };
            self.report.executions.judge(&self.orders, execution, trades, is_named);
        }
        for trade in trades {
            self.resting.take(trade.maker, trade.quantity.shares());
            self.resting.take(trade.taker, trade.quantity.shares());
        }
        let Some(row) = self.next.checked_sub(1).and_then(|now| self.rows.get(now)) else { return Ok(Vec::new()) };
        let levels = &mut self.report.levels;
        levels.rows = levels.rows.saturating_add(1);
        for (level, equal) in levels.equal.iter_mut().enumerate().take(row.depth.min(LEVELS)) {
            if bids.get(level) == row.bids.get(level) && asks.get(level) == row.asks.get(level) {
                *equal = equal.saturating_add(1);
            }
        }
        self.correct(row, bids, asks)
    }

    /// What was compared so far.
    pub fn report(&self) -> Report {
        self.report
    }

    fn fund(&mut self) -> Result<(), ImportError> {
        let mut dealer = self.dealer;
        for message in self.messages.iter().skip(1).flatten() {
            let side = match message.kind {
                Kind::Submit => message.side,
                Kind::Execute => message.side.opposite(),
                Kind::Reduce | Kind::Delete => continue,
            };
            let id = order_id(message.line, "f")?;
            let (price, quantity, owner) = (message.price, message.size, dealer.next(side));
            self.funding.add(&Order { id, side, owner, price, quantity, time_in_force: TimeInForce::Gtc });
        }
        let id = order_id(0, "f")?;
        for row in self.rows {
            for (side, levels) in [(Side::Buy, &row.bids), (Side::Sell, &row.asks)] {
                for &(price, shares) in levels {
                    let (id, quantity, time_in_force) = (id.clone(), quantity(shares)?, TimeInForce::Gtc);
                    self.funding.add(&Order { id, side, owner: SYNTHETIC_OWNER, price, quantity, time_in_force });
                }
            }
        }
        Ok(())
    }

    fn submit(&mut self, message: &Message, steps: &mut Vec<Step>) -> Result<(), ImportError> {
        if self.resting.of_id(message.id).is_some() {
            let what = format!("order {} is submitted twice; is it the file of one day?", message.id);
            return Err(ImportError::line(message.line, what));
        }
        self.report.orders = self.report.orders.saturating_add(1);
        let order = Order {
            id: order_id(message.id, "")?,
            side: message.side,
            owner: self.dealer.next(message.side),
            price: message.price,
            quantity: message.size,
            time_in_force: TimeInForce::Gtc,
        };
        self.place(order, Some(message.id), steps);
        Ok(())
    }

    fn execute(&mut self, message: &Message, steps: &mut Vec<Step>) -> Result<(), ImportError> {
        self.report.executions.in_file = self.report.executions.in_file.saturating_add(1);
        let side = message.side.opposite();
        let order = Order {
            id: order_id(message.line, "x")?,
            side,
            owner: self.dealer.next(side),
            price: message.price,
            quantity: message.size,
            time_in_force: TimeInForce::Ioc,
        };
        let taker = self.orders.push(order);
        steps.push(Step { time: self.time, order: taker, ask: Ask::Place });
        self.execution = Some(Execution { taker, named: self.resting.of_id(message.id) });
        Ok(())
    }

    fn reduce(&mut self, message: &Message, steps: &mut Vec<Step>) -> Result<(), ImportError> {
        let size = message.size.shares();
        match self.resting.of_id(message.id) {
            Some(order) => {
                let size = if message.kind == Kind::Delete { u64::MAX } else { size };
                self.resting.reduce(order, size, self.time, steps)?;
            }
            None => {
                let orders = self.resting.at(message.side, message.price);
                let synthetic: Vec<OrderNumber> =
                    orders.iter().copied().filter(|order| self.resting.is_synthetic(*order)).collect();
                self.resting.reduce_one_after_another(&synthetic, size, self.time, steps)?;
            }
        }
        Ok(())
    }

    fn place(&mut self, order: Order, id: Option<u64>, steps: &mut Vec<Step>) {
        let (side, price, shares) = (order.side, order.price, order.quantity.shares());
        let number = self.orders.push(order);
        self.resting.add(number, side, price, shares, id);
        steps.push(Step { time: self.time, order: number, ask: Ask::Place });
    }

    fn place_synthetic(&mut self, side: Side, level: Level, steps: &mut Vec<Step>) -> Result<(), ImportError> {
        let (price, shares) = level;
        let quantity = quantity(shares)?;
        let id = order_id(count(self.orders.len()), "s")?;
        let order = Order { id, side, owner: SYNTHETIC_OWNER, price, quantity, time_in_force: TimeInForce::Gtc };
        self.place(order, None, steps);
        Ok(())
    }

    /// First everything is taken away that the row doesn't show, so that nothing that is added can trade.
    fn correct(&mut self, row: &Row, bids: &[Level], asks: &[Level]) -> Result<Vec<Step>, ImportError> {
        let mut steps = Vec::new();
        let sides = [(Side::Buy, bids, &row.bids), (Side::Sell, asks, &row.asks)];
        let size_at =
            |levels: &[Level], price: Price| levels.iter().find(|level| level.0 == price).map_or(0, |level| level.1);
        for (side, book, shown) in sides {
            // Behind the last level of a full row the file shows nothing.
            let last = shown.last().filter(|_| shown.len() == row.depth).map(|level| level.0);
            let is_shown =
                |price: Price| last.is_none_or(|last| if side == Side::Buy { price >= last } else { price <= last });
            for (price, size) in book.iter().filter(|level| is_shown(level.0)) {
                let excess = size.saturating_sub(size_at(shown, *price));
                let orders = self.resting.least_trusted_first(side, *price);
                self.resting.reduce_one_after_another(&orders, excess, self.time, &mut steps)?;
            }
        }
        for (side, book, shown) in sides {
            for (price, size) in shown {
                let lacking = size.saturating_sub(size_at(book, *price));
                if lacking > 0 {
                    self.place_synthetic(side, (*price, lacking), &mut steps)?;
                }
            }
        }
        Ok(steps)
    }
}

fn order_id(number: u64, prefix: &str) -> Result<OrderId, ImportError> {
    OrderId::new(&format!("{prefix}{number}")).map_err(|error| ImportError::Files(format!("an order id {error}")))
}

pub(super) fn quantity(shares: u64) -> Result<Quantity, ImportError> {
    Quantity::new(shares).map_err(|error| ImportError::Files(format!("{shares} shares of one order: {error}")))
}
