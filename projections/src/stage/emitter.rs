//! Derived records on their way out: stamped, numbered, digested.

use std::collections::BTreeMap;

use bytes::Bytes;
use orderledger_domain::envelope::{self, Cause, Metadata};
use orderledger_domain::event::{Event, EventType, StreamKeyChange};
use orderledger_domain::ids::{CorrelationId, KeyId};
use orderledger_domain::planted::{self, Bug};
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::rules::Rules;
use orderledger_domain::stream::{StreamId, StreamKey, StreamMark};
use orderledger_domain::timestamp::Timestamp;
use orderledger_domain::trace::TraceContext;
use orderledger_domain::version::Version;
use orderledger_store::Error;
use serde::{Deserialize, Serialize};

use super::fold::Failure;
use crate::intake::CONTROL_KEY;
use crate::worker::read::{Read, lacks};

/// One derived record of a stage.
#[derive(Clone, Debug)]
pub struct Output {
    /// The partition it goes to.
    pub to: TopicPartition,
    /// Its key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// The offset of the record that caused it, in the stage's source partition.
    pub cause_offset: u64,
    /// Its stream's mark with this record as the last.
    pub mark: StreamMark,
    /// What it says, if it is intake's answer to an outside record.
    pub answer: Option<Event>,
    /// The span in which it was decided, if its cause belongs to a trace: all that its headers say.
    pub trace: Option<TraceContext>,
}

/// Stamps the outputs of one stage from one source partition.
#[derive(Clone, Debug)]
pub struct Emitter {
    source: TopicPartition,
    by: &'static str,
    key: StreamKey,
    /// The key that seals, once one was taken.
    sealed_by: Option<KeyId>,
    marks: BTreeMap<TopicPartition, StreamMark>,
}

/// How far an emitter's streams are, as a snapshot keeps it: topic number, partition, mark.
pub type EmittedMarks = Vec<(u8, u32, StreamMark)>;

impl Emitter {
    /// An emitter of streams that have not begun.
    pub const fn new(source: TopicPartition, by: &'static str, key: StreamKey) -> Emitter {
        Emitter { source, by, key, sealed_by: None, marks: BTreeMap::new() }
    }

    /// The marks of all streams, to be stored.
    pub fn marks(&self) -> EmittedMarks {
        self.marks.iter().map(|(to, mark)| (to.topic.number(), to.partition, *mark)).collect()
    }

    /// The keys of the streams.
    pub const fn key(&self) -> &StreamKey {
        &self.key
    }

    /// The key that seals, once one was taken, to be stored.
    pub const fn sealed_by(&self) -> Option<KeyId> {
        self.sealed_by
    }

    /// Refuses where one of these keys is not known.
    pub fn check_knows(&self, mut keys: impl Iterator<Item = KeyId>) -> Result<(), Error> {
        match keys.find(|id| !self.key.knows(*id)) {
            Some(lacking) => Err(Error::refused(self.source, lacks(lacking))),
            None => Ok(()),
        }
    }

    /// Goes on from stored marks, sealing with that key.
    ///
    /// # Errors
    /// Refused without that key.
    pub fn resume(&mut self, marks: &EmittedMarks, sealed_by: Option<KeyId>) -> Result<(), Error> {
        use orderledger_domain::position::Topic;
        self.check_knows(sealed_by.into_iter())?;
        self.sealed_by = sealed_by;
        if planted::is(Bug::SequenceReset) {
            return Ok(());
        }
        self.marks = marks
            .iter()
            .filter_map(|(topic, partition, mark)| Some((Topic::from_number(*topic)?.at(*partition), *mark)))
            .collect();
        Ok(())
    }

    /// Begins the outputs of a record, in the form that the rules in force give them.
    pub fn cause(&mut self, read: &Read, rules: Rules, timestamp: Timestamp) -> Emission<'_> {
        let version = rules.writes();
        // Written from its version on alone, so before it isn't even copied.
        let carried = read.envelope.as_ref().ok().filter(|_| version >= Version::V2_1);
        let correlation_id = carried.and_then(|envelope| envelope.correlation_id.clone());
        let cause = self.source.offset(read.position.offset);
        Emission { cause, emitter: self, timestamp, index: 0, version, correlation_id }
    }
}

/// The outputs of one record, numbered from 0.
#[derive(Debug)]
pub struct Emission<'a> {
    emitter: &'a mut Emitter,
    cause: Position,
    timestamp: Timestamp,
    index: u32,
    version: Version,
    /// What the cause belongs to, and so what follows from it.
    correlation_id: Option<CorrelationId>,
}

impl Emission<'_> {
    /// The position of the record that causes the outputs.
    pub const fn cause(&self) -> Position {
        self.cause
    }

    /// Moves the outputs' time, never backwards.
    pub fn not_before(&mut self, timestamp: Timestamp) {
        self.timestamp = self.timestamp.max(timestamp);
    }

    /// The outputs' time.
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Emits an event.
    pub fn emit(&mut self, to: TopicPartition, key: &str, event: &Event, outputs: &mut Vec<Output>) {
        self.emit_payload(to, key, event.event_type(), &envelope::payload_bytes(event), outputs);
    }

    /// Seals with another key from here on, and says so in every stream of this stage: in each a StreamKeyTaken is the last
    /// record under the key before. Nothing is written if that key seals already.
    ///
    /// # Errors
    /// Which key is not known.
    pub fn take_key(
        &mut self,
        id: KeyId,
        targets: impl Iterator<Item = TopicPartition>,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if self.emitter.sealed_by == Some(id) {
            return Ok(());
        }
        if !self.emitter.key.knows(id) {
            return Err(Failure::Halt(format!("{}: {}", self.cause, lacks(id))));
        }
        let event = Event::StreamKeyTaken(StreamKeyChange { key_id: id });
        for target in targets {
            self.emit(target, CONTROL_KEY, &event, outputs);
        }
        self.emitter.sealed_by = Some(id);
        Ok(())
    }

    /// Emits an event whose payload is already written.
    pub fn emit_payload(
        &mut self,
        to: TopicPartition,
        key: &str,
        event_type: EventType,
        payload: &[u8],
        outputs: &mut Vec<Output>,
    ) {
        let mark = self.emitter.marks.entry(to).or_default();
        let mut stamp = mark.next_stamp(Cause { position: self.cause, index: self.index });
        if stamp.sequence == 1 {
            stamp.prev = self.emitter.key.first_prev(StreamId(self.cause.topic_partition()), to);
        }
        stamp.key = self.emitter.sealed_by;
        let (version, correlation_id) = (self.version, self.correlation_id.as_ref());
        let metadata = Metadata { version, source: self.emitter.by, actor: None, correlation_id };
        let mut value = envelope::write_derived_with(event_type, payload, self.timestamp, &stamp, &metadata);
        if let Some(id) = stamp.key {
            self.emitter.key.seal(id, to, key.as_bytes(), &mut value);
        }
        let digest = self.emitter.key.digest(Some(key.as_bytes()), Some(&value));
        *mark = StreamMark { sequence: stamp.sequence, digest };
        self.index = self.index.saturating_add(1);
        outputs.push(Output {
            to,
            key: Bytes::copy_from_slice(key.as_bytes()),
            value: value.into(),
            cause_offset: self.cause.offset,
            mark: *mark,
            answer: None,
            trace: None,
        });
    }
}

/// A stream's mark and where its last record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emitted {
    /// The offset of the stream's last acknowledged record in its target.
    pub offset: u64,
    /// The stream's mark with that record as the last.
    pub mark: StreamMark,
}
