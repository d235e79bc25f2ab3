//! Entities: whose records wait together when one of them can't be applied. Written `user:u1`, `symbol:AAPL`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{Symbol, UserId};

/// What kind of entity a projection's records belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// Users: the keys of `orders`.
    User,
    /// Symbols: the keys of `books` and `trades`.
    Symbol,
}

/// A user or a symbol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// A user, with all events of the account and its orders.
    User(UserId),
    /// A symbol, with all its trades.
    Symbol(Symbol),
}

/// The name in a record's key, without asking whether it is a possible one. None for the ledger's own keys, which begin
/// with `_`, and for what is no text.
pub fn name_in_key(key: Option<&[u8]>) -> Option<&str> {
    let name = key.and_then(|key| std::str::from_utf8(key).ok())?;
    if name.is_empty() || name.starts_with('_') { None } else { Some(name) }
}

impl EntityKind {
    /// The kind as it stands before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            EntityKind::User => "user",
            EntityKind::Symbol => "symbol",
        }
    }

    /// The entity of that kind and name; none if there can be no such name.
    pub fn named(self, name: &str) -> Option<Entity> {
        match self {
            EntityKind::User => UserId::new(name).ok().map(Entity::User),
            EntityKind::Symbol => Symbol::new(name).ok().map(Entity::Symbol),
        }
    }
}

impl Entity {
    /// Its kind.
    pub const fn kind(&self) -> EntityKind {
        match self {
            Entity::User(_) => EntityKind::User,
            Entity::Symbol(_) => EntityKind::Symbol,
        }
    }

    /// Its name, without the kind: the key of its records.
    pub fn name(&self) -> &str {
        match self {
            Entity::User(user) => user.as_str(),
            Entity::Symbol(symbol) => symbol.as_str(),
        }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind().as_str(), self.name())
    }
}

impl FromStr for Entity {
    type Err = MalformedEntity;
    fn from_str(text: &str) -> Result<Entity, MalformedEntity> {
        let (kind, name) = text.split_once(':').ok_or(MalformedEntity)?;
        let kind = [EntityKind::User, EntityKind::Symbol].into_iter().find(|known| known.as_str() == kind);
        kind.and_then(|kind| kind.named(name)).ok_or(MalformedEntity)
    }
}

impl Serialize for Entity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Entity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entity, D::Error> {
        use serde::de::Error;
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The text is not an entity of the form `user:u1` or `symbol:AAPL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entity is written user:NAME or symbol:NAME, as in user:u1")]
pub struct MalformedEntity;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_read_back_as_written() {
        for text in ["user:u1", "user:a.b_c-1", "symbol:AAPL", "symbol:BRK.B"] {
            assert_eq!(text.parse::<Entity>().map(|entity| entity.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in ["", "u1", "user:", "user:_control", "symbol:aapl", "symbol:USD", "order:o1", "user:u1 ", "User:u1"]
        {
            assert_eq!(text.parse::<Entity>(), Err(MalformedEntity), "{text}");
        }
    }

    #[test]
    fn the_ledgers_own_keys_name_no_entity() {
        let name = |key: &'static [u8]| name_in_key(Some(key));
        assert_eq!(name(b"u1"), Some("u1"));
        for key in [&b"_control"[..], b"_refused", b"", b"\xff"] {
            assert_eq!(name(key), None);
        }
        assert_eq!(name_in_key(None), None);
    }

    #[test]
    fn an_entity_stands_in_json_as_its_text() {
        for (text, kind, name) in [("user:u1", EntityKind::User, "u1"), ("symbol:AAPL", EntityKind::Symbol, "AAPL")] {
            let entity: Option<Entity> = serde_json::from_value(text.into()).ok();
            assert_eq!(entity.as_ref().map(|entity| (entity.kind(), entity.name())), Some((kind, name)));
            assert_eq!(serde_json::to_value(entity).ok(), Some(text.into()));
        }
        assert!(serde_json::from_value::<Entity>("user:".into()).is_err());
    }
}
