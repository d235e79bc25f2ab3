//! Topics changed by Kafka's own client.

use std::process::Command;

use orderledger_store::event_log::kafka::{KafkaSettings, topics};
use orderledger_tests::{checkout, kafka};

/// Topics of its own on the broker for all tests, deleted in the end.
pub(crate) struct Topics(pub(crate) KafkaSettings);

impl Topics {
    /// Those of three partitions that are right; none without a broker.
    pub(crate) fn new(name: &str) -> Option<Topics> {
        let topics = Topics::missing(name)?;
        topics::create(&topics.0, 3, None).unwrap();
        Some(topics)
    }

    /// Names alone.
    pub(crate) fn missing(name: &str) -> Option<Topics> {
        let (brokers, prefix) = (kafka::shared()?, kafka::unique_prefix(name));
        Some(Topics(KafkaSettings { brokers, prefix, ..KafkaSettings::default() }))
    }

    /// The name of a topic on the cluster.
    pub(crate) fn name(&self, topic: &str) -> String {
        format!("{}{topic}", self.0.prefix)
    }

    /// The options of `topics check`.
    pub(crate) fn options(&self) -> [&str; 4] {
        ["--kafka-brokers", &self.0.brokers, "--topic-prefix", &self.0.prefix]
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        // The broker goes soon; until then it has less to look after.
        let _ = topics::delete(&self.0);
    }
}

/// Does all of it with one start of Java; false without the jars.
pub(crate) fn change(brokers: &str, steps: &[Vec<String>]) -> bool {
    let Some(jars) = kafka::jars() else { return false };
    let mut java = Command::new("java");
    java.arg("-cp").arg(jars.join("*")).arg(checkout().join("tests/kafka/ChangeTopics.java"));
    let output = java.arg(brokers).args(steps.concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}
