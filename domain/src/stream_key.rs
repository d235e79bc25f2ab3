//! The secrets of the streams: the key that a log was begun with, and those that its streams took later.
//!
//! The first key makes every digest, for ever: what `metadata.prev` says, and what stored positions carry. A later key
//! seals: a record of a stream that has taken it says in `metadata.key` which, and in `metadata.seal` a digest of its own
//! bytes and of the partition where it stands. Who asks for another key seals that request with the key in force.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::envelope::Stamp;
use crate::ids::KeyId;
use crate::position::TopicPartition;
use crate::stream::StreamId;

type Secret = [u8; 16];

/// The secrets of the streams. Without one (the default) a digest finds damage, not forgery.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamKey {
    first: Secret,
    /// All keys that can seal. They are read once, when the program starts, and live as long as it does.
    ring: &'static [(KeyId, Secret)],
}

/// Two keys of one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two keys have the id {0}")]
pub struct DuplicateKey(pub KeyId);

impl std::fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StreamKey(secret)")
    }
}

/// What stands between a record's body and its seal, and behind it.
const BEFORE_SEAL: &[u8] = b",\"seal\":\"";
const AFTER_SEAL: &[u8] = b"\"}}";
/// What stands behind the body of a record without a seal.
const END: &[u8] = b"}}";
const SEAL_DIGITS: usize = 16;

impl StreamKey {
    /// One key of 16 secret bytes, which never seals.
    pub const fn new(bytes: [u8; 16]) -> StreamKey {
        StreamKey { first: bytes, ring: &[] }
    }

    /// Several keys, the first of which began the log; none there: it was begun without one.
    ///
    /// # Errors
    /// Two of them have one id.
    pub fn ring(first: (KeyId, Option<[u8; 16]>), later: Vec<(KeyId, [u8; 16])>) -> Result<StreamKey, DuplicateKey> {
        let mut ring: Vec<(KeyId, Secret)> = first.1.map(|secret| (first.0, secret)).into_iter().collect();
        ring.extend(later);
        let mut ids: Vec<KeyId> = ring.iter().map(|(id, _)| *id).collect();
        if first.1.is_none() {
            ids.push(first.0);
        }
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(DuplicateKey(pair.first().copied().unwrap_or(KeyId::FIRST)));
        }
        Ok(StreamKey { first: first.1.unwrap_or_default(), ring: Box::leak(ring.into_boxed_slice()) })
    }

    /// Whether the log was begun without a key: until its streams take one, anybody's records may pass for the ledger's own.
    pub fn begins_without_key(&self) -> bool {
        self.first == Secret::default()
    }

    /// The key in force before a stream has taken one: the one that the log was begun with, whatever its id, if there was
    /// any and it can seal.
    pub fn at_first(&self) -> Option<KeyId> {
        if self.begins_without_key() { None } else { self.ring.first().map(|(id, _)| *id) }
    }

    /// Whether there is a key of that id.
    pub fn knows(&self, id: KeyId) -> bool {
        self.secret(id).is_some()
    }

    /// What tells whether two files mean the same secret by an id, without telling it: a digest made with each key that can
    /// seal.
    pub fn fingerprints(&self) -> impl Iterator<Item = (KeyId, u64)> {
        self.ring.iter().map(|(id, secret)| (*id, digest(secret, &[Some(b"orderledger: which key is it?")])))
    }

    fn secret(&self, id: KeyId) -> Option<&Secret> {
        self.ring.iter().find(|(known, _)| *known == id).map(|(_, secret)| secret)
    }

    /// What the first record of a stream names as `prev`: 0 without a key, else a digest that only the key gives, so that
    /// nobody else can begin a stream.
    pub fn first_prev(&self, stream: StreamId, target: TopicPartition) -> u64 {
        if self.begins_without_key() {
            return 0;
        }
        self.digest(Some(format!("{}>{target}", stream.0).as_bytes()), None)
    }

    /// The stamp of a record in that partition as readers of streams judge it, who know a stream that has not begun by the
    /// digest 0: a first record's `prev` is 0 if it is the right one. It never matches if it is not, nor does that of a
    /// record whose seal is broken, or made with a key that is not known.
    pub fn check(&self, stamp: Stamp, target: TopicPartition, key: Option<&[u8]>, value: Option<&[u8]>) -> Stamp {
        let begins = stamp.sequence != 1 || stamp.prev == self.first_prev(StreamId::of(&stamp), target);
        let sealed = stamp.key.is_none_or(|id| self.is_sealed(id, target, key, value.unwrap_or_default()));
        match (begins && sealed, stamp.sequence) {
            (true, 1) => Stamp { prev: 0, ..stamp },
            (true, _) => stamp,
            (false, _) => Stamp { prev: u64::MAX, ..stamp },
        }
    }

    /// The digest of a record: SipHash-2-4 (Aumasson, Bernstein 2012) of its key's length, its key and its value.
    pub fn digest(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> u64 {
        digest(&self.first, &[key, value])
    }

    /// Seals a value that ends as every envelope does, for that partition and under that record key; false, and nothing
    /// changed, if there is no key of that id.
    pub fn seal(&self, id: KeyId, target: TopicPartition, key: &[u8], value: &mut Vec<u8>) -> bool {
        let (Some(secret), Some(body)) = (self.secret(id), value.strip_suffix(END)) else { return false };
        let seal = seal_of(secret, target, Some(key), body);
        let length = body.len();
        value.truncate(length);
        value.extend_from_slice(BEFORE_SEAL);
        value.extend_from_slice(format!("{seal:016x}").as_bytes());
        value.extend_from_slice(AFTER_SEAL);
        true
    }

    /// The key that a value is sealed with, for that partition and under that record key, if any.
    pub fn sealer(&self, target: TopicPartition, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<KeyId> {
        let value = value.unwrap_or_default();
        self.ring.iter().map(|(id, _)| *id).find(|id| self.is_sealed(*id, target, key, value))
    }

    /// Whether a value is sealed with that key, for that partition and under that record key. A seal stands last, in lower
    /// case: one seal has one form.
    pub fn is_sealed(&self, id: KeyId, target: TopicPartition, key: Option<&[u8]>, value: &[u8]) -> bool {
        let split = || {
            let rest = value.strip_suffix(AFTER_SEAL)?;
            let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(SEAL_DIGITS)?)?;
            Some((rest.strip_suffix(BEFORE_SEAL)?, digits))
        };
        let (Some(secret), Some((body, digits))) = (self.secret(id), split()) else { return false };
        format!("{:016x}", seal_of(secret, target, key, body)).as_bytes() == digits
    }
}

