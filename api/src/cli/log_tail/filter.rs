//! Which records are wanted.

use orderledger_domain::envelope;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::{Symbol, UserId};
use orderledger_domain::partition::of_key;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::event_log::Record;

/// All of these that are named.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) user: Option<UserId>,
    pub(super) symbol: Option<Symbol>,
    /// None: all.
    pub(super) types: Vec<EventType>,
    pub(super) topic: Option<Topic>,
}

impl Filter {
    /// The partitions that may hold what is wanted.
    pub(super) fn partitions(&self, count: u32) -> Vec<TopicPartition> {
        let home = self.user.as_ref().map(|user| Topic::Orders.at(of_key(user.as_str().as_bytes(), count)));
        let all = Topic::ALL.into_iter().flat_map(|topic| (0..count).map(move |partition| topic.at(partition)));
        all.filter(|of| self.topic.is_none_or(|topic| topic == of.topic) && home.is_none_or(|home| home == *of))
            .collect()
    }

    /// Whether a record of one of these partitions is wanted.
    pub(super) fn takes(&self, record: &Record) -> bool {
        let of_user = |user: &UserId| record.key.as_deref() == Some(user.as_str().as_bytes());
        if !self.user.as_ref().is_none_or(of_user) {
            return false;
        }
        if self.symbol.is_none() && self.types.is_empty() {
            return true;
        }
        let Ok(envelope) = envelope::read(record.value.as_deref()) else { return false };
        let event = envelope.event.as_ref().ok();
        let symbol = event.and_then(|event| event.symbol());
        (self.types.is_empty() || self.types.contains(&envelope.event_type))
            && (self.symbol.is_none() || self.symbol == symbol)
    }

    /// The same as a question to a server.
    pub(super) fn query(&self) -> String {
        let symbol = self.symbol.map(|symbol| format!("&symbol={symbol}"));
        let names: Vec<&str> = self.types.iter().map(|of| of.as_str()).collect();
        let types = (!names.is_empty()).then(|| format!("&type={}", names.join(",")));
        symbol.into_iter().chain(types).collect()
    }
}
