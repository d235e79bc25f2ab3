//! Steps driven through the ledger: outside records to the log, and what the stages made of them, read from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use orderledger_domain::envelope;
use orderledger_domain::event::{Deposit, Event, OrderAmendRequested, OrderCancelRequested, OrderCreated};
use orderledger_domain::ids::{OrderId, Symbol, UserId};
use orderledger_domain::partition;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_domain::terms::OrderType;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::worker::partition::{Arrived, PartitionState};
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::{EventLog, NewRecord};
use orderledger_store::{At, Error};
use uuid::Uuid;

use super::accounts::{Accounts, Need};
use super::step::{Ask, Orders, Outcome, Step, Trade};
use crate::ledger::Ledger;

/// How many records go to the log in one batch.
const BATCH: usize = 500;
/// How many batches may wait for their acknowledgement.
const BATCHES_WAITING: usize = 16;
/// How long an acknowledgement or a stage may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many records one look into the log reads.
const CHUNK: usize = 2000;

/// Feeds one import into a ledger whose workers run.
///
/// Ids follow from the import's name and the step's number: the same import again asks the same requests again, which
/// change nothing, and finds the same outcome.
pub struct Driver {
    ledger: Arc<Ledger>,
    runtime: tokio::runtime::Handle,
    accounts: Accounts,
    symbol: Symbol,
    namespace: Uuid,
    asked: u64,
    waiting: usize,
    acknowledge: Sender<Result<Vec<u64>, Error>>,
    acknowledged: Receiver<Result<Vec<u64>, Error>>,
    last_offset: u64,
    tape: Tape,
}

/// The symbol's trades of this import, read from the tape as they come.
struct Tape {
    partition: TopicPartition,
    next: u64,
    state: PartitionState,
    key: StreamKey,
}

