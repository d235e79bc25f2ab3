//! What fuzzing (`fuzz/`) reaches of the edge.

mod http;

pub use http::http;

use orderledger_domain::entity::Entity;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Position;
use orderledger_domain::timestamp::Timestamp;

use crate::http::cursor::{self, Place};
use crate::http::fields::Fields;
use crate::http::{body, values};

/// Reads the text as a cursor of every kind of list.
pub fn cursor(text: &str) {
    place::<u64>(text);
    place::<(u64, u32)>(text);
    place::<Symbol>(text);
    place::<Timestamp>(text);
    place::<Position>(text);
    place::<(Timestamp, Entity)>(text);
}

/// As a cursor, and as the place in one: only that gets past the check value.
fn place<K: Place + PartialEq>(text: &str) {
    const SCOPE: &str = "fuzz";
    let read = cursor::read::<K>(SCOPE, text);
    for place in read.into_iter().chain(K::read(text)) {
        let again = cursor::read::<K>(SCOPE, &cursor::write(SCOPE, &place));
        assert!(again.is_some_and(|again| again == place), "a cursor that was written can't be read");
    }
}

/// Reads the bytes as the body of every kind of write.
pub fn body(bytes: &[u8]) {
    if body::check(bytes).is_err() {
        return;
    }
    let Ok(mut fields) = Fields::of(bytes) else { return };
    let read = (
        fields.required("symbol", values::symbol),
        fields.required("side", values::side),
        fields.required("orderType", values::order_type),
        fields.required("quantity", values::quantity),
    );
    let _ = (fields.optional("price", values::price), fields.optional("maxCost", values::amount));
    let _ = (fields.optional("timeInForce", values::time_in_force), fields.optional("postOnly", values::boolean));
    let _ = (fields.optional("clientOrderId", values::client_order_id), fields.optional("asset", values::asset));
    let _ = (fields.optional("amount", values::amount), fields.optional("symbols", values::symbols));
    let _ = (fields.optional("makerBps", values::basis_points), fields.optional("takerBps", values::basis_points));
    if let Err(problem) = fields.finish(Some(read)) {
        assert!(serde_json::from_slice::<serde_json::Value>(&problem.body("/fuzz")).is_ok(), "a problem is JSON");
    }
}
