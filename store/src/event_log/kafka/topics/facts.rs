//! What a cluster says of itself, as far as the rules look at it.

use std::collections::BTreeMap;

use orderledger_domain::position::Topic;

/// Configuration by property; empty where it may not be read.
pub(super) type Config = BTreeMap<String, String>;

/// The brokers, and the topics in [`Topic::ALL`]'s order.
pub(super) struct Cluster {
    pub(super) brokers: Vec<Broker>,
    pub(super) topics: Vec<(Topic, Option<Found>)>,
}

pub(super) struct Broker {
    pub(super) id: i32,
    pub(super) config: Config,
}

/// A topic that is there.
pub(super) struct Found {
    pub(super) partitions: Vec<Partition>,
    pub(super) config: Config,
}

#[derive(Clone, Copy)]
pub(super) struct Partition {
    pub(super) replicas: usize,
    pub(super) first_offset: i64,
}