impl Driver {
    /// A driver of the import of that name, for these accounts.
    pub fn new(
        ledger: Arc<Ledger>,
        runtime: tokio::runtime::Handle,
        name: &str,
        symbol: Symbol,
        accounts: Accounts,
    ) -> Driver {
        let (acknowledge, acknowledged) = channel();
        let partition = Topic::Trades.at(partition::of_key(symbol.as_str().as_bytes(), ledger.partitions));
        let tape = Tape { partition, next: 0, state: PartitionState::default(), key: ledger.key };
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("import {name}").as_bytes());
        let (asked, waiting, last_offset) = (0, 0, 0);
        Driver {
            ledger,
            runtime,
            accounts,
            symbol,
            namespace,
            asked,
            waiting,
            acknowledge,
            acknowledged,
            last_offset,
            tape,
        }
    }

    /// Books what the accounts need.
    pub fn fund(&mut self, needs: &[Need], time: Timestamp) -> Result<(), Error> {
        let mut records = Vec::new();
        for need in needs {
            let Some(user_id) = self.accounts.user(need.side, need.owner).cloned() else { continue };
            for amount in need.deposits() {
                let event = Event::DepositMade(Deposit { user_id: user_id.clone(), asset: need.asset, amount });
                records.push(self.record(&event, &user_id, time));
            }
            if records.len() >= BATCH {
                self.send(std::mem::take(&mut records))?;
            }
        }
        self.send(records)?;
        self.acknowledge_all()
    }

    /// Asks the steps, in order, without waiting for the stages; calls `on_asked` with the number asked so far.
    pub fn take(&mut self, orders: &Orders, steps: &[Step], mut on_asked: impl FnMut(usize)) -> Result<(), Error> {
        let mut asked = 0_usize;
        for chunk in steps.chunks(BATCH) {
            let records = chunk.iter().filter_map(|step| self.request(orders, step)).collect();
            self.send(records)?;
            asked = asked.saturating_add(chunk.len());
            on_asked(asked);
        }
        self.acknowledge_all()
    }

    fn request(&mut self, orders: &Orders, step: &Step) -> Option<NewRecord> {
        let order = orders.get(step.order)?;
        let user_id = self.accounts.user(order.side, order.owner)?.clone();
        let order_id = order.id.clone();
        let event = match step.ask {
            Ask::Place => Event::OrderCreated(OrderCreated {
                order_id,
                user_id: user_id.clone(),
                symbol: self.symbol,
                side: order.side,
                order_type: OrderType::Limit,
                time_in_force: Some(order.time_in_force),
                post_only: false,
                quantity: order.quantity,
                price: Some(order.price),
                max_cost: None,
                client_order_id: None,
            }),
            Ask::Amend(total) => Event::OrderAmendRequested(OrderAmendRequested {
                order_id,
                user_id: user_id.clone(),
                quantity: Some(total),
                price: None,
            }),
            Ask::Cancel => Event::OrderCancelRequested(OrderCancelRequested { order_id, user_id: user_id.clone() }),
        };
        Some(self.record(&event, &user_id, step.time))
    }

    fn record(&mut self, event: &Event, user: &UserId, time: Timestamp) -> NewRecord {
        let event_id = Uuid::new_v5(&self.namespace, &self.asked.to_be_bytes());
        self.asked = self.asked.saturating_add(1);
        NewRecord {
            to: self.ledger.orders_of(user.as_str()),
            key: Some(Bytes::copy_from_slice(user.as_str().as_bytes())),
            value: Some(envelope::write_outside(event_id, time, event, "import").into()),
            headers: Vec::new(),
        }
    }

    fn send(&mut self, records: Vec<NewRecord>) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        while self.waiting >= BATCHES_WAITING {
            self.acknowledge_one()?;
        }
        let acknowledge = self.acknowledge.clone();
        // Nobody listens any more only if the import has ended with an error.
        let done = Box::new(move |result| drop(acknowledge.send(result)));
        self.ledger.appender.append(records, done)?;
        self.waiting = self.waiting.saturating_add(1);
        Ok(())
    }

    fn acknowledge_one(&mut self) -> Result<(), Error> {
        let late = |_| Error::unavailable(At::Log, "it doesn't acknowledge; import again when it does");
        let offsets = self.acknowledged.recv_timeout(PATIENCE).map_err(late)??;
        self.waiting = self.waiting.saturating_sub(1);
        self.last_offset = offsets.last().copied().unwrap_or(self.last_offset);
        Ok(())
    }

    fn acknowledge_all(&mut self) -> Result<(), Error> {
        while self.waiting > 0 {
            self.acknowledge_one()?;
        }
        Ok(())
    }

    /// Waits until matching is done with everything asked so far.
    pub fn wait_for_matching(&self) -> Result<(), Error> {
        let home = self.tape.partition.partition;
        let (orders, books) = (Topic::Orders.at(home), Topic::Books.at(home));
        let after = self.last_offset.saturating_add(1);
        let (intake, matching) = (self.ledger.intake.clone(), self.ledger.matching.clone());
        let judged = self.runtime.block_on(intake.wait(PATIENCE, |standing| standing.has_applied_below(orders, after)));
        let end = self.ledger.log.known_end(books)?;
        let matched = self.runtime.block_on(matching.wait(PATIENCE, |standing| standing.has_applied_below(books, end)));
        if judged && matched {
            return Ok(());
        }
        Err(Error::unavailable(At::Log, "the stages are not done with a message; look at the log of this command"))
    }

    /// The trades of this import since the last call.
    pub fn new_trades(&mut self, orders: &Orders) -> Result<Vec<Trade>, Error> {
        let numbers = numbers(&self.accounts, orders);
        let mut trades = Vec::new();
        self.tape.read_on(&*self.ledger.log, |event| {
            if let Event::TradeExecuted(trade) = event {
                let buyer = numbers.get(&(&trade.buy_user_id, &trade.buy_order_id));
                let seller = numbers.get(&(&trade.sell_user_id, &trade.sell_order_id));
                if let (Some(&buyer), Some(&seller)) = (buyer, seller) {
                    let taker_buys = trade.taker_side == orderledger_domain::terms::Side::Buy;
                    let (maker, taker) = if taker_buys { (seller, buyer) } else { (buyer, seller) };
                    trades.push(Trade { price: trade.price, quantity: trade.quantity, maker, taker });
                }
            }
        })?;
        Ok(trades)
    }

    /// What the ledger made of all steps: call it when everything is settled.
    pub fn outcome(&mut self, orders: &Orders) -> Result<Outcome, Error> {
        let trades = self.new_trades(orders)?;
        let numbers = numbers(&self.accounts, orders);
        let partition = Topic::Orders.at(self.tape.partition.partition);
        let mut log = Tape { partition, next: 0, state: PartitionState::default(), key: self.ledger.key };
        let mut canceled = BTreeSet::new();
        log.read_on(&*self.ledger.log, |event| {
            if let Event::OrderCanceled(order) = event {
                canceled.extend(numbers.get(&(&order.user_id, &order.order_id)).copied());
            }
        })?;
        Ok(Outcome { trades, canceled })
    }
}

type Numbers<'a> = BTreeMap<(&'a UserId, &'a OrderId), usize>;

/// The import's orders by what the log calls them.
fn numbers<'a>(accounts: &'a Accounts, orders: &'a Orders) -> Numbers<'a> {
    let numbered = orders.iter().enumerate();
    numbered
        .filter_map(|(number, order)| Some(((accounts.user(order.side, order.owner)?, &order.id), number)))
        .collect()
}

impl Tape {
    /// Calls `take` with the events of the derived records from here on that are the next of their streams.
    fn read_on(&mut self, log: &dyn EventLog, mut take: impl FnMut(&Event)) -> Result<(), Error> {
        loop {
            let records = log.read(self.partition, self.next, CHUNK)?;
            let Some(last) = records.last() else { return Ok(()) };
            self.next = last.offset.saturating_add(1);
            for record in records {
                let read = Read::new(self.partition, record, &self.key);
                let arrived = self.state.take(&read);
                if let (Ok(Arrived::Derived), Ok(envelope)) = (arrived, &read.envelope)
                    && let Ok(event) = &envelope.event
                {
                    take(event);
                }
            }
        }
    }
}
