//! Which dead letters of a webhook are kept: those that were given up last.

use std::collections::BTreeMap;

use orderledger_domain::ids::UserId;
use orderledger_domain::position::Position;

/// So many deliveries that were given up are kept of a webhook; the log has the older ones.
pub(super) const DEAD_LETTERS_MAX: usize = if cfg!(test) { 4 } else { 10_000 };

/// The dead letters of one webhook, by place and by age.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    /// Whose, and at which offset of the webhook's partition it was given up.
    places: BTreeMap<Position, (UserId, u64)>,
    ages: BTreeMap<u64, Position>,
}

impl DeadLetters {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Takes one; what is kept no more in its stead, if there are too many.
    pub(super) fn insert(&mut self, at: Position, user: UserId, given_up: u64) -> Option<Position> {
        if let Some((_, before)) = self.places.insert(at, (user, given_up)) {
            self.ages.remove(&before);
        }
        self.ages.insert(given_up, at);
        if self.places.len() <= DEAD_LETTERS_MAX {
            return None;
        }
        let (_, oldest) = self.ages.pop_first()?;
        self.places.remove(&oldest);
        Some(oldest)
    }

    /// Removes those of a stretch, both ends included, of one account or of all; where they stood.
    pub(super) fn remove(&mut self, from: Position, to: Position, user: Option<&UserId>) -> Vec<Position> {
        let is_meant = |whose: &UserId| user.is_none_or(|user| user == whose);
        let stretch = self.places.range(from..=to).filter(|(_, (whose, _))| is_meant(whose));
        let meant: Vec<Position> = stretch.map(|(at, _)| *at).collect();
        for at in &meant {
            if let Some((_, given_up)) = self.places.remove(at) {
                self.ages.remove(&given_up);
            }
        }
        meant
    }

    /// All of them.
    pub(super) fn into_places(self) -> impl Iterator<Item = Position> {
        self.places.into_keys()
    }
}
