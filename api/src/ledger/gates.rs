//! Decisions about one entity, or under one key, are made one after another: each is checked against what the one before it
//! left.

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::Mutex;

/// How many may be decided about at once, at most.
const GATES: usize = 1024;

/// One gate for all that hash alike; it holds what the last one that went through left there.
pub(crate) struct Gates<T>([Mutex<Option<T>>; GATES]);

impl<T> Default for Gates<T> {
    fn default() -> Gates<T> {
        Gates(std::array::from_fn(|_| Mutex::default()))
    }
}

impl<T> Gates<T> {
    /// The gate of an entity, or of a key.
    pub(crate) fn of(&self, whose: &impl Hash) -> &Mutex<Option<T>> {
        let [first, ..] = &self.0;
        let mut hasher = DefaultHasher::new();
        whose.hash(&mut hasher);
        let gate = usize::try_from(hasher.finish() >> 32).unwrap_or_default() % GATES;
        self.0.get(gate).unwrap_or(first)
    }
}
