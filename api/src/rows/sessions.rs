//! Closed sessions.

use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::timestamp::{Day, Timestamp};
use orderledger_projections::settlement::queries::Session;
use serde::Serialize;

/// One close.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionRow {
    /// Where it was asked for.
    session: Position,
    closed_at: Timestamp,
    trading_day: Option<Day>,
    symbols: Option<Vec<Symbol>>,
    /// `closed`, or `closing` while partitions are still to pass it.
    state: &'static str,
    /// Where it stands in every partition.
    position: String,
}

impl SessionRow {
    /// Of a ledger with so many partitions.
    pub(crate) fn new(session: Session, partitions: u32) -> SessionRow {
        let positions: Vec<String> = session.positions().map(|position| position.to_string()).collect();
        let is_everywhere = u32::try_from(positions.len()).is_ok_and(|passed| passed >= partitions);
        SessionRow {
            session: Topic::Orders.at(0).offset(session.asked),
            closed_at: session.closed_at,
            trading_day: session.day(),
            state: if is_everywhere { "closed" } else { "closing" },
            position: positions.join(","),
            symbols: session.symbols,
        }
    }
}
