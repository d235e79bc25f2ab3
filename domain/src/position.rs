//! Where a record stands: topic, partition, offset.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The topics of the ledger, without the configured prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Key userId: every event of a user's orders and cash.
    Orders,
    /// Key symbol: accepted orders, cancels and amends on their way to the book; its offset is the matching order.
    Books,
    /// Key symbol: the public tape.
    Trades,
    /// Notices of refused and parked records, and operators' decisions.
    DeadLetters,
    /// What users and operators want of notifications, and how far each webhook was told: key userId, or the webhook.
    Notifications,
}

impl Topic {
    /// All topics, in their numbering order.
    pub const ALL: [Topic; 5] = [Topic::Orders, Topic::Books, Topic::Trades, Topic::DeadLetters, Topic::Notifications];

    /// The topic's name without the configured prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Topic::Orders => "orders",
            Topic::Books => "books",
            Topic::Trades => "trades",
            Topic::DeadLetters => "dead-letters",
            Topic::Notifications => "notifications",
        }
    }

    /// The topic's stable number, used in stored keys; never reused.
    pub const fn number(self) -> u8 {
        match self {
            Topic::Orders => 0,
            Topic::Books => 1,
            Topic::Trades => 2,
            Topic::DeadLetters => 3,
            Topic::Notifications => 4,
        }
    }

    /// The topic with that number.
    pub fn from_number(number: u8) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.number() == number)
    }

    /// The partition `partition` of this topic.
    pub const fn at(self, partition: u32) -> TopicPartition {
        TopicPartition { topic: self, partition }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Topic {
    type Err = MalformedPosition;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Topic::ALL.into_iter().find(|topic| topic.name() == text).ok_or(MalformedPosition)
    }
}

/// One partition of one topic, written `orders-3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// The partition's number, from 0.
    pub partition: u32,
}

impl TopicPartition {
    /// The position of `offset` in this partition.
    pub const fn offset(self, offset: u64) -> Position {
        Position { topic: self.topic, partition: self.partition, offset }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl FromStr for TopicPartition {
    type Err = MalformedPosition;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (topic, partition) = text.rsplit_once('-').ok_or(MalformedPosition)?;
        Ok(TopicPartition { topic: topic.parse()?, partition: parse_number(partition)? })
    }
}

/// One record's place in the log, written `orders-3@1842`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The topic.
    pub topic: Topic,
    /// The partition's number, from 0.
    pub partition: u32,
    /// The record's offset in the partition.
    pub offset: u64,
}

impl Position {
    /// The partition this position lies in.
    pub const fn topic_partition(self) -> TopicPartition {
        TopicPartition { topic: self.topic, partition: self.partition }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}@{}", self.topic, self.partition, self.offset)
    }
}

impl FromStr for Position {
    type Err = MalformedPosition;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (place, offset) = text.split_once('@').ok_or(MalformedPosition)?;
        let place: TopicPartition = place.parse()?;
        Ok(place.offset(parse_number(offset)?))
    }
}

/// The text is not a position of the form `orders-3@1842`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is written topic-partition@offset, as in orders-3@1842")]
pub struct MalformedPosition;

fn parse_number<N: FromStr>(text: &str) -> Result<N, MalformedPosition> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if plain && canonical { text.parse().map_err(|_| MalformedPosition) } else { Err(MalformedPosition) }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.topic.number(), self.partition, self.offset).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
            text.parse().map_err(D::Error::custom)
        } else {
            let (topic, partition, offset) = <(u8, u32, u64)>::deserialize(deserializer)?;
            let topic = Topic::from_number(topic).ok_or_else(|| D::Error::custom("unknown topic number"))?;
            Ok(Position { topic, partition, offset })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_back_as_written() {
        for text in
            ["orders-0@0", "books-11@42", "trades-3@18446744073709551615", "dead-letters-1@7", "notifications-2@5"]
        {
            assert_eq!(text.parse::<Position>().map(|position| position.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in ["", "zzz", "orders-0", "orders@1", "orders-01@1", "orders-1@+1", "orders-1@01", "orders-1@1 "] {
            assert_eq!(text.parse::<Position>(), Err(MalformedPosition), "{text}");
        }
    }

    #[test]
    fn a_topics_number_in_stored_keys_is_its_place_in_the_list() {
        for (number, topic) in (0..).zip(Topic::ALL) {
            assert_eq!((topic.number(), Topic::from_number(number)), (number, Some(topic)));
        }
        assert_eq!(Topic::from_number(5), None);
    }

    #[test]
    fn a_position_stands_in_json_as_its_text() {
        let position = Topic::Books.at(11).offset(42);
        assert_eq!(serde_json::to_string(&position).ok().as_deref(), Some("\"books-11@42\""));
        assert_eq!(serde_json::from_str::<Position>("\"books-11@42\"").ok(), Some(position));
        assert!(serde_json::from_str::<Position>("\"books-11\"").is_err());
    }
}
