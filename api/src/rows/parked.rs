//! What is parked, and each record that waits.

use bytes::Bytes;
use orderledger_domain::entity::Entity;
use orderledger_domain::position::Position;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::parking::queries::Parked;
use serde::Serialize;

use super::record::ValueRow;

/// A parked entity of one projection.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParkedEntityRow {
    pub(crate) entity: Entity,
    projection: &'static str,
    /// `parked`, or `releasing` while what waits is being applied.
    state: &'static str,
    pub(crate) first_position: Position,
    last_good_position: Option<Position>,
    waiting: u64,
    error: String,
    /// How often the first record was tried.
    attempts: u32,
    /// The program that tried it last.
    code_version: String,
    pub(crate) since: Timestamp,
}

impl ParkedEntityRow {
    pub(crate) fn new(projection: &'static str, parked: Parked) -> ParkedEntityRow {
        ParkedEntityRow {
            projection,
            state: if parked.note.releasing { "releasing" } else { "parked" },
            first_position: parked.row.head,
            last_good_position: parked.last_good(),
            waiting: parked.row.waiting,
            error: parked.note.error,
            attempts: parked.note.attempts,
            code_version: parked.note.code_version,
            since: parked.note.since,
            entity: parked.entity,
        }
    }
}

/// A record that waits.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WaitingRow {
    position: Position,
    /// Null if the log lost the record.
    recorded_at: Option<Timestamp>,
    /// Why it can't be applied; null for those behind the first, which nobody tried.
    error: Option<String>,
    #[serde(flatten)]
    value: ValueRow,
}

impl WaitingRow {
    pub(crate) fn new(
        position: Position,
        recorded_at: Option<Timestamp>,
        error: Option<String>,
        value: &Option<Bytes>,
    ) -> WaitingRow {
        WaitingRow { position, recorded_at, error, value: ValueRow::of(value) }
    }
}
