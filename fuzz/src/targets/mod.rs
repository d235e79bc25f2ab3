//! The targets: each takes any bytes, and panics only where something is wrong.

mod body;
mod book;
mod bytes;
mod cursor;
mod envelope;
mod http;
mod murmur2;
mod rows;
mod snapshot;

/// What is done with the bytes.
pub type Target = fn(&[u8]);

/// The target that the environment names.
pub fn chosen() -> Target {
    let name = std::env::var("ORDERLEDGER_FUZZ_TARGET").unwrap_or_default();
    match name.as_str() {
        "body" => body::run,
        "book" => book::run,
        "cursor" => cursor::run,
        "envelope" => envelope::run,
        "http" => http::run,
        "murmur2" => murmur2::run,
        "rows" => rows::run,
        "snapshot" => snapshot::run,
        other => panic!("ORDERLEDGER_FUZZ_TARGET={other} is no target"),
    }
}
