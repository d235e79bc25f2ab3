//! Logs and views that were tampered with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use orderledger_domain::envelope::{Metadata, payload_bytes, write_derived_with};
use orderledger_domain::event::Event;
use orderledger_domain::money::Amount;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::stream::{StreamId, StreamKey, StreamMark};
use orderledger_projections::analytics::Analytics;
use orderledger_projections::audit::Audit;
use orderledger_projections::market::Market;
use orderledger_projections::notifications::Notifications;
use orderledger_projections::settlement::Settlement;
use orderledger_projections::verify::{
    BalanceRow, CandleKey, CandleRow, ChainRow, Check, DayRow, FillRow, LedgerRows, MarketRow, NotificationRow,
    OrderRow, ParkedRow, PostingRow, Rows, SystemRow, TapeRow, ViewRows,
};
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::folding::Folding;
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::{Appender, AppenderKind, EventLog, Fetched, Reader, ReaderKind, Record};
use orderledger_store::views::{Schema, View};
use orderledger_store::{At, Error};

use crate::days::PARTITIONS;

/// A log that stands still.
pub(crate) struct FixedLog(BTreeMap<TopicPartition, Vec<Record>>);

impl FixedLog {
    pub(crate) fn of(log: &BTreeMap<TopicPartition, Vec<Read>>) -> FixedLog {
        let record = |read: &Read| Record {
            offset: read.position.offset,
            recorded_at_ms: read.recorded_at.millis(),
            key: read.key.clone(),
            value: read.value.clone(),
            headers: read.headers.clone(),
        };
        FixedLog(log.iter().map(|(of, reads)| (*of, reads.iter().map(record).collect())).collect())
    }

    pub(crate) fn reads(&self) -> Vec<Read> {
        let read = |of: TopicPartition, record: &Record| Read::new(of, record.clone(), &StreamKey::default());
        self.0.iter().flat_map(|(of, records)| records.iter().map(move |record| read(*of, record))).collect()
    }

    /// The views of it.
    pub(crate) fn folded(&self) -> LedgerRows {
        let reader = |view: Arc<View>| view.reader().unwrap();
        let settlement = reader(self.fold::<Settlement>());
        let (market, audit) = (reader(self.fold::<Market>()), reader(self.fold::<Audit>()));
        let (notifications, analytics) = (reader(self.fold::<Notifications>()), reader(self.fold::<Analytics>()));
        LedgerRows { settlement, market, audit, notifications, analytics }
    }

    fn fold<F: Fold>(&self) -> Arc<View> {
        let view = Arc::new(View::in_memory(Schema { name: F::NAME, version: F::SCHEMA }));
        let mut folding = Folding::<F>::resume(view, self, &StreamKey::default(), "memory").unwrap();
        for read in self.reads().iter().filter(|read| F::TOPICS.contains(&read.position.topic)) {
            folding.take(read).unwrap();
        }
        folding.commit().unwrap();
        Arc::clone(folding.view())
    }

    /// Without the last record of a partition.
    pub(crate) fn without_end(&self, of: TopicPartition) -> FixedLog {
        let mut cut = FixedLog(self.0.clone());
        cut.0.get_mut(&of).unwrap().pop();
        cut
    }

    /// The last record of a partition once more, before the one that it follows.
    pub(crate) fn with_last_ahead(&self, of: TopicPartition) -> FixedLog {
        let mut early = FixedLog(self.0.clone());
        let records = early.0.get_mut(&of).unwrap();
        records.insert(records.len() - 2, records.last().unwrap().clone());
        (0..).zip(records).for_each(|(offset, record)| record.offset = offset);
        early
    }

    /// One record cut out; its offset is a hole.
    pub(crate) fn without(&self, position: Position) -> FixedLog {
        let mut cut = FixedLog(self.0.clone());
        let of = position.topic_partition();
        cut.0.get_mut(&of).unwrap().retain(|record| record.offset != position.offset);
        cut
    }
}

impl EventLog for FixedLog {
    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn appender(&self, _: AppenderKind) -> Result<Box<dyn Appender>, Error> {
        Err(Error::closed(At::Log, "it stands still"))
    }

