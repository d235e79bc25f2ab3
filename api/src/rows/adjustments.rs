//! Operators' corrections of an account.

use orderledger_domain::ids::Asset;
use orderledger_domain::money::Amount;
use orderledger_domain::position::Position;
use orderledger_domain::reason::Rejection;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::settlement::rows;
use serde::Serialize;
use uuid::Uuid;

use super::Decimal;

/// One correction.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdjustmentRow {
    event_id: Uuid,
    status: &'static str,
    asset: Asset,
    amount: Decimal<Amount>,
    reason: String,
    corrects: Option<Position>,
    rejection: Option<Rejection>,
    time: Timestamp,
    position: Position,
}

impl From<rows::AdjustmentRow> for AdjustmentRow {
    fn from(row: rows::AdjustmentRow) -> AdjustmentRow {
        AdjustmentRow {
            event_id: row.request_id,
            status: if row.rejection.is_none() { "booked" } else { "rejected" },
            asset: row.asset,
            amount: Decimal(row.change),
            reason: row.reason,
            corrects: row.corrects,
            rejection: row.rejection,
            time: row.time,
            position: row.position,
        }
    }
}
