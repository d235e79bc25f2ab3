//! A record that stands in the log, wherever it is read the quickest.

use bytes::Bytes;
use orderledger_domain::position::Position;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::audit::queries::record;
use orderledger_store::Error;

use super::Ledger;

impl Ledger {
    /// When the log took what stands there, and its bytes: out of the audit trail, or out of the log while that is behind or being
    /// made anew. None where nothing stands.
    pub(crate) fn event_at(&self, at: Position) -> Result<(Timestamp, Option<Bytes>), Error> {
        let kept = self.audit.reader().and_then(|reader| record(&reader, at)).ok().flatten();
        if let Some(kept) = kept {
            return Ok((kept.recorded_at, kept.value));
        }
        let found = self.log.read(at.topic_partition(), at.offset, 1)?.into_iter().next();
        let found = found.filter(|record| record.offset == at.offset);
        let found = found.map(|record| (Timestamp::from_millis(record.recorded_at_ms), record.value));
        Ok(found.unwrap_or_default())
    }
}
