//! The log itself, byte for byte.

pub(crate) mod events;
pub(crate) mod merkle;
pub(crate) mod proof;

use orderledger_domain::position::Topic;

/// The topics that the audit trail reads.
const TOPICS: &[Topic] = &Topic::ALL;
