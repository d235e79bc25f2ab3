//! Topics that are filled from another log have its records where they stood, holes included, with the times of then.

use bytes::Bytes;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::Error;
use orderledger_store::event_log::contract::{append_and_wait, record as new_record};
use orderledger_store::event_log::kafka::topics::{self, Severity, create_to_restore, finish_restored};
use orderledger_store::event_log::kafka::{KafkaLog, KafkaRestoring, KafkaSettings};
use orderledger_store::event_log::{EventLog, Record, Restoring, system_clock};

use super::settings;

const OF: TopicPartition = TopicPartition { topic: Topic::Orders, partition: 1 };
/// 2025-01-15T10:30:00Z.
const THEN: i64 = 1_736_937_000_000;

fn record(offset: u64) -> Record {
    let payload = |text: &str| Some(Bytes::from(format!("{text} {offset}")));
    let (key, value) = match offset % 4 {
        0 => (None, payload("value")),
        1 => (payload("key"), None),
        2 => (Some(Bytes::new()), Some(Bytes::new())),
        _ => (payload("key"), Some(Bytes::from_static(b"\xff\x00"))),
    };
    let headers = vec![("trace".to_owned(), Bytes::from_static(b"1")), ("trace".to_owned(), Bytes::new())];
    // Times that don't always grow: of a leader whose clock was behind.
    Record { offset, recorded_at_ms: THEN + (offset as i64 * 7) % 50, key, value, headers }
}

fn fill(settings: &KafkaSettings, offsets: &[u64], end: u64) -> Result<(), Error> {
    let mut restoring = KafkaRestoring::start(settings)?;
    for chunk in offsets.chunks(3) {
        restoring.take(OF, chunk.iter().map(|offset| record(*offset)).collect())?;
    }
    restoring.end(OF, end)?;
    restoring.sync()
}

#[test]
fn records_stand_where_they_stood_with_the_times_of_then() {
    let Some(settings) = settings() else { return };
    create_to_restore(&settings, 2, None).unwrap();
    // Holes of two at the beginning, of one, one and five behind records, and of two at the end.
    let offsets = [2, 3, 5, 7, 8, 14, 15, 16];
    fill(&settings, &offsets, 19).unwrap();
    let refused = topics::check(&settings, Some(2)).unwrap();
    assert!(refused.iter().any(|finding| finding.severity == Severity::Refused), "nobody may begin on them yet");
    finish_restored(&settings, 2).unwrap();

    let log = KafkaLog::open(settings.clone(), Some(2)).unwrap();
    let expected: Vec<Record> = offsets.iter().map(|offset| record(*offset)).collect();
    assert_eq!(log.read(OF, 0, 100).unwrap(), expected);
    assert_eq!(log.end_offset(OF).unwrap(), 19);
    assert_eq!(log.end_offset(Topic::Trades.at(0)).unwrap(), 0);
    let new = new_record(OF, "k", "new");
    let (before, offset) = (system_clock()(), append_and_wait(&log, vec![new])[0]);
    assert_eq!(offset, 19);
    // The broker's clock is this machine's.
    assert!(log.read(OF, 19, 1).unwrap()[0].recorded_at_ms >= before - 1_000);
    let again = create_to_restore(&settings, 2, None).unwrap_err();
    assert!(matches!(again, Error::Refused { .. }) && again.to_string().contains("holds records"), "{again}");
    topics::delete(&settings).unwrap();
}

#[test]
fn what_can_t_stand_there_is_refused_where_it_is() {
    let Some(settings) = settings() else { return };
    topics::create(&settings, 2, None).unwrap();
    let stamps = create_to_restore(&settings, 2, None).unwrap_err();
    assert!(stamps.to_string().contains("stamps records itself"), "{stamps}");
    topics::delete(&settings).unwrap();

    let settings = KafkaSettings { prefix: format!("{}2-", settings.prefix), ..settings };
    create_to_restore(&settings, 2, None).unwrap();
    let mut restoring = KafkaRestoring::start(&settings).unwrap();
    let too_old = Record { recorded_at_ms: 0, ..record(0) };
    restoring.take(OF, vec![too_old]).unwrap();
    let refused = restoring.end(OF, 1).unwrap_err();
    assert!(refused.to_string().contains("orders-1@0") && refused.to_string().contains("1970"), "{refused}");
    let too_large = Record { value: Some(Bytes::from(vec![b'x'; 2_000_000])), ..record(0) };
    restoring.take(OF, vec![too_large]).unwrap();
    let refused = restoring.end(OF, 1).unwrap_err();
    assert!(refused.to_string().contains("larger than Kafka takes"), "{refused}");
    let back = restoring.take(OF, vec![record(5), record(4)]).unwrap_err();
    assert!(back.to_string().contains("go back"), "{back}");
    topics::delete(&settings).unwrap();
}
