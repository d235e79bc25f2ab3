//! A record of the log, read once and shared by every fold that wants it.

use bytes::Bytes;
use orderledger_domain::envelope::{self, Envelope, Refusal, Stamp};
use orderledger_domain::ids::KeyId;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::rules::Rules;
use orderledger_domain::stream::StreamKey;
use orderledger_domain::timestamp::Timestamp;
use orderledger_domain::version::Version;
use orderledger_store::event_log::{Header, Record};

/// A record with what reading it gave.
#[derive(Clone, Debug)]
pub struct Read {
    /// Where it stands.
    pub position: Position,
    /// When the log took it.
    pub recorded_at: Timestamp,
    /// Its key, as it stands.
    pub key: Option<Bytes>,
    /// Its value, as it stands.
    pub value: Option<Bytes>,
    /// Its headers, as they stand.
    pub headers: Vec<Header>,
    /// The keyed digest of key and value: what the next of its stream names as `prev`, and what stored positions carry.
    pub digest: u64,
    /// Its envelope, or why it can't be used.
    pub envelope: Result<Envelope, Refusal>,
    /// Its place in a stream, if it names one. A record of an unknown type or version may have one, too: if it is the
    /// next there, a newer program wrote it, and this one can't go on.
    pub stamp: Option<Stamp>,
    /// The key that its stream takes with it, if that one is not known: whoever takes the record can't go on.
    pub lacks: Option<KeyId>,
}

impl Read {
    /// Reads a record of that partition.
    pub fn new(from: TopicPartition, record: Record, key: &StreamKey) -> Read {
        let envelope = envelope::read(record.value.as_deref());
        let stamp = match &envelope {
            Ok(envelope) => envelope.stamp,
            Err(refusal) => envelope::stamp_of_unknown(record.value.as_deref(), refusal),
        };
        let stamp = stamp.map(|stamp| key.check(stamp, from, record.key.as_deref(), record.value.as_deref()));
        Read {
            lacks: stamp.and_then(|stamp| stamp.takes).filter(|id| !key.knows(*id)),
            stamp,
            position: from.offset(record.offset),
            recorded_at: Timestamp::from_millis(record.recorded_at_ms),
            digest: key.digest(record.key.as_deref(), record.value.as_deref()),
            envelope,
            key: record.key,
            value: record.value,
            headers: record.headers,
        }
    }

    /// Whether intake reads it, if it comes from outside, under that version of the rules; none was set: the first.
    pub fn is_read_under(&self, rules_version: Option<u32>) -> bool {
        let rules = rules_version.map_or(Rules::default(), in_force);
        self.envelope.as_ref().is_ok_and(|envelope| rules.reads(envelope.version))
    }

    /// Whether outside records of more versions are read under that version of the rules than under the first.
    pub fn reads_more(rules_version: u32) -> bool {
        Version::ALL.iter().any(|version| in_force(rules_version).reads(*version) && !Rules::default().reads(*version))
    }

    /// The bytes of its key and its value, and about what it costs to keep them.
    pub fn size(&self) -> usize {
        const OVERHEAD: usize = 64;
        [&self.key, &self.value].into_iter().flatten().map(Bytes::len).fold(OVERHEAD, usize::saturating_add)
    }
}

/// Those rules. Ones that a newer program set read whatever this one can read.
fn in_force(rules_version: u32) -> Rules {
    Rules::try_from(rules_version).unwrap_or(Rules::NEWEST)
}

/// What a worker says that lacks the key of a stream.
pub fn lacks(id: KeyId) -> String {
    format!(
        "records are sealed with the key {id}, which the stream key file doesn't hold: add it there and start again"
    )
}
