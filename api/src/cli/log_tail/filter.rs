//! Which records are wanted.

use orderledger_domain::envelope;
use orderledger_domain::ids::{Symbol, UserId};
use orderledger_domain::partition::of_key;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::said;
use orderledger_store::event_log::Record;

/// All of these that are named.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) user: Option<UserId>,
    pub(super) symbol: Option<Symbol>,
    /// None: all.
    pub(super) types: Vec<&'static str>,
    pub(super) topic: Option<Topic>,
}

/// The record's type, whatever else is wrong with it.
pub(super) fn kind(record: &Record) -> Option<&'static str> {
    let value = record.value.as_deref();
    let of_event = envelope::read(value).ok().map(|envelope| envelope.event_type.as_str());
    of_event.or_else(|| said::read(value).ok().map(|spoken| spoken.said.name()))
}

fn symbol(record: &Record) -> Option<Symbol> {
    envelope::read(record.value.as_deref()).ok()?.event.ok()?.symbol()
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
        let is_of_type = || kind(record).is_some_and(|kind| self.types.contains(&kind));
        (self.types.is_empty() || is_of_type()) && (self.symbol.is_none() || self.symbol == symbol(record))
    }

    /// The same as a question to a server.
    pub(super) fn query(&self) -> String {
        let symbol = self.symbol.map(|symbol| format!("&symbol={symbol}"));
        let types = (!self.types.is_empty()).then(|| format!("&type={}", self.types.join(",")));
        symbol.into_iter().chain(types).collect()
    }
}
