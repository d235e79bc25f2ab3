//! The keys of the streams: who may change them, and which streams of intake's take them.
//!
//! A request of another key is sealed with the key in force where it stands: else whoever may write to `orders` could go
//! back to a key that leaked, or stop every stage at one that nobody has. Before any key is in force there is nothing to
//! seal with, and nothing that a key would protect.

use orderledger_domain::envelope::Refusal;
use orderledger_domain::event::Event;
use orderledger_domain::ids::KeyId;
use orderledger_domain::planted::{self, Bug};
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::stream::{StreamId, StreamKey};

use crate::stage::fold::Failure;
use crate::worker::partition::may_end_in;
use crate::worker::read::{Read, lacks};

/// Why an outside record may not change the key, if it asks for that. `granted` is the key that was granted last: what its
/// StreamKeySet says is in force for the next request already, whenever that comes back.
///
/// # Errors
/// A key that was granted and that this program lacks: it can't tell, and what it decided would stand in the log.
pub(super) fn unsealed(
    read: &Read,
    event: &Event,
    key: &StreamKey,
    granted: Option<KeyId>,
) -> Result<Option<Refusal>, Failure> {
    let Some(in_force) = granted.or_else(|| key.at_first()) else { return Ok(None) };
    if !matches!(event, Event::StreamKeyRequested(_)) || planted::is(Bug::UnsealedKeyChange) {
        return Ok(None);
    }
    if granted.is_some() && !key.knows(in_force) {
        return Err(Failure::Halt(format!("{}: {}", read.position, lacks(in_force))));
    }
    let value = read.value.as_deref().unwrap_or_default();
    if key.is_sealed(in_force, read.position.topic_partition(), read.key.as_deref(), value) {
        return Ok(None);
    }
    // The same words whatever the key file calls its first key: they stand in the log.
    let detail = "a change of the stream key must be sealed with the one in force";
    Ok(Some(Refusal::new(RefuseReason::NotSealed, detail)))
}

/// Every partition that intake of a partition may write to.
pub(super) fn intake_targets(partition: u32, partitions: u32) -> impl Iterator<Item = TopicPartition> {
    let orders = (0..partitions).map(|number| Topic::Orders.at(number));
    let books = (0..partitions).map(|number| Topic::Books.at(number));
    let all = orders.chain(books).chain(std::iter::once(Topic::DeadLetters.at(partition)));
    all.filter(move |target| may_end_in(StreamId(Topic::Orders.at(partition)), *target))
}
