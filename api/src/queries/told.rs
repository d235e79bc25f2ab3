//! What records of an account say, one by one: from the audit trail, and from the log what stands not there yet.

use std::sync::Arc;

use orderledger_domain::envelope::{self, Envelope};
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_projections::audit::queries::RecordLookup;
use orderledger_projections::parking::waiting_record;
use orderledger_projections::settlement::queries::{Tell, Told};
use orderledger_store::Error;

use crate::ledger::Ledger;

/// The records of one partition of `orders`.
pub(crate) struct Trail {
    ledger: Arc<Ledger>,
    of: TopicPartition,
}

impl Trail {
    pub(crate) fn new(ledger: &Arc<Ledger>, of: TopicPartition) -> Trail {
        Trail { ledger: Arc::clone(ledger), of }
    }

    /// Does what needs records, from one moment of the audit trail.
    pub(crate) fn with<T>(&self, work: impl FnOnce(Tell<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let audit = self.ledger.audit.reader()?;
        let mut lookup = RecordLookup::new(&audit);
        work(&mut |offset| {
            let at = self.of.offset(offset);
            let value = match lookup.get(at)? {
                Some(record) => record.value,
                None => waiting_record(&*self.ledger.log, at)?.and_then(|record| record.value),
            };
            told(at, value.as_deref())
        })
    }
}

fn told(at: Position, value: Option<&[u8]>) -> Result<Told, Error> {
    let unlike = || Error::corrupt(at, "an order's record can't be read any more");
    let Envelope { event, timestamp, stamp, .. } = envelope::read(value).map_err(|_| unlike())?;
    let by_intake = stamp.is_none_or(|stamp| stamp.cause.position.topic == Topic::Orders);
    Ok(Told { event: event.map_err(|_| unlike())?, time: timestamp, by_intake })
}
