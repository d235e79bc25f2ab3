//! Cursors: a place in a list, opaque to callers, valid for that list alone.

use std::hash::Hasher;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Position;
use orderledger_domain::timestamp::{Day, Timestamp};
use siphasher::sip::SipHasher24;

/// What a list is ordered by, as text.
pub(crate) trait Place: Sized {
    fn write(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

/// The cursor behind a place of the list that `scope` names.
pub(crate) fn write(scope: &str, place: &impl Place) -> String {
    let place = place.write();
    let mut bytes = check_value(scope, place.as_bytes()).to_be_bytes().to_vec();
    bytes.extend_from_slice(place.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place behind which that list goes on; none if it is no cursor of it.
pub(crate) fn read<K: Place>(scope: &str, text: &str) -> Option<K> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (check, place) = bytes.split_first_chunk::<8>()?;
    if u64::from_be_bytes(*check) != check_value(scope, place) {
        return None;
    }
    K::read(std::str::from_utf8(place).ok()?)
}

/// Finds mistakes, not forgery: whoever makes a cursor by hand only names another place of the same list. The same in every build of
/// the program, so that a cursor is one after a restart with another build, too.
fn check_value(scope: &str, place: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(0x6f72_6465_726c_6564, 0x6765_7220_6375_7273);
    hasher.write(scope.as_bytes());
    hasher.write(&[0xff]);
    hasher.write(place);
    hasher.finish()
}

impl Place for u64 {
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<u64> {
        text.parse().ok()
    }
}

impl Place for (u64, u32) {
    fn write(&self) -> String {
        format!("{}.{}", self.0, self.1)
    }
    fn read(text: &str) -> Option<(u64, u32)> {
        let (offset, line) = text.split_once('.')?;
        Some((offset.parse().ok()?, line.parse().ok()?))
    }
}

impl Place for (u64, u32, u64) {
    fn write(&self) -> String {
        format!("{}.{}.{}", self.0, self.1, self.2)
    }
    fn read(text: &str) -> Option<(u64, u32, u64)> {
        let (offset, rest) = text.split_once('.')?;
        let (line, end) = rest.split_once('.')?;
        Some((offset.parse().ok()?, line.parse().ok()?, end.parse().ok()?))
    }
}

impl Place for Symbol {
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Symbol> {
        text.parse().ok()
    }
}

impl Place for Timestamp {
    fn write(&self) -> String {
        self.micros().to_string()
    }
    fn read(text: &str) -> Option<Timestamp> {
        text.parse().ok().map(Timestamp::from_micros)
    }
}

impl Place for Day {
    fn write(&self) -> String {
        self.number().to_string()
    }
    fn read(text: &str) -> Option<Day> {
        Day::from_number(text.parse().ok()?)
    }
}

impl Place for (Day, Symbol) {
    fn write(&self) -> String {
        format!("{}.{}", self.0.number(), self.1)
    }
    fn read(text: &str) -> Option<(Day, Symbol)> {
        let (day, symbol) = text.split_once('.')?;
        Some((Place::read(day)?, symbol.parse().ok()?))
    }
}

impl Place for (Day, Option<Symbol>) {
    fn write(&self) -> String {
        let (day, symbol) = self;
        format!("{}.{}", day.number(), symbol.as_ref().map_or("", Symbol::as_str))
    }
    fn read(text: &str) -> Option<(Day, Option<Symbol>)> {
        let (day, symbol) = text.split_once('.')?;
        let symbol = if symbol.is_empty() { None } else { Some(symbol.parse().ok()?) };
        Some((Place::read(day)?, symbol))
    }
}

impl Place for Position {
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Position> {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_has_the_same_bytes_in_every_build() {
        insta::assert_snapshot!(write("a", &(7_u64, 3_u32)), @"XZUmk0uiQL83LjM");
    }

    #[test]
    fn a_cursor_reads_back_in_its_own_scope_only() {
        let text = write("a", &(7_u64, 3_u32));
        assert_eq!(read::<(u64, u32)>("a", &text), Some((7, 3)));
        assert_eq!(read::<(u64, u32)>("b", &text), None);
        assert_eq!(read::<u64>("a", &text), None);
        for bad in ["", "\0\u{fffd}", "AAAA", "AAAAAAAAAAAAAAAA", &format!("{text}A"), &text.to_lowercase()] {
            assert_eq!(read::<(u64, u32)>("a", bad), None, "{bad}");
        }
    }
}
