//! The notice of a refused record among the dead letters: enough to find and understand it, and never too large.
//!
//! Whatever stands in the record, its notice fits: JSON writes a byte of text as at most six (`\u0000`), so of
//!
//! | part | bytes at most | as JSON at most |
//! |---|---|---|
//! | excerpt | 4,096 | 24,576 |
//! | headers' names and values | 4,096 | 24,576 |
//! | 32 headers' names of fields, quotes, commas | | 32 × 40 = 1,280 |
//! | detail | 259 | 1,554 |
//! | positions, reason, digest, envelope, stamp, seal | | 1,500 |
//!
//! that is less than [`NOTICE_BYTES_MAX`], a sixteenth of the largest record.

use orderledger_domain::event::{NoticeHeader, RecordRefused};
use orderledger_domain::rules::Rules;
use orderledger_domain::stream::StreamKey;

use crate::worker::read::Read;

/// More than any notice has; far less than a record may have.
#[cfg(test)]
const NOTICE_BYTES_MAX: usize = 64 * 1024;
/// The largest excerpt of a refused record.
const EXCERPT_BYTES: usize = 4096;
/// Of all headers' names and values together.
const HEADERS_BYTES: usize = 4096;
const HEADERS_MAX: usize = 32;

/// What is noted of a refused record.
pub(crate) fn notice(read: &Read, refused: RecordRefused, rules: Rules) -> RecordRefused {
    // Without a secret: whoever reads the notice shall be able to check it, and nobody learns what our key makes of his bytes.
    let digest = StreamKey::default().digest(read.key.as_deref(), read.value.as_deref());
    let (headers, headers_cut) = if rules.notes_headers() { headers(read) } else { (None, None) };
    RecordRefused {
        digest: Some(format!("{digest:016x}")),
        excerpt: Some(excerpt(read.value.as_deref().unwrap_or_default())),
        headers,
        headers_cut,
        ..refused
    }
}

fn excerpt(value: &[u8]) -> String {
    let head = value.get(..EXCERPT_BYTES).unwrap_or(value);
    let mut text = String::from_utf8_lossy(head).into_owned();
    text.truncate(text.floor_char_boundary(EXCERPT_BYTES));
    text
}

/// The headers that there is room for, the first ones first, and how many are not there whole.
fn headers(read: &Read) -> (Option<Vec<NoticeHeader>>, Option<u32>) {
    if read.headers.is_empty() {
        return (None, None);
    }
    let (mut room, mut noted, mut whole) = (HEADERS_BYTES, Vec::new(), 0);
    for (name, value) in read.headers.iter().take(HEADERS_MAX) {
        if room == 0 {
            break;
        }
        let kept = beginning(name, room);
        room = room.saturating_sub(kept.len());
        let (header, is_whole) = header(kept, value, &mut room);
        whole += usize::from(kept.len() == name.len() && is_whole);
        noted.push(header);
    }
    let cut = u32::try_from(read.headers.len().saturating_sub(whole)).unwrap_or(u32::MAX);
    (Some(noted), (cut > 0).then_some(cut))
}

/// The header, and whether its value is there whole. A byte that is not text is two digits.
fn header(name: &str, value: &[u8], room: &mut usize) -> (NoticeHeader, bool) {
    let (name, none) = (name.to_owned(), NoticeHeader { name: String::new(), value: None, value_hex: None });
    match std::str::from_utf8(value) {
        Ok(text) => {
            let kept = beginning(text, *room);
            *room = room.saturating_sub(kept.len());
            (NoticeHeader { name, value: Some(kept.to_owned()), ..none }, kept.len() == text.len())
        }
        Err(_) => {
            let kept = value.get(..*room / 2).unwrap_or(value);
            *room = room.saturating_sub(kept.len().saturating_mul(2));
            let hex = kept.iter().map(|byte| format!("{byte:02x}")).collect();
            (NoticeHeader { name, value_hex: Some(hex), ..none }, kept.len() == value.len())
        }
    }
}

