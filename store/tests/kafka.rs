//! The Kafka adapter on a real cluster: the contract that every event log keeps, and what only Kafka does.
//!
//! `$ORDERLEDGER_KAFKA` names a broker; without it every test says `skipped` and passes. Each test has topics of its own.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "kafka/restoring.rs"]
mod restoring;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::Error;
use orderledger_store::event_log::contract::{append_and_wait, check_all, check_reopen, read_up_to, record};
use orderledger_store::event_log::kafka::{KafkaLog, KafkaSettings, read_bare, topics};
use orderledger_store::event_log::{EventLog, Reader, ReaderKind, Record};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

const AT: TopicPartition = TopicPartition { topic: Topic::Orders, partition: 0 };
const PATIENCE: Duration = Duration::from_secs(30);

fn settings() -> Option<KafkaSettings> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let Ok(brokers) = std::env::var("ORDERLEDGER_KAFKA") else {
        use std::io::Write;
        // Nobody reads it if stderr is gone.
        let _ = writeln!(std::io::stderr(), "skipped: no Kafka in $ORDERLEDGER_KAFKA");
        return None;
    };
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let prefix = format!("adapter-{since_1970}-{}-", NEXT.fetch_add(1, Ordering::Relaxed));
    Some(KafkaSettings { brokers, prefix, ..KafkaSettings::default() })
}

/// Settings whose topics are there, empty.
fn with_topics(partitions: u32) -> Option<KafkaSettings> {
    let settings = settings()?;
    topics::create(&settings, partitions, None).unwrap();
    Some(settings)
}

fn open(settings: &KafkaSettings) -> KafkaLog {
    KafkaLog::open(settings.clone(), None).unwrap()
}

#[test]
fn it_keeps_the_contract() {
    if settings().is_some() {
        check_all(&|partitions| Box::new(open(&with_topics(partitions).unwrap())));
    }
}

#[test]
fn what_was_acknowledged_is_there_after_opening_again() {
    let Some(settings) = with_topics(3) else { return };
    check_reopen(3, &|| Box::new(open(&settings)));
}

#[test]
fn a_topic_that_is_missing_or_has_another_partition_count_is_refused() {
    let Some(missing) = settings() else { return };
    let refused = KafkaLog::open(missing, None).err().unwrap();
    assert!(matches!(refused, Error::Refused { .. }) && refused.to_string().contains("topics create"), "{refused}");
    let settings = with_topics(2).unwrap();
    let refused = KafkaLog::open(settings, Some(3)).err().unwrap();
    assert!(matches!(refused, Error::Refused { .. }) && refused.to_string().contains("2 partitions"), "{refused}");
}

/// A foreign producer that uses transactions.
struct Foreign {
    producer: BaseProducer,
    topic: String,
}

impl Foreign {
    fn new(settings: &KafkaSettings) -> Foreign {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &settings.brokers).set("transaction.timeout.ms", "10000");
        let producer: BaseProducer = config.set("transactional.id", settings.prefix.as_str()).create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        Foreign { producer, topic: settings.topic(Topic::Orders) }
    }

    fn begin(&self, values: &[&str]) {
        self.producer.begin_transaction().unwrap();
        for value in values {
            let record = BaseRecord::to(&self.topic).partition(0).key("k").payload(*value);
            self.producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        self.producer.flush(PATIENCE).unwrap();
    }

    fn commit(&self) {
        self.producer.commit_transaction(PATIENCE).unwrap();
    }

    fn abort(&self) {
        self.producer.abort_transaction(PATIENCE).unwrap();
    }
}

fn values(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| std::str::from_utf8(record.value.as_deref().unwrap()).unwrap()).collect()
}

fn read_all(log: &KafkaLog, kind: ReaderKind) -> BTreeMap<TopicPartition, Vec<Record>> {
    let mut reader = log.reader(&[(AT, 0)], kind).unwrap();
    let end = log.end_offset(AT).unwrap();
    let read = read_up_to(&mut *reader, &[(AT, end)]);
    assert_eq!(reader.position(AT), end);
    read
}

