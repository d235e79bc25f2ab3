//! Topics that are filled from another log: while they are, records bring their append times along (CreateTime); then the brokers
//! stamp what comes (LogAppendTime). No server takes topics before that.

use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;

use super::ask::Asking;
use super::{KNOWN_WITHIN, LOG_APPEND_TIME, TIMESTAMP_TYPE, check, create_as, refuse};
use crate::Error;
use crate::error::At;
use crate::event_log::EventLog;
use crate::event_log::kafka::{KafkaLog, KafkaSettings};

/// The clocks of who writes.
const CREATE_TIME: &str = "CreateTime";

/// Makes the topics for records that bring their times along. [`Error::Refused`] where one stands that holds records, or that stamps
/// records itself.
pub fn create_to_restore(settings: &KafkaSettings, partitions: u32, replication: Option<i32>) -> Result<(), Error> {
    let asking = Asking::connect(settings)?;
    create_as(&asking, settings, partitions, replication, CREATE_TIME)?;
    let log = KafkaLog::open(settings.clone(), Some(partitions))?;
    for topic in Topic::ALL {
        let name = settings.topic(topic);
        for of in (0..partitions).map(|partition| topic.at(partition)) {
            if log.end_offset(of)? > 0 {
                let what = format!(
                    "topic {name} holds records, and a log is restored into empty topics alone; name another --topic-prefix, \
                     or delete the topics if they are what an earlier attempt left"
                );
                return Err(Error::refused(of, what));
            }
        }
        if asking.property(topic, TIMESTAMP_TYPE)?.is_some_and(|times| times != CREATE_TIME) {
            let what = format!(
                "topic {name} is there, empty, and stamps records itself, so append times would be lost; delete it, it is made \
                 as it must be, or set {TIMESTAMP_TYPE}={CREATE_TIME} until the log is restored"
            );
            return Err(Error::refused(At::Log, what));
        }
    }
    Ok(())
}

/// From now on the brokers stamp what comes. [`Error::Refused`] where the topics are not as a server needs them then.
pub fn finish_restored(settings: &KafkaSettings, partitions: u32) -> Result<(), Error> {
    let asking = Asking::connect(settings)?;
    for topic in Topic::ALL {
        asking.set(topic, TIMESTAMP_TYPE, LOG_APPEND_TIME)?;
    }
    let begun = Instant::now();
    for topic in Topic::ALL {
        while asking.property(topic, TIMESTAMP_TYPE)?.is_some_and(|times| times != LOG_APPEND_TIME) {
            if begun.elapsed() >= KNOWN_WITHIN {
                let what = format!(
                    "the brokers do not say yet that topic {} stamps records itself; see: orderledger topics check",
                    settings.topic(topic)
                );
                return Err(Error::unavailable(At::Log, what));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    refuse(&check(settings, Some(partitions))?)
}
