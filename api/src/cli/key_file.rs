//! The stream key file: one key, or a line `ID HEX` for each, the key that began the log first.
//!
//! `0 none` as the first line says that the log was begun without one. Empty lines and those that begin with `#` count for
//! nothing. A file that every user of the machine may read is refused.

use std::path::Path;

use orderledger_domain::ids::KeyId;
use orderledger_domain::stream::StreamKey;

use super::Failure;
use super::config::secrets::check_private;

/// Reads the keys.
pub(super) fn read(path: &Path) -> Result<StreamKey, Failure> {
    let wrong = |what: &str| Failure::usage(format!("{}: {what}", path.display()));
    let unreadable = |error: std::io::Error| wrong(&format!("can't be read: {error}"));
    check_private(path, "--stream-key-file").map_err(Failure::usage)?;
    parse(&std::fs::read_to_string(path).map_err(unreadable)?).map_err(|what| wrong(&what))
}

fn parse(text: &str) -> Result<StreamKey, String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    let first = lines.next().ok_or("it holds no key; make one with: openssl rand -hex 16")?;
    let first = match first.split_once(char::is_whitespace) {
        None => (KeyId::FIRST, Some(secret(first)?)),
        Some((id, "none")) => (key_id(id)?, None),
        Some((id, hex)) => (key_id(id)?, Some(secret(hex)?)),
    };
    let mut later = Vec::new();
    for line in lines {
        let (id, hex) =
            line.split_once(char::is_whitespace).ok_or("a further key is a line: its id, and 32 hexadecimal digits")?;
        later.push((key_id(id)?, secret(hex)?));
    }
    let mut secrets: Vec<[u8; 16]> = first.1.into_iter().chain(later.iter().map(|(_, secret)| *secret)).collect();
    secrets.sort_unstable();
    if secrets.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err("two keys have the same digits: a key that takes another's place must be another".to_owned());
    }
    StreamKey::ring(first, later).map_err(|error| error.to_string())
}

fn key_id(text: &str) -> Result<KeyId, String> {
    KeyId::new(text).map_err(|error| format!("a key's id {error}"))
}

/// The digits are not repeated in what is said of them.
fn secret(hex: &str) -> Result<[u8; 16], String> {
    let hex = hex.trim();
    let digits = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = if digits { u128::from_str_radix(hex, 16).unwrap_or_default() } else { 0 };
    if number == 0 {
        return Err("a stream key is 32 hexadecimal digits, not all 0; make one with: openssl rand -hex 16".to_owned());
    }
    Ok(number.to_be_bytes())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const A: &str = "000102030405060708090a0b0c0d0e0f";
    const B: &str = "101112131415161718191A1B1C1D1E1F";

    fn bytes(from: u8) -> [u8; 16] {
        std::array::from_fn(|place| from + u8::try_from(place).unwrap())
    }

    fn id(text: &str) -> KeyId {
        KeyId::new(text).unwrap()
    }

    #[test]
    fn the_first_key_makes_every_digest_whatever_stands_below() {
        let one = StreamKey::new(bytes(0)).digest(None, None);
        for text in [A.to_owned(), format!("0 {A}\n"), format!("# ours\n\n  spring {A}\r\nsummer\t{B}\n")] {
            assert_eq!(parse(&text).unwrap().digest(None, None), one, "{text}");
        }
        let ring = parse(&format!("{A}\nk2 {B}")).unwrap();
        assert_eq!(ring, StreamKey::ring((KeyId::FIRST, Some(bytes(0))), vec![(id("k2"), bytes(16))]).unwrap());
    }

    #[test]
    fn a_log_begun_without_a_key_says_so() {
        let ring = parse(&format!("0 none\nk2 {B}")).unwrap();
        assert_eq!(ring.digest(None, None), StreamKey::default().digest(None, None));
        assert!(ring.knows(id("k2")) && !ring.knows(KeyId::FIRST));
    }

    #[test]
    fn what_is_no_key_file_is_refused_and_no_secret_told() {
        for (text, expected) in [
            (String::new(), "it holds no key"),
            ("0123".to_owned(), "a stream key is 32 hexadecimal digits"),
            ("0".repeat(32), "not all 0"),
            (format!("{A}\n{B}"), "a further key is a line"),
            (format!("{A}\nk2 none"), "a stream key is 32 hexadecimal digits"),
            (format!("{A}\nk2 {B}f"), "a stream key is 32 hexadecimal digits"),
            (format!("{A}\nk/2 {B}"), "a key's id must be 1 to 16 characters"),
            (format!("{A}\nk2 {A}"), "two keys have the same digits"),
            (format!("k2 {A}\nk2 {B}"), "two keys have the id k2"),
            (format!("{A}\n0 {B}"), "two keys have the id 0"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(![A, B].iter().any(|secret| error.contains(secret)), "{error}");
        }
    }
}
