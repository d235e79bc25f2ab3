//! Whose an event is: what it says of itself is what stands in its payload.

use orderledger_domain::envelope::payload_bytes;
use serde_json::Value;

use crate::every_event::Parts;

#[test]
fn an_event_is_of_the_user_the_order_and_the_symbol_that_its_payload_names() {
    for event in Parts::golden().every_event() {
        let payload: Value = serde_json::from_slice(&payload_bytes(&event)).unwrap();
        let named = ["userId", "orderId", "symbol"].map(|field| payload.get(field).and_then(Value::as_str));
        let symbol = event.symbol();
        let said = [
            event.user_id().map(|user| user.as_str()),
            event.order_id().map(|order| order.as_str()),
            symbol.as_ref().map(|symbol| symbol.as_str()),
        ];
        assert_eq!(said, named, "{:?}", event.event_type());
    }
}
