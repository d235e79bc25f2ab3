//! verify: the whole ledger once more from its log, by other code, and compared with all that was made of it.
//!
//! In: the log from offset zero, the rows of the views at its end. Out: a [`Report`]. It shares with the stages and
//! the projections how records are read and what a naive book does, and nothing else: money, candles, streams and chains
//! are computed here anew, the obvious way, in memory. Invariant: it decides nothing and writes nothing. Nothing may be
//! written while it reads.
//!
//! - `timeline`: the log as one sequence
//! - `streams`, `stream_keys`, `answers`: what must stand in the log because of what
//! - `money`, `books`, `tape`: what follows from it
//! - `withheld`: what of it the views leave out, because it waits or was discarded
//! - `rows`, `compare`, `fills`, `inboxes`, `days`, `kept`: the rows of the views beside it
//! - `digests`: what each view says of all its rows, beside these
//! - `report`: what it came to

use std::collections::BTreeMap;

use orderledger_domain::envelope::{self, Envelope, Stamp, derived_id};
use orderledger_domain::event::{Event, EventType, Origin, RecordRefused};
use orderledger_domain::partition;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::event_log::{EventLog, Record};
use sha2::{Digest, Sha256};

use self::answers::Answers;
use self::books::Books;
use self::days::Days;
use self::fills::Fills;
use self::inboxes::Inboxes;
use self::kept::Kept;
use self::money::Money;
use self::stream_keys::StreamKeys;
use self::streams::{Comparisons, Item, Place, Streams, event_text, stranger};
use self::tape::Tape;
use self::timeline::Timeline;
use self::withheld::Withheld;

mod answers;
mod books;
mod compare;
mod days;
mod digests;
mod fills;
mod inboxes;
mod kept;
mod ledger_rows;
mod money;
mod report;
mod rows;
mod stream_keys;
mod streams;
mod tape;
mod timeline;
mod withheld;

pub use ledger_rows::LedgerRows;
pub use report::{Check, Compared, Difference, Report};
pub use rows::{
    BalanceRow, ChainRow, DayFigures, DayRow, FillRow, MarketRow, NotificationRow, OrderFigures, OrderRow, ParkedRow,
    PostingRow, Rows, SystemRow, ViewRows,
};
pub use tape::{CandleKey, CandleRow, TapeRow};

/// Reads the whole log and compares it with itself and with the views, which must stand at its end. `on_record` is
/// called with every record read.
pub fn verify(
    log: &dyn EventLog,
    key: &StreamKey,
    rows: &dyn ViewRows,
    on_record: &mut dyn FnMut(u64),
) -> Result<Report, Error> {
    let mut verifying = Verifying::new(log.partitions(), *key, Withheld::read(log, rows)?);
    let mut kept = Kept { rows, partitions: BTreeMap::new() };
    let mut timeline = Timeline::new(log)?;
    while let Some((of, record)) = timeline.next()? {
        kept.compare(of, &record, &mut verifying.report)?;
        verifying.take(of, &record);
        on_record(verifying.report.records);
    }
    kept.finish(&mut verifying.report)?;
    verifying.finish(rows)
}

/// Everything that is known of the ledger so far.
struct Verifying {
    partitions: u32,
    key: StreamKey,
    report: Report,
    streams: Streams,
    comparisons: Comparisons,
    answers: Answers,
    money: Money,
    fills: Fills,
    inboxes: Inboxes,
    days: Days,
    books: BTreeMap<u32, Books>,
    tape: Tape,
    withheld: Withheld,
    /// What the views made of the records that they don't leave out, if they leave out any.
    applied: Option<Applied>,
    stream_keys: StreamKeys,
    chains: BTreeMap<TopicPartition, (u64, u64, [u8; 32])>,
}

/// Money and trades as views that leave out some records must say them. What is wrong with the records themselves is told
/// by the whole of them.
#[derive(Default)]
struct Applied {
    money: Money,
    tape: Tape,
    unheard: Report,
}

impl Verifying {
    fn new(partitions: u32, key: StreamKey, withheld: Withheld) -> Verifying {
        Verifying {
            partitions,
            key,
            applied: withheld.is_any().then(Applied::default),
            withheld,
            report: Report::default(),
            streams: Streams::default(),
            comparisons: Comparisons::default(),
            answers: Answers::new(key.at_first()),
            money: Money::default(),
            fills: Fills::default(),
            inboxes: Inboxes::default(),
            days: Days::default(),
            books: (0..partitions).map(|number| (number, Books::new(number, partitions))).collect(),
            tape: Tape::default(),
            stream_keys: StreamKeys::default(),
            chains: BTreeMap::new(),
        }
    }

