//! What of the log a webhook is told: what the notifications view has, of the account and of the types that the webhook wants.
//!
//! Records are read from the audit trail, which every server has beside it: a webhook that reads costs the log nothing, and no
//! client waits behind it. The log itself is read only while the trail is made anew, or stands still.

use orderledger_domain::ids::{UserId, is_canary};
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_projections::audit::queries as audit;
use orderledger_projections::notifications::deliveries::Reading;
use orderledger_projections::notifications::rows::WebhookRow;
use orderledger_projections::notifications::{queries, told_of};
use orderledger_projections::worker::progress::WorkerState;
use orderledger_projections::worker::read::Read;
use orderledger_store::Error;
use orderledger_store::event_log::Record;

use crate::ledger::{Ledger, Moment};

/// Records of one look,
const LOOK_RECORDS: usize = 500;
/// which ends once they have so many bytes.
const LOOK_BYTES: usize = 1 << 20;

/// Looks for one webhook, at one moment.
pub(super) struct Looks<'a> {
    ledger: &'a Ledger,
    row: &'a WebhookRow,
    notifications: &'a Moment,
    /// None while the trail has no rows.
    audit: Option<Moment>,
}

/// Records that were looked at: what of them is told, and where the next look begins.
pub(super) struct Looked {
    pub(super) told: Vec<(u64, UserId)>,
    pub(super) end: u64,
}

impl<'a> Looks<'a> {
    pub(super) fn new(ledger: &'a Ledger, row: &'a WebhookRow, notifications: &'a Moment) -> Looks<'a> {
        Looks { ledger, row, notifications, audit: ledger.audit.moment().ok() }
    }

    /// Looks at what is to be read, as far as the views are; none if there is nothing to look at. Of accounts that are not wanted
    /// nothing is told.
    pub(super) fn look(
        &self,
        reading: &Reading,
        is_wanted: impl Fn(&UserId, Position) -> bool,
    ) -> Result<Option<Looked>, Error> {
        let of = reading.from.topic_partition();
        let known = next_offset(self.notifications, of).min(reading.end);
        if reading.from.offset >= known {
            return Ok(None);
        }
        let Some((records, end)) = self.records(reading.from, known)? else { return Ok(None) };
        let mut told = Vec::new();
        for record in records {
            let read = Read::new(of, record, &self.ledger.key);
            if let Some(whose) = self.told(&read, &is_wanted)? {
                told.push((read.position.offset, whose.clone()));
            }
        }
        Ok(Some(Looked { told, end }))
    }

    /// Whom the webhook is to be told of it, if it is.
    fn told<'r>(
        &self,
        read: &'r Read,
        is_wanted: impl Fn(&UserId, Position) -> bool,
    ) -> Result<Option<&'r UserId>, Error> {
        let (row, reader) = (self.row, &self.notifications.reader);
        let Some((whose, event_type)) = told_of(read) else { return Ok(None) };
        let offset = read.position.offset;
        let is_told = row.user_id.as_ref().is_none_or(|user| user == whose)
            && !is_canary(whose)
            && row.event_types.as_ref().is_none_or(|types| types.contains(&event_type))
            && is_wanted(whose, read.position);
        // A repeat, or what somebody else wrote, is not in the view.
        if !is_told || queries::notification(reader, whose, offset)?.is_none() {
            return Ok(None);
        }
        // A user mutes what is the user's own, not what an operator wants to know of everybody.
        let is_own = row.user_id.is_some();
        let is_muted = is_own && queries::user(reader, whose)?.muted_at(offset).has(event_type);
        Ok((!is_muted).then_some(whose))
    }

    /// Records from there on, below `known`, and up to where they are all.
    fn records(&self, from: Position, known: u64) -> Result<Option<(Vec<Record>, u64)>, Error> {
        let of = from.topic_partition();
        if let Some(audit) = &self.audit {
            let kept = next_offset(audit, of).min(known);
            if from.offset < kept
                && let Ok(found) = kept_records(audit, from, kept)
            {
                return Ok(Some(found));
            }
            let is_live = self.ledger.audit.live.load().progress.standing().state == WorkerState::Live;
            if from.offset >= kept && is_live {
                // It has them in a moment.
                return Ok(None);
            }
        }
        let mut records = self.ledger.log.read(of, from.offset, LOOK_RECORDS)?;
        records.retain(|record| record.offset < known);
        // Without a record there are holes up to where the view is.
        let end = records.last().map_or(known, |last| last.offset.saturating_add(1));
        Ok(Some((records, end)))
    }
}

fn next_offset(moment: &Moment, of: TopicPartition) -> u64 {
    moment.partitions.get(&of).map_or(0, |at| at.next_offset)
}

/// What the trail has from there on, below `kept`; at least one record, if there is one, and no more than a look takes.
fn kept_records(audit: &Moment, from: Position, kept: u64) -> Result<(Vec<Record>, u64), Error> {
    let (mut records, mut bytes) = (Vec::new(), 0_usize);
    for record in audit::records(&audit.reader, from.topic_partition(), from.offset)? {
        let record = record?;
        if record.position.offset >= kept {
            break;
        }
        if records.len() >= LOOK_RECORDS || bytes >= LOOK_BYTES {
            return Ok((records, record.position.offset));
        }
        bytes = bytes.saturating_add(record.size());
        records.push(Record {
            offset: record.position.offset,
            recorded_at_ms: record.recorded_at.millis(),
            key: record.key,
            value: record.value,
            headers: record.headers,
        });
    }
    Ok((records, kept))
}
