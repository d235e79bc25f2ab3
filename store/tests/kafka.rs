//! The Kafka adapter on a real cluster: the contract that every event log keeps, and what only Kafka does.
//!
//! `$ORDERLEDGER_KAFKA` names a broker; without it every test says `skipped` and passes. Each test has topics of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use orderledger_store::event_log::contract;
use orderledger_store::event_log::kafka::{KafkaLog, KafkaSettings};

fn fresh_settings() -> Option<KafkaSettings> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let Ok(brokers) = std::env::var("ORDERLEDGER_KAFKA") else {
        use std::io::Write;
        // Nobody reads it if stderr is gone.
        let _ = writeln!(std::io::stderr(), "skipped: no Kafka; set ORDERLEDGER_KAFKA");
        return None;
    };
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let prefix = format!("t{since_1970}-{}-", NEXT.fetch_add(1, Ordering::Relaxed));
    Some(KafkaSettings { brokers, prefix, ..KafkaSettings::default() })
}

fn create(settings: &KafkaSettings, partitions: u32) {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let admin: AdminClient<_> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap();
    let names: Vec<String> = orderledger_domain::position::Topic::ALL.iter().map(|t| settings.topic(*t)).collect();
    let topics: Vec<NewTopic<'_>> = names
        .iter()
        .map(|name| {
            NewTopic::new(name, i32::try_from(partitions).unwrap(), TopicReplication::Fixed(1))
                .set("message.timestamp.type", "LogAppendTime")
                .set("retention.ms", "-1")
        })
        .collect();
    futures::executor::block_on(admin.create_topics(&topics, &AdminOptions::new())).unwrap();
}

fn fresh(partitions: u32) -> Option<KafkaLog> {
    let settings = fresh_settings()?;
    create(&settings, partitions);
    Some(KafkaLog::open(settings, Some(partitions)).unwrap())
}

#[test]
fn it_keeps_the_contract() {
    if fresh_settings().is_some() {
        contract::check_all(&|partitions| Box::new(fresh(partitions).unwrap()));
    }
}

#[test]
fn what_was_acknowledged_is_there_after_opening_again() {
    let Some(settings) = fresh_settings() else { return };
    create(&settings, 3);
    contract::check_reopen(3, &|| Box::new(KafkaLog::open(settings.clone(), Some(3)).unwrap()));
}