    fn take(&mut self, of: TopicPartition, record: &Record) {
        let at = of.offset(record.offset);
        self.report.records += 1;
        link(self.chains.entry(of).or_default(), record);
        let mut envelope = envelope::read(record.value.as_deref()).ok();
        if let Some(stamp) = envelope.as_mut().and_then(|envelope| envelope.stamp.as_mut()) {
            *stamp = self.key.check(*stamp, of, record.key.as_deref(), record.value.as_deref());
        }
        let digest = self.key.digest(record.key.as_deref(), record.value.as_deref());
        let place = self.streams.place(at, envelope.as_ref(), digest, &mut self.report);
        let is_withheld = self.is_withheld(at, record, place, envelope.as_ref());
        match place {
            Place::Repeat => {}
            Place::Outside | Place::Ahead if of.topic == Topic::Orders => {
                let sealed_by = match envelope.as_ref().map(|envelope| envelope.event_type) {
                    Some(EventType::StreamKeyRequested) => {
                        self.key.sealer(of, record.key.as_deref(), record.value.as_deref())
                    }
                    _ => None,
                };
                self.answers.ask(at, record.key.clone(), envelope.as_ref(), sealed_by, &self.money);
            }
            Place::Ahead => {}
            Place::Outside => {
                // Nothing of `notifications` is ever in a stream: its readers take what they understand.
                let is_in_none = of.topic == Topic::Notifications
                    || (of.topic == Topic::DeadLetters && envelope.is_some_and(|envelope| envelope.stamp.is_none()));
                if !is_in_none {
                    self.report.count(Check::Streams);
                    stranger(at, &mut self.report);
                }
            }
            Place::Next(stamp) => match envelope {
                Some(Envelope { event: Ok(event), event_id, timestamp, .. }) => {
                    if event_id != derived_id(stamp.cause) {
                        let expected = format!("eventId {}", derived_id(stamp.cause));
                        self.report.differs(Check::Streams, at, expected, format!("eventId {event_id}"));
                    }
                    self.next(at, record, stamp, timestamp, &event);
                    self.days.add(of.topic, timestamp, &event);
                    if let (Topic::Orders, Some(user)) = (of.topic, event.user_id()) {
                        self.inboxes.add(at, user, event.event_type());
                    }
                    if !is_withheld {
                        self.apply(at, stamp, timestamp, &event);
                    }
                }
                _ => self.report.differs(Check::Streams, at, "a payload of its type", "one that can't be read"),
            },
        }
    }

    /// Whether the view of that topic leaves the record out.
    fn is_withheld(&mut self, at: Position, record: &Record, place: Place, envelope: Option<&Envelope>) -> bool {
        let is_derived = envelope.is_some_and(|envelope| envelope.event_type.origin() == Origin::Derived);
        match (at.topic, place) {
            (Topic::Orders | Topic::Trades, Place::Next(stamp)) => {
                self.withheld.holds(at, record.key.as_ref(), Some(stamp.cause.position))
            }
            (Topic::Orders, Place::Outside) if !is_derived => self.withheld.holds(at, record.key.as_ref(), None),
            _ => false,
        }
    }

    /// What the views make of a record that they don't leave out.
    fn apply(&mut self, at: Position, stamp: Stamp, time: Timestamp, event: &Event) {
        if let (Topic::Orders, Event::OrderFilled(fill)) = (at.topic, event) {
            self.fills.add(&FillRow::of(at, fill));
        }
        let Some(applied) = &mut self.applied else { return };
        match (at.topic, event) {
            (Topic::Orders, event) => {
                applied.money.apply(at, stamp.cause.position, event, &mut applied.unheard);
            }
            (Topic::Trades, Event::TradeExecuted(trade)) => {
                applied.tape.append(at, time, trade, &mut applied.unheard);
            }
            _ => {}
        }
    }

    /// The next record of a stream.
    fn next(&mut self, at: Position, record: &Record, stamp: Stamp, time: Timestamp, event: &Event) {
        let (of, cause) = (at.topic_partition(), stamp.cause.position);
        let from = cause.topic_partition();
        if let (true, Event::StreamKeyTaken(taken)) = (from == of, event) {
            self.taken(at, cause, *taken);
        } else if from == of {
            self.answers.answer(at, cause, record.key.as_ref(), event, &self.money, &mut self.report);
            self.expect_copies(cause, record, event);
        } else {
            let key = record.key.clone().unwrap_or_default();
            let item = Item { cause: cause.offset, key, event: without_excerpt(of, event.clone()) };
            self.comparisons.find(from, at, item, &mut self.report);
        }
        match of.topic {
            Topic::Orders => {
                self.expect_taken(at, event);
                self.answers.control(of.partition, event);
                self.money.apply(at, cause, event, &mut self.report);
            }
            Topic::Books => {
                self.expect_taken(at, event);
                self.match_again(at, cause, event);
            }
            Topic::Trades => {
                if let Event::TradeExecuted(trade) = event {
                    self.tape.append(at, time, trade, &mut self.report);
                }
            }
            Topic::DeadLetters | Topic::Notifications => {}
        }
    }

