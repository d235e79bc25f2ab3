//! Decisions about one entity, or under one key, are made one after another: each is checked against what the one before it
//! left.

use std::hash::{DefaultHasher, Hash, Hasher};

use orderledger_domain::position::Position;
use tokio::sync::Mutex;

/// How many may be decided about at once, at most.
const GATES: usize = 1024;

/// One gate for all that hash alike; it holds where the last decision that went through it stands.
pub(crate) struct Gates([Mutex<Option<Position>>; GATES]);

impl Default for Gates {
    fn default() -> Gates {
        Gates(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Gates {
    /// The gate of an entity, or of a key.
    pub(crate) fn of(&self, whose: &impl Hash) -> &Mutex<Option<Position>> {
        let [first, ..] = &self.0;
        let mut hasher = DefaultHasher::new();
        whose.hash(&mut hasher);
        let gate = usize::try_from(hasher.finish() >> 32).unwrap_or_default() % GATES;
        self.0.get(gate).unwrap_or(first)
    }
}