    fn reader(&self, _: &[(TopicPartition, u64)], _: ReaderKind) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(Nothing))
    }

    fn first_offset(&self, _: TopicPartition) -> Result<u64, Error> {
        Ok(0)
    }

    fn end_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        let last = self.0.get(&of).and_then(|records| records.last());
        Ok(last.map_or(0, |last| last.offset + 1))
    }

    fn read(&self, of: TopicPartition, from: u64, max: usize) -> Result<Vec<Record>, Error> {
        let records = self.0.get(&of).map(Vec::as_slice).unwrap_or_default();
        Ok(records.iter().filter(|record| record.offset >= from).take(max).cloned().collect())
    }

    fn commits_batches_atomically(&self) -> bool {
        false
    }

    fn close(&self) {}
}

struct Nothing;

impl Reader for Nothing {
    fn poll(&mut self, _: Duration) -> Result<Vec<Fetched>, Error> {
        Ok(Vec::new())
    }

    fn position(&self, _: TopicPartition) -> u64 {
        0
    }
}

/// What is done to a record.
pub(crate) enum Edit {
    Keep,
    /// As if the stage had never written it.
    Drop,
    /// As if the stage had said this.
    Say(Event),
}

/// The log as it would be if the stages had written what `edit` says: every stream is numbered and linked anew, as only
/// someone can do who has the key.
pub(crate) fn restamped(log: &FixedLog, mut edit: impl FnMut(&Read) -> Edit) -> FixedLog {
    let mut marks: BTreeMap<(TopicPartition, StreamId), StreamMark> = BTreeMap::new();
    let mut written: BTreeMap<TopicPartition, Vec<Record>> = BTreeMap::new();
    for read in log.reads() {
        let of = read.position.topic_partition();
        let (offset, recorded_at_ms, key, headers) =
            (read.position.offset, read.recorded_at.millis(), read.key.clone(), read.headers.clone());
        let stamped = read.envelope.as_ref().ok().and_then(|envelope| Some((envelope, envelope.stamp?)));
        let value = match stamped {
            None => read.value.clone(),
            Some((envelope, stamp)) => {
                let event = match edit(&read) {
                    Edit::Drop => continue,
                    Edit::Keep => envelope.event.clone().unwrap(),
                    Edit::Say(event) => event,
                };
                let mark = marks.entry((of, StreamId::of(&stamp))).or_default();
                let stamp = mark.next_stamp(stamp.cause);
                let by = if stamp.cause.position.topic == Topic::Orders { "intake" } else { "matching" };
                let (version, correlation_id) = (envelope.version, envelope.correlation_id.as_ref());
                let metadata = Metadata { version, correlation_id, ..Metadata::plain(by) };
                let (payload, time) = (payload_bytes(&event), envelope.timestamp);
                let value = write_derived_with(event.event_type(), &payload, time, &stamp, &metadata);
                let digest = StreamKey::default().digest(key.as_deref(), Some(&value));
                *mark = StreamMark { sequence: stamp.sequence, digest };
                Some(Bytes::from(value))
            }
        };
        written.entry(of).or_default().push(Record { offset, recorded_at_ms, key, value, headers });
    }
    FixedLog(written)
}

/// Which row is damaged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Balance,
    NoBalance,
    System,
    Order,
    NoOrder,
    Fill,
    NoFill,
    Posting,
    NoPosting,
    Tape,
    NoTape,
    Candle,
    NoCandle,
    Market,
    Notification,
    NoNotification,
    Day,
    NoDay,
    Chain,
    NoChain,
    Record,
    MoreRecords,
}

/// Every damage and the check that must find it.
pub(crate) fn changed_rows() -> [(Changed, Check); 22] {
    [
        (Changed::Balance, Check::Balances),
        (Changed::NoBalance, Check::Balances),
        (Changed::System, Check::SystemAccounts),
        (Changed::Order, Check::Orders),
        (Changed::NoOrder, Check::Orders),
        (Changed::Fill, Check::Fills),
        (Changed::NoFill, Check::Fills),
        (Changed::Posting, Check::Postings),
        (Changed::NoPosting, Check::Postings),
        (Changed::Tape, Check::Tape),
        (Changed::NoTape, Check::Tape),
        (Changed::Candle, Check::Candles),
        (Changed::NoCandle, Check::Candles),
        (Changed::Market, Check::Markets),
        (Changed::Notification, Check::Inboxes),
        (Changed::NoNotification, Check::Inboxes),
        (Changed::Day, Check::Days),
        (Changed::NoDay, Check::Days),
        (Changed::Chain, Check::Chains),
        (Changed::NoChain, Check::Chains),
        (Changed::Record, Check::Records),
        (Changed::MoreRecords, Check::Records),
    ]
}

