//! Numbers in events: exact, never through binary floating point.

use orderledger_domain::envelope;
use orderledger_domain::event::Event;
use orderledger_domain::reason::RefuseReason;

fn price_units(text: &str) -> Result<i64, RefuseReason> {
    let value = format!(
        r#"{{"eventId":"7d444840-9dc0-11d1-b245-5ffdce74fad2","eventType":"OrderCreated","timestamp":"2025-01-15T10:30:00Z","payload":{{"orderId":"1","userId":"u","symbol":"A","quantity":1,"price":{text}}},"metadata":{{"version":"1.0"}}}}"#
    );
    match envelope::read(Some(value.as_bytes())).map_err(|refusal| refusal.reason)?.event {
        Ok(Event::OrderCreated(order)) => Ok(order.price.unwrap().units()),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal.reason),
    }
}

#[test]
fn a_price_is_read_exactly_or_refused() {
    use RefuseReason::{BadEnvelope, NotJson, OutOfRange};
    for (text, expected) in [
        ("150.25", Ok(1_502_500)),
        ("150.2500", Ok(1_502_500)),
        ("0.0001", Ok(1)),
        ("1000000", Ok(10_000_000_000)),
        // As a double each of these would come out as its neighbour.
        ("999999.9999", Ok(9_999_999_999)),
        ("0.1", Ok(1_000)),
        ("1000000.0001", Err(OutOfRange)),
        ("0", Err(OutOfRange)),
        ("99999999999999999999999999999999999999999", Err(OutOfRange)),
        ("4.00001", Err(OutOfRange)),
        ("1e3", Err(OutOfRange)),
        ("1E400", Err(OutOfRange)),
        ("-1", Err(OutOfRange)),
        (r#""-1""#, Err(BadEnvelope)),
        (r#""150.25""#, Err(BadEnvelope)),
        ("true", Err(BadEnvelope)),
        ("null", Err(BadEnvelope)),
        ("[1]", Err(BadEnvelope)),
        ("01", Err(NotJson)),
        ("+1", Err(NotJson)),
        (".5", Err(NotJson)),
        ("1.", Err(NotJson)),
        ("NaN", Err(NotJson)),
    ] {
        assert_eq!(price_units(text), expected, "{text}");
    }
}