/// Over the place too: a record that was copied to another partition has no seal there.
fn seal_of(secret: &Secret, target: TopicPartition, key: Option<&[u8]>, body: &[u8]) -> u64 {
    digest(secret, &[Some(target.to_string().as_bytes()), key, Some(body)])
}

fn digest(secret: &Secret, parts: &[Option<&[u8]>]) -> u64 {
    let mut hasher = SipHasher24::new_with_key(secret);
    for part in parts {
        let length = part.map_or(u64::MAX, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        hasher.write(&length.to_le_bytes());
        hasher.write(part.unwrap_or_default());
    }
    hasher.finish()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::position::Topic;

    fn id(text: &str) -> KeyId {
        KeyId::new(text).unwrap()
    }

    fn ring() -> StreamKey {
        StreamKey::ring((KeyId::FIRST, Some([1; 16])), vec![(id("k2"), [2; 16]), (id("k3"), [3; 16])]).unwrap()
    }

    #[test]
    fn a_seal_is_of_one_key_one_place_and_every_byte() {
        let here = Topic::Books.at(1);
        let mut value = br#"{"payload":{},"metadata":{"sequence":7,"key":"k2"}}"#.to_vec();
        assert!(ring().seal(id("k2"), here, b"AAPL", &mut value));
        let sealed = |id: KeyId, at, key: &[u8], value: &[u8]| ring().is_sealed(id, at, Some(key), value);
        assert!(sealed(id("k2"), here, b"AAPL", &value), "{}", String::from_utf8_lossy(&value));
        assert_eq!(ring().sealer(here, Some(b"AAPL"), Some(&value)), Some(id("k2")));
        assert!(!sealed(id("k3"), here, b"AAPL", &value), "another key");
        assert!(!sealed(id("k9"), here, b"AAPL", &value), "a key that nobody has");
        assert!(!sealed(id("k2"), Topic::Books.at(2), b"AAPL", &value), "another partition");
        assert!(!sealed(id("k2"), Topic::Trades.at(1), b"AAPL", &value), "another topic");
        assert!(!sealed(id("k2"), here, b"MSFT", &value), "another record key");
        for place in 0..value.len() {
            let mut other = value.clone();
            other.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1);
            assert!(!sealed(id("k2"), here, b"AAPL", &other), "byte {place}");
        }
        for end in 0..value.len() {
            assert!(!sealed(id("k2"), here, b"AAPL", value.get(..end).unwrap()), "cut at {end}");
        }
    }

    #[test]
    fn more_keys_change_no_digest() {
        let (one, ring) = (StreamKey::new([1; 16]), ring());
        let target = Topic::Orders.at(0);
        assert_eq!(one.digest(Some(b"k"), Some(b"v")), ring.digest(Some(b"k"), Some(b"v")));
        assert_eq!(one.first_prev(StreamId(target), target), ring.first_prev(StreamId(target), target));
        assert!(ring.knows(KeyId::FIRST) && !one.knows(KeyId::FIRST));
    }

    #[test]
    fn a_fingerprint_is_of_the_secret_alone() {
        let of = |ring: StreamKey| ring.fingerprints().map(|(_, print)| print).collect::<Vec<_>>();
        let other = StreamKey::ring((id("a"), Some([1; 16])), vec![(id("b"), [2; 16]), (id("c"), [4; 16])]).unwrap();
        let (one, other) = (of(ring()), of(other));
        assert_eq!(one[..2], other[..2]);
        assert_ne!(one[2], other[2]);
        assert_ne!(one[0], one[1]);
    }

    #[test]
    fn a_log_begun_without_a_key_can_be_given_one() {
        let ring = StreamKey::ring((KeyId::FIRST, None), vec![(id("k2"), [2; 16])]).unwrap();
        assert_eq!(ring.digest(None, None), StreamKey::default().digest(None, None));
        assert!(ring.knows(id("k2")) && !ring.knows(KeyId::FIRST), "what is no secret can't seal");
    }

    #[test]
    fn the_key_in_force_at_first_is_the_one_that_began_the_log() {
        let later = || vec![(id("k2"), [2; 16])];
        for (first, expected) in [("0", Some([1; 16])), ("2026-01", Some([1; 16])), ("0", None)] {
            let ring = StreamKey::ring((id(first), expected), later()).unwrap();
            assert_eq!(ring.at_first(), expected.map(|_| id(first)));
        }
        assert_eq!(StreamKey::default().at_first(), None);
    }

    #[test]
    fn no_two_keys_have_one_id() {
        for first in [None, Some([1; 16])] {
            let twice = StreamKey::ring((id("k2"), first), vec![(id("k3"), [3; 16]), (id("k2"), [2; 16])]);
            assert_eq!(twice, Err(DuplicateKey(id("k2"))));
        }
    }

    #[test]
    fn a_stamp_is_judged_by_its_beginning_and_by_its_seal() {
        use crate::position::Topic::{Books, Orders};
        let (target, source) = (Books.at(1), Orders.at(0));
        let cause = crate::envelope::Cause { position: source.offset(9), index: 0 };
        let stamp = |sequence, prev, key| Stamp { cause, sequence, prev, key, takes: None };
        let mut value = br#"{"payload":{},"metadata":{"key":"k2"}}"#.to_vec();
        assert!(ring().seal(id("k2"), target, b"AAPL", &mut value));
        let prev = |stamp, value: &[u8]| ring().check(stamp, target, Some(b"AAPL"), Some(value)).prev;
        let first = ring().first_prev(StreamId(source), target);
        assert_eq!(prev(stamp(1, first, None), b""), 0, "the first record says the digest that the key gives");
        assert_eq!(prev(stamp(1, first ^ 1, None), b""), u64::MAX);
        assert_eq!(prev(stamp(2, 7, None), b""), 7, "a later one says its predecessor's");
        assert_eq!(prev(stamp(2, 7, Some(id("k2"))), &value), 7);
        assert_eq!(prev(stamp(2, 7, Some(id("k3"))), &value), u64::MAX, "sealed with another key");
        assert_eq!(prev(stamp(1, first, Some(id("k3"))), &value), u64::MAX);
    }

    #[test]
    fn nobody_begins_a_stream_without_the_key_that_began_the_log() {
        let (target, source) = (Topic::Books.at(1), StreamId(Topic::Orders.at(0)));
        let first = |key: StreamKey| key.first_prev(source, target);
        let (one, other) = (StreamKey::new([1; 16]), StreamKey::new([2; 16]));
        assert_eq!((first(StreamKey::default()), StreamKey::default().begins_without_key()), (0, true));
        assert_eq!(first(one), one.digest(Some(b"orders-0>books-1"), None));
        assert_ne!(first(one), first(other));
        assert!(!one.begins_without_key());
        assert_eq!(format!("{one:?}"), "StreamKey(secret)", "no secret is shown");
    }

    #[test]
    fn a_value_that_no_envelope_ends_as_and_a_key_that_nobody_has_seal_nothing() {
        let mut value = b"{}".to_vec();
        assert!(!ring().seal(id("k2"), Topic::Books.at(1), b"AAPL", &mut value));
        value = b"{{}}".to_vec();
        assert!(!ring().seal(id("k9"), Topic::Books.at(1), b"AAPL", &mut value));
        assert_eq!(value, b"{{}}");
        assert_eq!(ring().sealer(Topic::Books.at(1), Some(b"AAPL"), Some(&value)), None);
        assert_eq!(ring().sealer(Topic::Books.at(1), None, None), None);
    }

    #[test]
    fn nothing_and_empty_have_different_digests() {
        let digests = [(None, None), (Some(&b""[..]), None), (None, Some(&b""[..])), (Some(b"a"), Some(b"b"))];
        let mut digests: Vec<u64> = digests.map(|(key, value)| ring().digest(key, value)).into();
        digests.push(ring().digest(Some(b"ab"), Some(b"")));
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 5);
    }
}