/// The rows of a ledger with one of them damaged.
pub(crate) struct DamagedRows<'a> {
    pub(crate) rows: &'a LedgerRows,
    pub(crate) changed: Changed,
}

impl DamagedRows<'_> {
    /// Changes or drops the last row of a kind.
    fn with<'a, T: 'a>(
        &self,
        rows: Rows<'a, T>,
        (change, drop): (Changed, Option<Changed>),
        edit: impl Fn(&mut T),
    ) -> Rows<'a, T> {
        let mut rows: Vec<T> = rows.collect::<Result<_, _>>().unwrap();
        if self.changed == change {
            edit(rows.last_mut().unwrap());
        } else if Some(self.changed) == drop {
            rows.pop();
        }
        Box::new(rows.into_iter().map(Ok))
    }
}

fn more(amount: &mut Amount) {
    *amount = amount.plus(Amount::from_units(1));
}

impl ViewRows for DamagedRows<'_> {
    fn parked(&self) -> Rows<'_, ParkedRow> {
        self.rows.parked()
    }

    fn balances(&self) -> Rows<'_, BalanceRow> {
        self.with(self.rows.balances(), (Changed::Balance, Some(Changed::NoBalance)), |row| more(&mut row.available))
    }

    fn system_accounts(&self) -> Rows<'_, SystemRow> {
        self.with(self.rows.system_accounts(), (Changed::System, None), |row| more(&mut row.amount))
    }

    fn orders(&self) -> Rows<'_, OrderRow> {
        self.with(self.rows.orders(), (Changed::Order, Some(Changed::NoOrder)), |row| row.figures.leaves_quantity += 1)
    }

    fn fills(&self) -> Rows<'_, FillRow> {
        self.with(self.rows.fills(), (Changed::Fill, Some(Changed::NoFill)), |row| more(&mut row.fee))
    }

    fn postings(&self) -> Rows<'_, PostingRow> {
        self.with(self.rows.postings(), (Changed::Posting, Some(Changed::NoPosting)), |row| more(&mut row.change))
    }

    fn tape(&self) -> Rows<'_, (orderledger_domain::ids::Symbol, TapeRow)> {
        self.with(self.rows.tape(), (Changed::Tape, Some(Changed::NoTape)), |row| row.1.price += 1)
    }

    fn candles(&self) -> Rows<'_, (CandleKey, CandleRow)> {
        self.with(self.rows.candles(), (Changed::Candle, Some(Changed::NoCandle)), |row| row.1.volume += 1)
    }

    fn markets(&self) -> Rows<'_, (orderledger_domain::ids::Symbol, MarketRow)> {
        self.with(self.rows.markets(), (Changed::Market, None), |row| row.1.trade_count += 1)
    }

    fn notifications(&self) -> Rows<'_, NotificationRow> {
        let changed = (Changed::Notification, Some(Changed::NoNotification));
        self.with(self.rows.notifications(), changed, |row| row.offset += 1)
    }

    fn days(&self) -> Rows<'_, DayRow> {
        self.with(self.rows.days(), (Changed::Day, Some(Changed::NoDay)), |row| row.figures.turnover += 1)
    }

    fn chains(&self) -> Rows<'_, ChainRow> {
        self.with(self.rows.chains(), (Changed::Chain, Some(Changed::NoChain)), |row| row.3[0] ^= 1)
    }

    fn records(&self, of: TopicPartition) -> Rows<'_, Record> {
        let rows = self.rows.records(of);
        if of.topic == Topic::Orders && self.changed == Changed::MoreRecords {
            let beyond = Record { offset: u64::MAX, recorded_at_ms: 0, key: None, value: None, headers: Vec::new() };
            return Box::new(rows.chain(std::iter::once(Ok(beyond))));
        }
        self.with(rows, (Changed::Record, None), |row| row.value = None)
    }
}
