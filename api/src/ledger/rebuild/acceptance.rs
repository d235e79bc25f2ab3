//! An operator's acceptance of a view that came out differently: an event, so that it can be explained years later.

use std::time::Duration;

use bytes::Bytes;
use orderledger_domain::envelope;
use orderledger_domain::event::{Event, OperatorDecision};
use orderledger_domain::position::Topic;
use orderledger_store::Error;
use orderledger_store::event_log::{Appender, NewRecord};
use uuid::Uuid;

use crate::ledger::{CONTROL, now};

/// How long the log may take to have it.
const WITHIN: Duration = Duration::from_secs(30);

/// Why a difference is accepted, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
}

/// Writes down that the difference was accepted, and waits for the log to have it. The digests are the live view's and the
/// new one's.
pub(super) fn note(
    appender: &dyn Appender,
    projection: &str,
    generation: u64,
    (live, rebuilt): (u128, u128),
    acceptance: &Acceptance,
) -> Result<(), Error> {
    let said = OperatorDecision {
        action: "rebuild".to_owned(),
        subject: format!(
            "{projection} generation {generation}: digest {rebuilt:032x} where the live one has {live:032x}"
        ),
        reason: acceptance.reason.clone(),
        actor: acceptance.actor.clone(),
    };
    let value = envelope::write_outside(Uuid::new_v4(), now(), &Event::DifferenceAccepted(said), "operator");
    let to = Topic::DeadLetters.at(0);
    let record =
        NewRecord { to, key: Some(Bytes::from(CONTROL)), value: Some(Bytes::from(value)), headers: Vec::new() };
    let (done, acknowledged) = std::sync::mpsc::channel();
    // Nobody waits any more if sending fails.
    appender.append(vec![record], Box::new(move |offsets| drop(done.send(offsets))))?;
    let late = |_| Error::unavailable(to, "the log has not acknowledged in time that the difference was accepted");
    acknowledged.recv_timeout(WITHIN).map_err(late)?.map(drop)
}
