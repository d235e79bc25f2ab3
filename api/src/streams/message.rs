//! One message, written once for all readers of its channel.

use bytes::Bytes;
use orderledger_domain::position::Position;
use serde::Serialize;

use super::channel::Channel;

/// A message without its id, which differs from reader to reader.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The lines `event:` and `data:`.
    pub(super) lines: Bytes,
    /// Where it stands: the id names it in the place of its channel. None: the place stays.
    pub(super) place: Option<Position>,
}

impl Message {
    /// A row of a channel. JSON without white space has no line break.
    pub(super) fn new(channel: &Channel, row: &impl Serialize, place: Option<Position>) -> Option<Message> {
        let row = serde_json::to_string(row);
        let row = row.inspect_err(|error| tracing::error!(%error, "a row can't be written as JSON")).ok()?;
        Some(Message { lines: Bytes::from(format!("event: {channel}\ndata: {row}\n")), place })
    }
}