#[test]
fn committed_transactions_are_read_and_aborted_ones_are_holes_that_everything_passes() {
    let Some(settings) = with_topics(1) else { return };
    let (log, foreign) = (open(&settings), Foreign::new(&settings));
    append_and_wait(&log, vec![record(AT, "k", "ours")]);
    foreign.begin(&["aborted 1", "aborted 2"]);
    foreign.abort();
    wait_for_end(&log, 4);
    foreign.begin(&["committed"]);
    foreign.commit();
    wait_for_end(&log, 6);
    append_and_wait(&log, vec![record(AT, "k", "ours again")]);
    foreign.begin(&["aborted at the end"]);
    foreign.abort();
    wait_for_end(&log, 9);
    let (expected, offsets) = (["ours", "committed", "ours again"], [0, 4, 6]);
    for kind in [ReaderKind::Live, ReaderKind::Rebuild] {
        let read = read_all(&log, kind);
        assert_eq!(values(&read[&AT]), expected);
        assert_eq!(read[&AT].iter().map(|record| record.offset).collect::<Vec<_>>(), offsets);
    }
    assert_eq!(values(&log.read(AT, 0, 100).unwrap()), expected);
    assert_eq!(values(&log.read(AT, 1, 1).unwrap()), ["committed"]);
    assert_eq!(values(&log.read(AT, 5, 100).unwrap()), ["ours again"]);
    assert_eq!(log.read(AT, 7, 100).unwrap(), []);
}

#[test]
fn the_bare_client_counts_what_is_read_and_passes_holes_at_the_end() {
    let Some(settings) = with_topics(2) else { return };
    let (log, foreign) = (open(&settings), Foreign::new(&settings));
    let (other, empty) = (TopicPartition { partition: 1, ..AT }, Topic::Books.at(0));
    append_and_wait(&log, vec![record(AT, "k", "ours"), record(other, "key", "elsewhere")]);
    assert_eq!(read_bare(&settings, &[(AT, 0..1), (other, 0..1), (empty, 0..0)]).unwrap(), (2, 17));
    foreign.begin(&["aborted"]);
    foreign.abort();
    wait_for_end(&log, 3);
    assert_eq!(read_bare(&settings, &[(AT, 0..3), (other, 0..1), (empty, 0..0)]).unwrap(), (2, 17));
    assert_eq!(read_bare(&settings, &[(AT, 1..3)]).unwrap(), (0, 0));
    assert_eq!(read_bare(&settings, &[(empty, 0..0)]).unwrap(), (0, 0));
    let refused = read_bare(&settings, &[(AT, 7..8)]).err().unwrap();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
}

/// The cluster writes the marker of a transaction's end a little later than it says so.
fn wait_for_end(log: &KafkaLog, end: u64) {
    let deadline = Instant::now() + PATIENCE;
    while log.end_offset(AT).unwrap() < end {
        assert!(Instant::now() < deadline, "the log never ended at {end}");
    }
}

#[test]
fn an_open_transaction_holds_readers_and_the_end_counts_it() {
    let Some(settings) = with_topics(1) else { return };
    let (log, foreign) = (open(&settings), Foreign::new(&settings));
    append_and_wait(&log, vec![record(AT, "k", "before")]);
    foreign.begin(&["open"]);
    append_and_wait(&log, vec![record(AT, "k", "behind it")]);
    assert_eq!(log.end_offset(AT).unwrap(), 3);
    assert_eq!(values(&log.read(AT, 0, 100).unwrap()), ["before"]);
    let mut reader = log.reader(&[(AT, 0)], ReaderKind::Live).unwrap();
    let read = read_up_to(&mut *reader, &[(AT, 1)]);
    assert_eq!(values(&read[&AT]), ["before"]);
    assert_eq!(reader.poll(Duration::from_millis(300)).unwrap(), []);
    assert_eq!(reader.position(AT), 1);
    foreign.commit();
    let end = log.end_offset(AT).unwrap();
    assert_eq!(values(&read_up_to(&mut *reader, &[(AT, end)])[&AT]), ["open", "behind it"]);
}

