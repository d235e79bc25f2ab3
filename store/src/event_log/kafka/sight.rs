//! Whether a client still hears of a broker, and knows one.
//!
//! A connection on which nothing is asked stays up for hours where the broker hangs: only what comes in is an answer.
//!
//! Where every broker is fenced, the cluster answers with topics and no broker, and the client forgets those that it knew. It then
//! begins again with its bootstrap servers; but an answer that is handled at that moment takes this back, and the client is
//! never told of a broker again (librdkafka issue 5301, as of 2.12.1). Such a client is of no use: whoever has it makes another.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use rdkafka::statistics::Statistics;

/// After so many statistics in a row that know no broker it won't find one: between forgetting and beginning again lie
/// milliseconds.
const LOOKS: u32 = 2;

/// Of one client, as its statistics tell it.
#[derive(Default)]
pub(super) struct Sight {
    without: AtomicU32,
    /// Responses received, by the brokers that it knew then.
    received: AtomicI64,
}

impl Sight {
    /// What a client's statistics say; whether a broker answered since the ones before.
    pub(super) fn tell(&self, statistics: &Statistics) -> bool {
        // The others are no place to ask: a coordinator's connection, and where partitions without a leader wait.
        let knows_one = statistics.brokers.values().any(|broker| matches!(&*broker.source, "learned" | "configured"));
        let looks = if knows_one { 0 } else { self.without.load(Ordering::Acquire).saturating_add(1) };
        self.without.store(looks, Ordering::Release);
        if looks == LOOKS {
            tracing::warn!(
                client = statistics.name,
                "a Kafka client has forgotten all brokers: another takes its place"
            );
        }
        statistics.rx > self.received.swap(statistics.rx, Ordering::AcqRel)
    }

    /// Whether it will never find a broker again.
    pub(super) fn is_lost(&self) -> bool {
        self.without.load(Ordering::Acquire) >= LOOKS
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::Broker;

    use super::*;

    fn of(sources: &[&str]) -> Statistics {
        let broker =
            |source: &&str| (format!("{source}:9092"), Broker { source: (*source).to_owned(), ..Broker::default() });
        Statistics { brokers: sources.iter().map(broker).collect(), ..Statistics::default() }
    }

    #[test]
    fn a_broker_has_answered_where_more_was_received_than_before() {
        let sight = Sight::default();
        let received = [3, 3, 5, 1, 2].map(|rx| sight.tell(&Statistics { rx, ..of(&["learned"]) }));
        assert_eq!(received, [true, false, true, false, true], "of fewer brokers less was received");
    }

    #[test]
    fn a_client_is_lost_that_twice_in_a_row_knows_no_broker_to_ask() {
        let sight = Sight::default();
        let after = |sources: &[&str]| {
            sight.tell(&of(sources));
            sight.is_lost()
        };
        assert!(!after(&["internal", "configured"]));
        assert!(!after(&["internal", "logical"]));
        assert!(!after(&["internal", "logical", "learned"]));
        assert!(!after(&["internal", "logical"]));
        assert!(after(&[]));
        assert!(!after(&["learned"]), "it has found one by itself");
    }
}
