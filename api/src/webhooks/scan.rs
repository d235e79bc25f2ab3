//! What of the log a webhook is told: what the notifications view has, of the account and of the types that the webhook wants.

use orderledger_domain::ids::{UserId, is_canary};
use orderledger_domain::position::Position;
use orderledger_projections::notifications::rows::WebhookRow;
use orderledger_projections::notifications::{queries, told_of};
use orderledger_projections::worker::read::Read;
use orderledger_store::Error;

use crate::ledger::{Ledger, Moment};

/// Records of one look.
const LOOK_RECORDS: usize = 500;

/// Records that were looked at: what of them is told, and where the next look begins.
pub(super) struct Looked {
    pub(super) told: Vec<(u64, UserId)>,
    pub(super) end: u64,
}

/// Looks at records of a partition from there on, as far as the view is, and up to `last`; none if there is nothing to look at.
pub(super) fn look(
    ledger: &Ledger,
    moment: &Moment,
    row: &WebhookRow,
    from: Position,
    last: u64,
    user: Option<&UserId>,
) -> Result<Option<Looked>, Error> {
    let of = from.topic_partition();
    let known = moment.partitions.get(&of).map_or(0, |at| at.next_offset).min(last.saturating_add(1));
    if from.offset >= known {
        return Ok(None);
    }
    let records = ledger.log.read(of, from.offset, LOOK_RECORDS)?;
    // Without a record there are holes up to where the view is.
    let end = records.last().map_or(known, |record| record.offset.saturating_add(1)).min(known);
    let mut told = Vec::new();
    for record in records.into_iter().filter(|record| record.offset < end) {
        let read = Read::new(of, record, &ledger.key);
        let Some((whose, event_type)) = told_of(&read) else { continue };
        let offset = read.position.offset;
        let is_wanted = row.user_id.as_ref().is_none_or(|user| user == whose)
            && user.is_none_or(|user| user == whose)
            && !is_canary(whose)
            && row.event_types.as_ref().is_none_or(|types| types.contains(&event_type));
        // A repeat, or what somebody else wrote, is not in the view.
        if !is_wanted || queries::notification(&moment.reader, whose, offset)?.is_none() {
            continue;
        }
        // A user mutes what is the user's own, not what an operator wants to know of everybody.
        let is_own = row.user_id.is_some();
        if !is_own || !queries::user(&moment.reader, whose)?.muted_at(offset).has(event_type) {
            told.push((offset, whose.clone()));
        }
    }
    Ok(Some(Looked { told, end }))
}
