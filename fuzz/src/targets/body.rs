//! Bodies of requests: any bytes are an order, a deposit, an amend or a decision, or a problem with words.

pub fn run(data: &[u8]) {
    orderledger_api::fuzzing::body(data);
}