    /// What intake must have written elsewhere because of this answer.
    fn expect_copies(&mut self, cause: Position, record: &Record, event: &Event) {
        let from = cause.topic_partition();
        let key = record.key.clone().unwrap_or_default();
        let book_of = |symbol: &str| Topic::Books.at(partition::of_key(symbol.as_bytes(), self.partitions));
        let every = |topic: Topic| (0..self.partitions).map(move |number| topic.at(number));
        let (targets, key) = match event {
            Event::OrderAccepted(_) | Event::CancelAccepted(_) | Event::AmendAccepted(_) => {
                let Some(symbol) = event.symbol() else { return };
                (vec![book_of(symbol.as_str())], bytes::Bytes::copy_from_slice(symbol.as_str().as_bytes()))
            }
            Event::FeeScheduleSet(_) | Event::RulesVersionSet(_) | Event::StreamKeySet(_) | Event::SessionClosed(_) => {
                let all = every(Topic::Orders).chain(every(Topic::Books));
                (all.filter(|target| *target != from).collect(), key)
            }
            Event::RecordRefused(_) => (vec![Topic::DeadLetters.at(from.partition)], key),
            _ => return,
        };
        for to in targets {
            let item = Item { cause: cause.offset, key: key.clone(), event: event.clone() };
            self.comparisons.expect(from, to, item, &mut self.report);
        }
    }

    /// What matching must have written because of this record of `books`.
    fn match_again(&mut self, at: Position, cause: Position, event: &Event) {
        let Some(books) = self.books.get_mut(&at.partition) else { return };
        match books.apply(cause, event) {
            Ok(written) => {
                for (to, key, event) in written {
                    let item = Item { cause: at.offset, key, event };
                    self.comparisons.expect(at.topic_partition(), to, item, &mut self.report);
                }
            }
            Err(unknowable) => {
                self.report.differs(
                    Check::Matching,
                    at,
                    format!("a record that the books can take, but {unknowable}"),
                    event_text(event),
                );
            }
        }
    }

    fn finish(mut self, rows: &dyn ViewRows) -> Result<Report, Error> {
        let report = &mut self.report;
        self.streams.finish(report);
        self.comparisons.finish(report);
        self.stream_keys.finish(report);
        report.unanswered = self.answers.unanswered();
        let is_settled = report.unanswered == 0 && report.pending == 0;
        self.money.finish(is_settled, report);
        if is_settled {
            compare_resting(&self.books, &self.money, report);
        }
        self.withheld.finish(report);
        let applied = self.applied.as_ref();
        compare::settlement(applied.map_or(&self.money, |applied| &applied.money), rows, report)?;
        self.fills.compare(rows, report)?;
        self.inboxes.compare(rows, report)?;
        self.days.compare(rows, report)?;
        compare::market(applied.map_or(&self.tape, |applied| &applied.tape), rows, report)?;
        for row in rows.chains() {
            let (of, count, last_offset, sha256) = row?;
            let expected = self.chains.remove(&of);
            report.compare(Check::Chains, of, &expected, &Some((count, last_offset, sha256)), chain_text);
        }
        for (of, chain) in self.chains {
            report.count(Check::Chains);
            report.differs(Check::Chains, of, chain_text(&Some(chain)), "no such row");
        }
        Ok(self.report)
    }
}

/// The notice among the dead letters says more of the record than the answer does.
fn without_excerpt(of: TopicPartition, event: Event) -> Event {
    match event {
        Event::RecordRefused(refused) if of.topic == Topic::DeadLetters => {
            let RecordRefused { position, reason, detail, original, .. } = refused;
            Event::RecordRefused(RecordRefused::plain(position, reason, detail, original))
        }
        event => event,
    }
}

/// hₙ = SHA-256(hₙ₋₁ ‖ be32 key length ‖ key ‖ be32 value length ‖ value); a missing one has the length 0xFFFFFFFF.
fn link(chain: &mut (u64, u64, [u8; 32]), record: &Record) {
    let mut bytes = chain.2.to_vec();
    for part in [&record.key, &record.value] {
        let length = part.as_ref().map_or(u32::MAX, |part| u32::try_from(part.len()).unwrap_or(u32::MAX));
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part.as_deref().unwrap_or_default());
    }
    *chain = (chain.0 + 1, record.offset, Sha256::digest(&bytes).into());
}

fn chain_text(chain: &Option<(u64, u64, [u8; 32])>) -> String {
    chain.map_or("no chain".to_owned(), |(count, last, sha256)| {
        let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{count} records up to offset {last}, {hex}")
    })
}

fn compare_resting(books: &BTreeMap<u32, Books>, money: &Money, report: &mut Report) {
    let mut open: BTreeMap<_, _> = money
        .all_orders()
        .filter(|(.., order)| order.status.is_open())
        .map(|(user, order_id, order)| ((user.clone(), order_id.clone()), (order.now.price, order.now.leaves)))
        .collect();
    let text = |row: &Option<(i128, i128)>| {
        row.map_or("no such order".to_owned(), |(price, leaves)| format!("{leaves} open at {}", money::decimal(&price)))
    };
    for (user, order_id, price, leaves) in books.values().flat_map(Books::resting) {
        let at = format!("order {order_id} of {user} in its book");
        let expected = open.remove(&(user, order_id));
        report.compare(Check::Resting, at, &expected, &Some((price, leaves)), text);
    }
    for ((user, order_id), row) in open {
        report.count(Check::Resting);
        report.differs(Check::Resting, format!("order {order_id} of {user}"), text(&Some(row)), "it rests in no book");
    }
}
