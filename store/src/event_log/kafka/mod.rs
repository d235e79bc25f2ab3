//! The event log on a Kafka cluster.

mod settings;

pub use settings::{KafkaSettings, MESSAGE_MAX_BYTES};

/// The version of librdkafka, as it says itself.
pub fn client_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_new_enough() {
        // Before 2.3 it reports fatal errors that are none (librdkafka #4438).
        let version = client_version();
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        assert!((parts.next(), parts.next()) >= (Some(2), Some(3)), "{version}");
    }
}
