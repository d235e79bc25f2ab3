//! What a view has not applied, by the log and by what is parked: decided here anew, record by record.
//!
//! From an entity's head on everything of it waits; a record that an operator discarded is left out, unless it waits too.
//! Where the heads stand is taken from the view: which record can't be applied depends on the program.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use orderledger_domain::envelope::{self, Envelope};
use orderledger_domain::event::Event;
use orderledger_domain::partition::of_key;
use orderledger_domain::position::{Position, Topic};
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use uuid::Uuid;

use super::report::{Check, Report};
use super::rows::{ParkedRow, ViewRows};

/// Records of `dead-letters` of one look.
const CHUNK_RECORDS: usize = 512;

/// Whose records of a topic: the key that they stand under.
type Whose = (Topic, Bytes);

/// What the views of accounts and of markets leave out.
#[derive(Debug, Default)]
pub(super) struct Withheld {
    heads: BTreeMap<Whose, ParkedRow>,
    /// Where the records stand that were discarded, and their keys.
    discarded: BTreeSet<(Position, Bytes)>,
    /// Where the newest decision about a record stands, by where that stands and its key.
    decided: BTreeMap<(Position, Bytes), Position>,
    /// The decisions by their ids, which are unique in a partition for each projection.
    heard: BTreeSet<(Topic, u32, Uuid)>,
    /// Records from outside, and whose they are: an answer that names nobody belongs to whose record it answers.
    asked: BTreeMap<Position, Whose>,
    waiting: BTreeMap<Whose, u64>,
    partitions: u32,
}

impl Withheld {
    /// The heads that the views name, and the discards that the log holds.
    pub(super) fn read(log: &dyn EventLog, rows: &dyn ViewRows) -> Result<Withheld, Error> {
        let mut withheld = Withheld { partitions: log.partitions(), ..Withheld::default() };
        for row in rows.parked() {
            let row = row?;
            withheld.heads.insert((row.head.topic, Bytes::from(row.name.clone())), row);
        }
        for of in (0..log.partitions()).map(|partition| Topic::DeadLetters.at(partition)) {
            let (mut next, end) = (0, log.end_offset(of)?);
            while next < end {
                let records = log.read(of, next, CHUNK_RECORDS)?;
                next = records.last().map_or(end, |last| last.offset.saturating_add(1));
                for record in records {
                    withheld.hear(of.offset(record.offset), record.key.as_deref(), record.value.as_deref());
                }
            }
        }
        Ok(withheld)
    }

    /// A decision changes nothing where another one came in between that it doesn't know of.
    fn hear(&mut self, at: Position, key: Option<&[u8]>, value: Option<&[u8]>) {
        let Ok(Envelope { event_id, event: Ok(event), .. }) = envelope::read(value) else { return };
        let (decision, is_discard) = match event {
            Event::ParkedDiscarded(decision) => (decision, true),
            Event::ParkedRetried(decision) => (decision, false),
            _ => return,
        };
        let (topic, kind) = match decision.projection.as_str() {
            "settlement" => (Topic::Orders, "user:"),
            "market" => (Topic::Trades, "symbol:"),
            _ => return,
        };
        let whose = key.and_then(|key| key.strip_prefix(kind.as_bytes()));
        let is_home = |name: &&[u8]| {
            let home = of_key(name, self.partitions);
            (at.partition, decision.position.topic_partition()) == (home, topic.at(home))
        };
        let Some(whose) = whose.filter(is_home) else { return };
        let whose = Bytes::copy_from_slice(whose);
        // The same request once more changes nothing, whatever it knows by now.
        if !self.heard.insert((topic, at.partition, event_id)) {
            return;
        }
        let about = (decision.position, whose.clone());
        if self.decided.get(&about).copied() != decision.after {
            return;
        }
        self.decided.insert(about, at);
        if is_discard {
            self.discarded.insert((decision.position, whose));
        }
    }

    /// Whether a view leaves out anything at all.
    pub(super) fn is_any(&self) -> bool {
        !self.heads.is_empty() || !self.discarded.is_empty()
    }

    /// Whether its view leaves the record out; it is no repeat, and belongs where it stands. `cause` is what a derived one
    /// answers.
    pub(super) fn holds(&mut self, at: Position, key: Option<&Bytes>, cause: Option<Position>) -> bool {
        let Some(key) = key else { return false };
        let is_own = key.first() == Some(&b'_');
        let answered = cause.filter(|cause| is_own && cause.topic_partition() == at.topic_partition());
        let answers = answered.and_then(|cause| self.asked.remove(&cause));
        let whose = answers.unwrap_or_else(|| (at.topic, key.clone()));
        if cause.is_none() && !is_own && !self.heads.is_empty() {
            self.asked.insert(at, whose.clone());
        }
        if self.heads.get(&whose).is_some_and(|row| row.head.topic_partition() == at.topic_partition())
            && self.heads.get(&whose).is_some_and(|row| row.head.offset <= at.offset)
        {
            *self.waiting.entry(whose).or_default() += 1;
            return true;
        }
        self.discarded.contains(&(at, key.clone()))
    }

    /// What waits, as the views say it.
    pub(super) fn finish(&self, report: &mut Report) {
        let text = |waiting: &u64| format!("{waiting} records wait");
        for of in
            [Topic::Orders, Topic::Trades].into_iter().flat_map(|topic| (0..self.partitions).map(move |p| topic.at(p)))
        {
            let said: u64 =
                self.heads.values().filter(|row| row.head.topic_partition() == of).map(|row| row.waiting).sum();
            let here = self.heads.iter().filter(|(_, row)| row.head.topic_partition() == of);
            let found: u64 = here.filter_map(|(whose, _)| self.waiting.get(whose)).sum();
            report.compare(Check::Parked, of, &found, &said, text);
        }
        for (whose, row) in &self.heads {
            let found = self.waiting.get(whose).copied().unwrap_or_default();
            report.compare(Check::Parked, format!("{} from {} on", row.name, row.head), &found, &row.waiting, text);
            if self.discarded.contains(&(row.head, whose.1.clone())) {
                report.differs(Check::Parked, row.head, "another head: this record was discarded", "it is the head");
            }
        }
    }
}
