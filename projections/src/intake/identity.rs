//! Who was here before: ids of outside records, exactly and for ever.

use std::hash::Hasher;

use orderledger_domain::envelope;
use orderledger_domain::event::{Event, OrderCreated};
use orderledger_domain::planted::{self, Bug};
use orderledger_store::Error;
use orderledger_store::id_index::{Claim, IdIndex, IdKind};
use siphasher::sip128::{Hasher128, SipHasher24};
use uuid::Uuid;

/// The memory of ids that the partitions of intake share; on disk, exact.
pub struct Identities {
    index: IdIndex,
}

/// What an id's earlier use says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Never used before this offset.
    Fresh,
    /// Used at that offset for the same content.
    Repeat(u64),
    /// Used at that offset for something else.
    Reused(u64),
}

impl Identities {
    /// Identities kept in that index.
    pub const fn new(index: IdIndex) -> Identities {
        Identities { index }
    }

    /// The index itself.
    pub const fn index(&self) -> &IdIndex {
        &self.index
    }

    /// The index itself, to commit it.
    pub const fn index_mut(&mut self) -> &mut IdIndex {
        &mut self.index
    }

    /// What is known of an id at a record's offset: only an earlier position counts, so a replay is harmless.
    pub(crate) fn look_up(&self, kind: IdKind, id: &Id<'_>, content: u128) -> Result<Known, Error> {
        if planted::is(Bug::SkippedDeduplication) {
            return Ok(Known::Fresh);
        }
        let claim = self.index.get(id.partition, kind, id.user, id.bytes)?;
        Ok(match claim {
            Some(claim) if planted::is(Bug::LaterIdCounts) => Known::Repeat(claim.offset),
            Some(claim) if claim.offset < id.offset && claim.digest == content => Known::Repeat(claim.offset),
            Some(claim) if claim.offset < id.offset => Known::Reused(claim.offset),
            _ => Known::Fresh,
        })
    }

    /// Whether an id stood anywhere before that offset.
    pub(crate) fn was_used(&self, kind: IdKind, id: &Id<'_>) -> Result<bool, Error> {
        let claim = self.index.get(id.partition, kind, id.user, id.bytes)?;
        Ok(claim.is_some_and(|claim| claim.offset < id.offset))
    }

    /// Claims an id for the record at its offset.
    pub(crate) fn claim(&mut self, kind: IdKind, id: &Id<'_>, content: u128) {
        self.index.claim(id.partition, kind, id.user, id.bytes, Claim { offset: id.offset, digest: content });
    }
}

/// An id as a record at some offset names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id<'a> {
    pub(crate) partition: u32,
    pub(crate) user: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) offset: u64,
}

/// The digest of what a record asks: its type and its payload, however it was written. The time is not part of it.
pub(crate) fn content_digest(event: &Event) -> u128 {
    let full;
    let event = if let Event::OrderCreated(order) = event {
        let time_in_force = Some(order.terms().time_in_force);
        full = Event::OrderCreated(OrderCreated { time_in_force, ..order.clone() });
        &full
    } else {
        event
    };
    let mut hasher = SipHasher24::new();
    hasher.write(event.event_type().as_str().as_bytes());
    hasher.write(&[0]);
    hasher.write(&envelope::payload_bytes(event));
    hasher.finish128().as_u128()
}

/// An event id as the index keeps it.
pub(crate) const fn event_key(id: &Uuid) -> &[u8] {
    id.as_bytes()
}