/// The beginning of a text, in that many bytes.
fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use bytes::Bytes;
    use orderledger_domain::envelope::{self, Refusal};
    use orderledger_domain::event::Event;
    use orderledger_domain::ids::KeyId;
    use orderledger_domain::position::{Position, Topic};
    use orderledger_domain::reason::RefuseReason;
    use orderledger_domain::timestamp::Timestamp;
    use orderledger_store::event_log::Record;

    use super::*;

    fn read(value: &[u8], headers: &[(&str, &[u8])]) -> Read {
        let header = |(name, value): &(&str, &[u8])| ((*name).to_owned(), Bytes::copy_from_slice(value));
        let value = Some(Bytes::copy_from_slice(value));
        let headers = headers.iter().map(header).collect();
        let record = Record { offset: u64::MAX - 1, recorded_at_ms: 0, key: None, value, headers };
        Read::new(Topic::Orders.at(u32::MAX), record, &StreamKey::default())
    }

    fn refused(at: Position, detail: &str) -> RecordRefused {
        let Refusal { reason, detail } = Refusal::new(RefuseReason::DuplicateOrder, detail);
        RecordRefused::plain(at, reason, detail, Some(at))
    }

    /// The headers' JSON, and how many are cut.
    fn noted(headers: &[(&str, &[u8])]) -> (String, Option<u32>) {
        let read = read(b"x", headers);
        let notice = notice(&read, refused(read.position, ""), Rules::V2);
        let value = envelope::payload_bytes(&Event::RecordRefused(notice.clone()));
        let text = String::from_utf8(value).unwrap();
        (text.split_once(",\"headers\":").map_or(String::new(), |(_, headers)| headers.to_owned()), notice.headers_cut)
    }

    #[test]
    fn headers_are_noted_as_text_or_else_as_digits() {
        assert_eq!(noted(&[]), (String::new(), None));
        let (text, cut) = noted(&[("trace", b"7-\xc3\xbc"), ("raw", b"\xff\x00"), ("", b"")]);
        let expected = r#"[{"name":"trace","value":"7-ü"},{"name":"raw","valueHex":"ff00"},{"name":"","value":""}]}"#;
        assert_eq!((text.as_str(), cut), (expected, None));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let long = "n".repeat(5000);
        for (headers, expected_cut) in [
            (vec![(long.as_str(), &b"v"[..]), ("second", b"v")], 2),
            (vec![("first", &[b'v'; 5000][..]), ("second", b"v")], 2),
            (vec![("first", &[0xff; 2045][..]), ("second", b"v")], 1),
            (vec![("h", &b"v"[..]); 40], 8),
        ] {
            let (text, cut) = noted(&headers);
            assert_eq!(cut, Some(expected_cut), "{} {text:.100}", headers.len());
        }
    }

    #[test]
    fn the_largest_notice_stays_below_its_bound() {
        let control = [0_u8; 9000];
        let text = "\0".repeat(9000);
        let many: Vec<(&str, &[u8])> = (0..40).map(|_| (&text[..64], &control[..64])).collect();
        let hex: Vec<(&str, &[u8])> = vec![("", &[0xff; 9000])];
        let mut largest = 0;
        for headers in [vec![(text.as_str(), &control[..])], vec![("", &control[..])], many, hex] {
            let read = read(&control, &headers);
            let notice = notice(&read, refused(read.position, &text), Rules::V2);
            let payload = envelope::payload_bytes(&Event::RecordRefused(notice));
            let cause = envelope::Cause { position: read.position, index: u32::MAX };
            let key = KeyId::new("0123456789abcdef").ok();
            let stamp = envelope::Stamp { cause, sequence: u64::MAX, prev: u64::MAX, key, takes: None };
            let of = orderledger_domain::event::EventType::RecordRefused;
            let value = envelope::write_derived(of, &payload, Timestamp::default(), &stamp, "intake");
            largest = largest.max(value.len());
        }
        assert!((48 * 1024..NOTICE_BYTES_MAX).contains(&largest), "{largest}");
    }

    #[test]
    fn under_version_1_no_header_is_noted() {
        let read = read(b"x", &[("trace", b"7")]);
        let notice = notice(&read, refused(read.position, ""), Rules::V1);
        assert_eq!((notice.headers, notice.headers_cut), (None, None));
    }
}
