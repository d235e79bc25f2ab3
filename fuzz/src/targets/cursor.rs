//! Cursors of lists: any text is read as a place or refused; a place written is read back.

pub fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        orderledger_api::fuzzing::cursor(text);
    }
}
