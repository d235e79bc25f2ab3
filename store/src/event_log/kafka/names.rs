//! Topics by their name on the cluster.

use orderledger_domain::position::{Topic, TopicPartition};

use super::KafkaSettings;
use crate::Error;

/// The topics' names, and how many partitions each has.
pub(super) struct Names {
    of: [(Topic, String); Topic::ALL.len()],
    partitions: u32,
}

impl Names {
    pub(super) fn new(settings: &KafkaSettings, partitions: u32) -> Names {
        Names { of: Topic::ALL.map(|topic| (topic, settings.topic(topic))), partitions }
    }

    pub(super) const fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Every partition of every topic.
    pub(super) fn all(&self) -> impl Iterator<Item = TopicPartition> + use<> {
        let partitions = self.partitions;
        Topic::ALL.into_iter().flat_map(move |topic| (0..partitions).map(move |partition| topic.at(partition)))
    }

    /// The topic's name.
    pub(super) fn name(&self, topic: Topic) -> &str {
        self.of.iter().find(|(of, _)| *of == topic).map_or("", |(_, name)| name)
    }

    /// The partition that the client names, if it is one of ours.
    pub(super) fn partition(&self, name: &str, partition: i32) -> Option<TopicPartition> {
        let (topic, _) = self.of.iter().find(|(_, of)| of == name)?;
        let partition = u32::try_from(partition).ok()?;
        (partition < self.partitions).then(|| topic.at(partition))
    }

    /// Refuses a partition that the topics don't have.
    pub(super) fn check(&self, of: TopicPartition) -> Result<(), Error> {
        if of.partition < self.partitions {
            return Ok(());
        }
        let what = format!("there is no such partition; every topic has {}", self.partitions);
        Err(Error::refused(of, what))
    }
}
