//! The client's errors, by what can be done about them.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::Error;
use crate::error::At;

/// The same error in the store's words.
pub(super) fn translated(at: impl Into<At>, error: KafkaError) -> Error {
    let at = at.into();
    match error.rdkafka_error_code() {
        // A broker that comes back says so for a moment. Who watches the topics finds out whether it lasts.
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
            Error::unavailable(at, "the cluster says that it doesn't know the topic").with_source(error)
        }
        Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => Error::refused(
            at,
            "the cluster no longer has the record that comes next: the topic was cut, emptied or made anew; restore it \
             from a copy",
        ),
        Some(Code::MessageSizeTooLarge) => {
            Error::refused(at, "the record is larger than the topic takes; see: orderledger topics check")
        }
        Some(Code::ProducerFenced | Code::InvalidProducerEpoch | Code::Fenced) => {
            Error::fenced(at, "another producer has taken over").with_source(error)
        }
        // The client goes on behind such records, or stays before them for ever.
        Some(Code::BadMessage | Code::InvalidMessage | Code::BadCompression | Code::NotImplemented) => {
            Error::corrupt(at, "a record's bytes are damaged").with_source(error)
        }
        Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
            Error::unavailable(at, "the cluster's access rules don't allow it; see docs/OPERATING.md")
                .with_source(error)
        }
        Some(Code::SaslAuthenticationFailed | Code::Authentication) => {
            Error::unavailable(at, "the cluster refuses the credentials").with_source(error)
        }
        Some(Code::Fatal) => producer_has_ended(at),
        Some(Code::PurgeQueue | Code::PurgeInflight) => {
            Error::closed(at, "the program ended before the cluster acknowledged the record; its outcome is unknown")
        }
        _ => match error {
            KafkaError::ClientConfig(_, why, name, _) => {
                Error::refused(At::Log, format!("the Kafka property {name}: {why}; correct the configuration"))
            }
            KafkaError::ClientCreation(why) => {
                Error::refused(At::Log, format!("no Kafka client can be made with this configuration: {why}"))
            }
            error => Error::unavailable(at, "the Kafka cluster gave no answer").with_source(error),
        },
    }
}

/// What becomes of records when an error ended their producer for good.
pub(super) fn producer_has_ended(at: impl Into<At>) -> Error {
    Error::unavailable(at, "the producer can't go on after what the cluster answered; another one can")
}

/// What becomes of whoever uses a client that has forgotten all brokers.
pub(super) fn client_is_lost(at: impl Into<At>) -> Error {
    Error::unavailable(at, "the Kafka client has forgotten all brokers; another one finds them")
}

/// Why another client can't be made, with a configuration that others were made with: for want of threads or files, say.
pub(super) fn no_other_client(error: KafkaError) -> Error {
    match error {
        KafkaError::ClientCreation(why) => {
            Error::unavailable(At::Log, format!("no other Kafka client can be made at this moment: {why}"))
        }
        error => translated(At::Log, error),
    }
}

/// Whether a consumer's error passes by itself: the client goes on trying.
pub(super) fn passes(error: &KafkaError) -> bool {
    let lasts = matches!(
        error.rdkafka_error_code(),
        Some(
            Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::AutoOffsetReset
                | Code::OffsetOutOfRange
                | Code::BadMessage
                | Code::InvalidMessage
                | Code::BadCompression
                | Code::NotImplemented
                // Told once: the client asks on in silence, and whoever reads would wait without a word.
                | Code::TopicAuthorizationFailed
                | Code::Fatal
        )
    );
    !lasts && !matches!(error, KafkaError::MessageConsumptionFatal(_))
}
