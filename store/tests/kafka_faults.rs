//! What the Kafka adapter makes of brokers that fail: librdkafka's own mock cluster answers with the errors that a test
//! asks for.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::Error;
use orderledger_store::event_log::contract::{append, record};
use orderledger_store::event_log::kafka::{KafkaLog, KafkaSettings};
use orderledger_store::event_log::{AppenderKind, EventLog, ReaderKind};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

const AT: TopicPartition = TopicPartition { topic: Topic::Orders, partition: 0 };
const ELSEWHERE: TopicPartition = TopicPartition { topic: Topic::Orders, partition: 1 };
const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster of two brokers with our topics: each partition 0 led by the first, each partition 1 by the second.
struct Cluster(MockCluster<'static, DefaultProducerContext>);

impl Cluster {
    fn start() -> (Cluster, KafkaLog) {
        let cluster = MockCluster::new(2).unwrap();
        for topic in Topic::ALL {
            cluster.create_topic(topic.name(), 2, 1).unwrap();
            for partition in [0, 1] {
                cluster.partition_leader(topic.name(), partition, Some(partition + 1)).unwrap();
            }
        }
        let settings = KafkaSettings { brokers: cluster.bootstrap_servers(), ..KafkaSettings::default() };
        (Cluster(cluster), KafkaLog::open(settings, None).unwrap())
    }

    /// The next requests to write are answered so.
    fn answer_writes(&self, errors: &[RDKafkaRespErr]) {
        self.0.request_errors(RDKafkaApiKey::Produce, errors);
    }
}

fn told(answer: &Receiver<Result<Vec<u64>, Error>>) -> Result<Vec<u64>, Error> {
    answer.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn an_acknowledgement_without_an_offset_is_no_acknowledgement() {
    let (cluster, log) = Cluster::start();
    for kind in [AppenderKind::Stage, AppenderKind::Client] {
        let appender = log.appender(kind).unwrap();
        told(&append(&*appender, vec![record(AT, "k", "first")])).unwrap();
        // A retry of what stands there already: the broker doesn't say where.
        cluster.answer_writes(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER]);
        let answer = told(&append(&*appender, vec![record(AT, "k", "second")]));
        assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
    }
}

/// Batches for a slow broker wait in the queue when the other broker's answer ends the producer for good.
#[test]
fn whatever_ends_a_producer_for_good_is_told_as_something_that_another_one_may_heal() {
    let (cluster, log) = Cluster::start();
    let appender = log.appender(AppenderKind::Stage).unwrap();
    told(&append(&*appender, vec![record(AT, "k", "first"), record(ELSEWHERE, "k", "first")])).unwrap();
    cluster.0.broker_round_trip_time(2, Duration::from_secs(1)).unwrap();
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(append(&*appender, vec![record(ELSEWHERE, "k", "v")]));
        std::thread::sleep(Duration::from_millis(20));
    }
    cluster.0.broker_round_trip_time(1, Duration::from_millis(10)).unwrap();
    cluster.answer_writes(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER]);
    answers.push(append(&*appender, vec![record(AT, "k", "v")]));
    let failed: Vec<Error> = answers.iter().filter_map(|answer| told(answer).err()).collect();
    assert!(failed.len() > 1, "{failed:?}");
    assert!(failed.iter().all(|error| matches!(error, Error::Unavailable { .. })), "{failed:?}");
}

#[test]
fn a_client_goes_on_with_another_producer_when_one_has_ended_for_good() {
    let (cluster, log) = Cluster::start();
    let appender = log.appender(AppenderKind::Client).unwrap();
    told(&append(&*appender, vec![record(AT, "k", "first")])).unwrap();
    cluster.answer_writes(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER]);
    let failed = told(&append(&*appender, vec![record(AT, "k", "second")])).unwrap_err();
    assert!(matches!(failed, Error::Unavailable { .. }), "{failed:?}");
    assert_eq!(told(&append(&*appender, vec![record(AT, "k", "second again")])).unwrap(), [1]);
}

#[test]
fn a_reader_that_may_no_longer_read_says_so() {
    let (cluster, log) = Cluster::start();
    let mut reader = log.reader(&[(AT, 0)], ReaderKind::Live).unwrap();
    assert_eq!(reader.poll(Duration::from_millis(300)).unwrap(), []);
    cluster.0.request_errors(RDKafkaApiKey::Fetch, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let deadline = Instant::now() + PATIENCE;
    let refused = loop {
        assert!(Instant::now() < deadline, "it reads on");
        if let Err(error) = reader.poll(Duration::from_millis(300)) {
            break error;
        }
    };
    assert!(matches!(refused, Error::Unavailable { .. }) && refused.to_string().contains("access rules"), "{refused}");
}

#[test]
fn opening_gives_up_in_time_when_no_broker_answers() {
    // Takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let brokers = silent.local_addr().unwrap().to_string();
    let begun = Instant::now();
    let opened = KafkaLog::open(KafkaSettings { brokers, ..KafkaSettings::default() }, None).err().unwrap();
    assert!(matches!(opened, Error::Unavailable { .. }), "{opened}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
