//! Requests: any method, target, headers and body to the real router over a real ledger.

pub fn run(data: &[u8]) {
    orderledger_api::fuzzing::http(data);
}
