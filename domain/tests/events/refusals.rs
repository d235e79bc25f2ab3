//! What makes a record unusable by itself: one line for each reason that reading gives.

use std::collections::BTreeSet;

use orderledger_domain::envelope::{self, MAX_VALUE_BYTES};
use orderledger_domain::event::{Event, OrderCreated};
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::strict::{self, MAX_DEPTH};
use orderledger_domain::terms::{OrderType, Side, TimeInForce};

const GOOD: &str = r#"{"eventId":"7d444840-9dc0-11d1-b245-5ffdce74fad2","eventType":"OrderCreated","timestamp":"2025-01-15T10:30:00Z","payload":{"orderId":"1","userId":"u","symbol":"A","side":"sell","orderType":"limit","quantity":1,"price":1.5},"metadata":{"version":"2.0","source":"s"}}"#;
/// The fields of an envelope in order, without their names.
const ARRAY: &str = r#"["7d444840-9dc0-11d1-b245-5ffdce74fad2","DepositMade","2025-01-15T10:30:00Z",{"userId":"u","asset":"USD","amount":1},{"version":"2.0"}]"#;
const DEPOSIT: &str = r#"{"eventId":"7d444840-9dc0-11d1-b245-5ffdce74fad2","eventType":"DepositMade","timestamp":"2025-01-15T10:30:00Z","payload":{"userId":"u","asset":"USD","amount":1},"metadata":{"version":"2.0"}}"#;

/// Reasons that need more than the record itself: where it stands, what stood before it.
const OF_INTAKE: [RefuseReason; 7] = [
    RefuseReason::WrongKey,
    RefuseReason::WrongPartition,
    RefuseReason::TimestampInFuture,
    RefuseReason::DuplicateOrder,
    RefuseReason::IdReused,
    RefuseReason::NotInStream,
    RefuseReason::NotSealed,
];

/// As intake judges: the strict look first, then the envelope, then the payload.
fn judge(value: Option<&[u8]>) -> Result<OrderCreated, RefuseReason> {
    let read = || {
        strict::check(value)?;
        envelope::read(value)?.event
    };
    match read() {
        Ok(Event::OrderCreated(order)) => Ok(order),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal.reason),
    }
}

fn with(from: &str, to: &str) -> Vec<u8> {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1).into_bytes()
}

fn nested(levels: usize) -> Vec<u8> {
    with(r#""source":"s""#, &format!(r#""x":{}{}"#, "[".repeat(levels), "]".repeat(levels)))
}

#[test]
fn every_reason_that_reading_gives_has_its_record() {
    use RefuseReason::{
        BadEnvelope, DuplicateField, NotJson, NotUtf8, NullValue, OutOfRange, TooLarge, UnknownType, UnknownVersion,
    };
    let table: Vec<(Option<Vec<u8>>, RefuseReason)> = vec![
        (None, NullValue),
        (Some(vec![b' '; MAX_VALUE_BYTES + 1]), TooLarge),
        (Some(b"\xff\xfe".to_vec()), NotUtf8),
        (Some(b"".to_vec()), NotJson),
        (Some(b"not json".to_vec()), NotJson),
        (Some(GOOD[..GOOD.len() - 1].into()), NotJson),
        (Some([GOOD, "}"].concat().into()), NotJson),
        (Some("[".repeat(100_000).into()), NotJson),
        (Some(b"{}".to_vec()), BadEnvelope),
        (Some(b"null".to_vec()), BadEnvelope),
        (Some(b"[]".to_vec()), BadEnvelope),
        (Some(["[".repeat(100_000), "]".repeat(100_000)].concat().into()), BadEnvelope),
        (Some(nested(MAX_DEPTH)), BadEnvelope),
        (Some(ARRAY.into()), BadEnvelope),
        (Some(DEPOSIT.replace(r#"{"userId":"u","asset":"USD","amount":1}"#, r#"["u","USD",1]"#).into()), BadEnvelope),
        (Some(with(r#"{"version":"2.0","source":"s"}"#, r#"["2.0",null,null,null]"#)), BadEnvelope),
        (Some(with(r#"{"version":"2.0","source":"s"}"#, r#"["2.0"]"#)), BadEnvelope),
        (Some(with("7d444840-9dc0", "7d444840_9dc0")), BadEnvelope),
        (Some(with("2025-01-15T10:30:00Z", "yesterday")), BadEnvelope),
        (Some(with("2025-01-15T10:30:00Z", "1969-12-31T23:59:59Z")), BadEnvelope),
        (Some(with(r#""userId":"u""#, r#""userId":"""#)), BadEnvelope),
        (Some(with(r#""userId":"u""#, r#""userId":"_control""#)), BadEnvelope),
        (Some(with(r#""symbol":"A""#, r#""symbol":"a""#)), BadEnvelope),
        (Some(with(r#""symbol":"A""#, r#""symbol":"USD""#)), BadEnvelope),
        (Some(with(r#""side":"sell","#, "")), BadEnvelope),
        (Some(with(r#""side":"sell""#, r#""side":"SELL""#)), BadEnvelope),
        (Some(with(r#""quantity":1"#, r#""quantity":"1""#)), BadEnvelope),
        (Some(with("OrderCreated", "OrderTeleported")), UnknownType),
        (Some(with(r#""2.0""#, r#""3.0""#)), UnknownVersion),
        (Some(with("1.5", "4.00001")), OutOfRange),
        (Some(with("1.5", "-1")), OutOfRange),
        (Some(with("1.5", "1000000.0001")), OutOfRange),
        (Some(with(r#""quantity":1"#, r#""quantity":1.0"#)), OutOfRange),
        (Some(with(r#""quantity":1"#, r#""quantity":100000000001"#)), OutOfRange),
        (Some(with(r#""quantity":1"#, r#""quantity":1,"quantity":1"#)), DuplicateField),
        (Some(with(r#""source":"s""#, r#""source":"s","so\u0075rce":"s""#)), DuplicateField),
        (Some(with(r#""source":"s""#, r#""x":[{"y":1,"y":1}]"#)), DuplicateField),
    ];
    for (value, reason) in &table {
        let shown = value.as_deref().map(|value| String::from_utf8_lossy(&value[..value.len().min(300)]).into_owned());
        assert_eq!(judge(value.as_deref()), Err(*reason), "{shown:?}");
    }
    let shown: BTreeSet<RefuseReason> = table.iter().map(|(_, reason)| *reason).chain(OF_INTAKE).collect();
    assert_eq!(shown, RefuseReason::ALL.iter().copied().collect(), "a reason has no record in this table");
}

#[test]
fn what_is_not_asked_for_is_ignored() {
    let good = judge(Some(GOOD.as_bytes())).unwrap();
    assert_eq!(
        (good.side, good.order_type, good.terms().time_in_force),
        (Side::Sell, OrderType::Limit, TimeInForce::Gtc)
    );
    for same in [
        nested(MAX_DEPTH - 2),
        with(r#""price":1.5"#, r#""price":1.5000,"whim":{"a":[1e400,null,"\u0000"]}"#),
        with(r#""source":"s""#, r#""source":7,"trace":{"id":1}"#),
        with(r#"{"eventId""#, r#"{ "headers" : [] , "eventId""#),
        with("OrderCreated", r"Order\u0043reated"),
        with("2025-01-15T10:30:00Z", "2025-01-15T11:30:00.000000999+01:00"),
    ] {
        assert_eq!(judge(Some(&same)), Ok(good.clone()), "{}", String::from_utf8_lossy(&same));
    }
}