#[test]
fn a_group_shows_dashboards_how_far_its_worker_is() {
    let Some(settings) = with_topics(2) else { return };
    let log = open(&settings);
    append_and_wait(&log, (0..5).map(|n| record(AT, "k", format!("{n}"))).collect());
    let mut reader: Box<dyn Reader> = log.reader(&[(AT, 0)], ReaderKind::Group("settlement")).unwrap();
    read_up_to(&mut *reader, &[(AT, 5)]);
    let deadline = Instant::now() + PATIENCE;
    while committed(&settings, "settlement") != Some(3) {
        assert!(Instant::now() < deadline, "the group's position is {:?}", committed(&settings, "settlement"));
        reader.report(&|| vec![(AT, 3)]);
        reader.poll(Duration::from_millis(50)).unwrap();
    }
    // A start reads where it says, whatever the group holds.
    let mut reader = log.reader(&[(AT, 1)], ReaderKind::Group("settlement")).unwrap();
    assert_eq!(values(&read_up_to(&mut *reader, &[(AT, 5)])[&AT]), ["1", "2", "3", "4"]);
}

/// What the broker holds of the group; None too while it has no answer: a young broker makes the topic of groups with
/// the first question about one, and says "not coordinator" until that is loaded.
fn committed(settings: &KafkaSettings, worker: &str) -> Option<i64> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("group.id", format!("{}{worker}", settings.prefix));
    let consumer: BaseConsumer = config.create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition(&settings.topic(Topic::Orders), 0);
    match consumer.committed_offsets(asked, PATIENCE) {
        Ok(answer) => match answer.elements()[0].offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        },
        Err(_) => None,
    }
}

#[test]
fn what_is_known_without_asking_is_what_was_acknowledged_or_read() {
    let Some(settings) = with_topics(1) else { return };
    let log = open(&settings);
    assert_eq!((log.known_end(AT).unwrap(), log.appended_at(AT, 0).unwrap()), (0, None));
    append_and_wait(&log, vec![record(AT, "k", "1"), record(AT, "k", "2")]);
    assert_eq!(log.known_end(AT).unwrap(), 2);
    let appended = log.read(AT, 0, 1).unwrap()[0].recorded_at_ms;
    assert!((log.appended_at(AT, 0).unwrap().unwrap() - appended).abs() < 5_000);
    // Another process writes: a reader, or the statistics of one, tell.
    let other = open(&settings);
    append_and_wait(&other, vec![record(AT, "k", "3")]);
    let mut reader = log.reader(&[(AT, 0)], ReaderKind::Live).unwrap();
    read_up_to(&mut *reader, &[(AT, 3)]);
    assert_eq!(log.known_end(AT).unwrap(), 3);
    assert_eq!(log.appended_at(AT, 3).unwrap(), None);
}

#[test]
fn how_long_a_record_has_waited_at_most_is_known_from_what_was_read_below_it() {
    let Some(settings) = with_topics(1) else { return };
    append_and_wait(&open(&settings), (0..10).map(|n| record(AT, "k", n.to_string())).collect());
    let log = open(&settings);
    assert_eq!(log.not_appended_before(AT, 5).unwrap(), None, "nobody has seen the partition");
    assert_eq!(log.end_offset(AT).unwrap(), 10);
    let seen = log.not_appended_before(AT, 5).unwrap().unwrap();
    let time = log.read(AT, 4, 1).unwrap()[0].recorded_at_ms;
    assert!(time <= seen + 5_000, "{time} {seen}");
    assert_eq!(log.not_appended_before(AT, 5).unwrap(), Some(time));
    assert_eq!(log.not_appended_before(AT, 10).unwrap(), None);
}

#[test]
fn reading_here_and_there_does_not_wait_for_an_earlier_reading() {
    let Some(settings) = with_topics(2) else { return };
    let log = open(&settings);
    let other = TopicPartition { partition: 1, ..AT };
    for of in [AT, other] {
        append_and_wait(&log, (0..10).map(|n| record(of, "k", n.to_string())).collect());
    }
    let begun = Instant::now();
    for n in (0..10).rev() {
        for of in [AT, other] {
            assert_eq!(values(&log.read(of, n, 1).unwrap()), [n.to_string()]);
        }
    }
    // Milliseconds each; half a second or more when a consumer that waits for records is sent elsewhere.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
