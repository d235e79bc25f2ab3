//! Every key of every view: prefixes in one place, fields big-endian and in an order that scans use.
//!
//! A key is one prefix byte and then its fields: numbers big-endian at fixed width, names terminated by `0x00`, so that
//! a scan of user `u1` never meets `u10` and keys sort as their fields do. A retired prefix stays reserved: its constant
//! is kept, marked retired, and its number is never given to another row.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::Error;
use crate::error::At;

/// The view's own rows (the head); folds never write here.
pub const META: u8 = 0x00;

/// settlement: `user` → the account's balances.
pub const ACCOUNT: u8 = 0x10;
/// settlement: `user, created offset u64` → an order that is still live.
pub const OPEN_ORDER: u8 = 0x11;
/// settlement: `user, created offset u64` → an order that is done.
pub const CLOSED_ORDER: u8 = 0x12;
/// settlement: `order id, user` → the order's created offset.
pub const ORDER_INDEX: u8 = 0x13;
/// settlement: `user, first offset u64` → a block of postings.
pub const POSTING_BLOCK: u8 = 0x14;
/// settlement: `user, first offset u64` → a block of fills.
pub const FILL_BLOCK: u8 = 0x15;
/// settlement: `user, requested offset u64` → a withdrawal that is decided.
pub const WITHDRAWAL: u8 = 0x16;
/// settlement: `partition u32` → the balances of the system accounts (clearing, fees, outside world).
pub const SYSTEM_ACCOUNT: u8 = 0x17;
/// settlement: `name, partition u32` → what control events set (the fee schedule, the rules' version, the streams' key).
pub const CONTROL: u8 = 0x18;
/// settlement: `user, created offset u64, first offset u64` → a full block of an order's events.
pub const ORDER_EVENT_BLOCK: u8 = 0x19;
/// settlement: `user, created offset u64` → an order that intake has not judged yet.
pub const PENDING_ORDER: u8 = 0x1a;
/// settlement: `user, requested offset u64` → a withdrawal that intake has not decided yet.
pub const PENDING_WITHDRAWAL: u8 = 0x1b;
/// settlement: `user, withdrawal id` → the offset of its request.
pub const WITHDRAWAL_INDEX: u8 = 0x1c;
/// settlement: `user, client order id, created offset u64` → nothing: an order that its client called so.
pub const CLIENT_ORDER: u8 = 0x1d;
/// settlement: `user, answer's offset u64` → an operator's correction, booked or not.
pub const ADJUSTMENT: u8 = 0x1e;

/// market: `symbol` → the symbol's figures.
pub const MARKET: u8 = 0x30;
/// market: `symbol, first bookSeq u64` → a block of trades.
pub const TRADE_BLOCK: u8 = 0x31;
/// market: `symbol, interval u8, open time i64` → a candle.
pub const CANDLE: u8 = 0x32;
/// market: `symbol` → how many of its trades an operator discarded.
pub const DISCARDED_TRADES: u8 = 0x33;

/// analytics: `day i64` (days since 1970-01-01) → what happened on a day.
pub const ANALYTICS_DAY: u8 = 0x40;
/// analytics: `day i64, symbol` → what happened in a symbol on a day.
pub const ANALYTICS_SYMBOL: u8 = 0x41;
/// analytics: `day i64, user, symbol` (none: all of them) → what an account did on a day.
pub const ANALYTICS_ACCOUNT: u8 = 0x42;

/// audit: `topic u8, partition u32, base offset u64, part u32` → a part of a block of records' raw bytes.
pub const RECORD_BLOCK: u8 = 0x50;
/// audit: `list kind u8, list names, topic u8, partition u32, last offset u64` → a block of a posting list of offsets;
/// the last block, which still grows, stands at the largest offset.
pub const LIST_BLOCK: u8 = 0x51;
/// audit: `topic u8, partition u32` → the head of the hash chain, and the frontier of the Merkle tree.
pub const CHAIN: u8 = 0x52;
/// audit: `topic u8, partition u32, height u8, index u64` → the hash of a perfect subtree.
pub const TREE_NODE: u8 = 0x53;
/// audit: `topic u8, partition u32, tree size u64` → a published head of chain and tree.
pub const CHECKPOINT: u8 = 0x54;
/// audit: `partition u32` → the version of the rules by which outside records of `orders` are read there.
pub const READABLE: u8 = 0x55;

/// notifications: `user, offset u64` → the number of the event's type.
pub const NOTIFICATION: u8 = 0x60;
/// notifications: `user` → how far the user has read, and what the user wants to be told.
pub const NOTIFIED: u8 = 0x61;
/// notifications: `webhook` → where it is, what it wants, and how it was registered.
pub const WEBHOOK: u8 = 0x62;
/// notifications: `webhook` → how far it was told.
pub const WEBHOOK_MARKS: u8 = 0x63;
/// notifications: `webhook, partition u32, offset u64` → a delivery that was given up.
pub const WEBHOOK_DEAD_LETTER: u8 = 0x64;
/// notifications: `webhook, partition u32, offset u64` of the request → what is to be sent again.
pub const WEBHOOK_RESEND: u8 = 0x65;
/// notifications: `webhook` → which secrets before the newest two still sign; only where it was rotated again while they did.
pub const WEBHOOK_SECRETS: u8 = 0x66;

/// any projection that parks: `entity` → where its first waiting record stands and how many wait.
pub const PARKED: u8 = 0x70;
/// any projection that parks: `eventId u64 u64, partition u32` → an operator's decision about a parked record.
pub const DECISION: u8 = 0x71;
/// any projection that parks: `entity, topic u8, partition u32, offset u64` → where the newest decision about that record stands.
pub const DECIDED: u8 = 0x72;

/// From this prefix on stands bookkeeping, in no digest and in no comparison: its rows depend on when things happened,
/// not on what stands in the log.
pub const BOOKKEEPING: u8 = 0xf0;
/// any projection that parks: `entity` → why its first waiting record can't be applied, and what was tried.
pub const PARKED_NOTE: u8 = 0xf0;
/// any projection that parks: `entity, first offset u64` → a block of waiting offsets behind the first.
pub const PARKED_BLOCK: u8 = 0xf1;

/// Whether the row under this key is bookkeeping.
pub fn is_bookkeeping(key: &[u8]) -> bool {
    key.first().is_some_and(|prefix| *prefix >= BOOKKEEPING)
}

/// Ends a name.
const END: u8 = 0x00;
/// Stands before [`END`] or itself inside a name (ids never hold either, so their keys are their bytes).
const ESCAPE: u8 = 0x01;

/// Builds a key, or the first fields of one for a scan.
#[derive(Clone, Debug)]
pub struct KeyBuilder {
    /// Not on the heap, for almost every key.
    bytes: SmallVec<[u8; 96]>,
}

impl KeyBuilder {
    /// A key that begins with this prefix.
    pub fn new(prefix: u8) -> KeyBuilder {
        KeyBuilder { bytes: SmallVec::from_slice(&[prefix]) }
    }

    /// A name, terminated; one name's keys never lie inside another's.
    #[must_use]
    pub fn name(mut self, name: &str) -> KeyBuilder {
        if !name.bytes().any(|byte| matches!(byte, END | ESCAPE)) {
            self.bytes.extend_from_slice(name.as_bytes());
            self.bytes.push(END);
            return self;
        }
        for &byte in name.as_bytes() {
            match byte {
                END => self.bytes.extend_from_slice(&[ESCAPE, 1]),
                ESCAPE => self.bytes.extend_from_slice(&[ESCAPE, 2]),
                plain => self.bytes.push(plain),
            }
        }
        self.bytes.push(END);
        self
    }

    /// One byte.
    #[must_use]
    pub fn u8(mut self, number: u8) -> KeyBuilder {
        self.bytes.push(number);
        self
    }

    /// Four bytes, big-endian.
    #[must_use]
    pub fn u32(mut self, number: u32) -> KeyBuilder {
        self.bytes.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Eight bytes, big-endian.
    #[must_use]
    pub fn u64(mut self, number: u64) -> KeyBuilder {
        self.bytes.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Eight bytes that sort as the signed numbers do.
    #[must_use]
    pub fn i64(self, number: i64) -> KeyBuilder {
        self.u64(number.cast_unsigned() ^ SIGN)
    }

    /// The key.
    pub fn build(self) -> Bytes {
        Bytes::copy_from_slice(&self.bytes)
    }

    /// The key's bytes so far, to look something up.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }
}

/// Flips a signed number's sign, so that negative ones sort first.
const SIGN: u64 = 1 << 63;

/// Reads a key's fields back, in their order.
#[derive(Clone, Copy, Debug)]
pub struct KeyReader<'a> {
    rest: &'a [u8],
}

impl<'a> KeyReader<'a> {
    /// A reader behind the prefix; [`Error::Corrupt`] if the key has another.
    pub fn new(prefix: u8, key: &'a [u8]) -> Result<KeyReader<'a>, Error> {
        match key.split_first() {
            Some((&found, rest)) if found == prefix => Ok(KeyReader { rest }),
            _ => Err(malformed("another prefix")),
        }
    }

    /// The next name.
    pub fn name(&mut self) -> Result<String, Error> {
        let mut name = Vec::with_capacity(32);
        loop {
            match self.array::<1>()? {
                [END] => break,
                [ESCAPE] => match self.array::<1>()? {
                    [1] => name.push(END),
                    [2] => name.push(ESCAPE),
                    _ => return Err(malformed("an unknown escape")),
                },
                [plain] => name.push(plain),
            }
        }
        String::from_utf8(name).map_err(|_| malformed("a name that is not UTF-8"))
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_be_bytes)
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next signed number.
    pub fn i64(&mut self) -> Result<i64, Error> {
        Ok((self.u64()? ^ SIGN).cast_signed())
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(malformed("bytes after the last field")) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (field, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| malformed("it ends inside a field"))?;
        self.rest = rest;
        Ok(*field)
    }
}

fn malformed(what: &'static str) -> Error {
    Error::corrupt(At::Frame, format!("a malformed key: {what}"))
}

/// The first key behind all keys that begin with `prefix`; `None` if there is no such key.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_are_used_once() {
        let all = [
            META,
            ACCOUNT,
            OPEN_ORDER,
            CLOSED_ORDER,
            ORDER_INDEX,
            POSTING_BLOCK,
            FILL_BLOCK,
            WITHDRAWAL,
            SYSTEM_ACCOUNT,
            CONTROL,
            ORDER_EVENT_BLOCK,
            PENDING_ORDER,
            PENDING_WITHDRAWAL,
            WITHDRAWAL_INDEX,
            CLIENT_ORDER,
            MARKET,
            TRADE_BLOCK,
            CANDLE,
            DISCARDED_TRADES,
            ANALYTICS_DAY,
            ANALYTICS_SYMBOL,
            ANALYTICS_ACCOUNT,
            RECORD_BLOCK,
            LIST_BLOCK,
            CHAIN,
            TREE_NODE,
            CHECKPOINT,
            READABLE,
            NOTIFICATION,
            NOTIFIED,
            WEBHOOK,
            WEBHOOK_MARKS,
            WEBHOOK_DEAD_LETTER,
            WEBHOOK_RESEND,
            WEBHOOK_SECRETS,
            PARKED,
            DECISION,
            DECIDED,
            PARKED_NOTE,
            PARKED_BLOCK,
        ];
        let distinct = all.iter().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn a_key_has_these_bytes_for_ever() {
        let key = KeyBuilder::new(OPEN_ORDER).name("u1").u64(0x0102).build();
        assert_eq!(key.as_ref(), b"\x11u1\0\0\0\0\0\0\0\x01\x02");
    }

    #[test]
    fn a_scan_of_one_user_never_meets_another() {
        let scanned = KeyBuilder::new(ACCOUNT).name("u1").build();
        for other in ["u10", "u", "u1\u{1}", "u1\0", "u1\0x", "U1"] {
            let key = KeyBuilder::new(ACCOUNT).name(other).u64(7).build();
            assert!(!key.starts_with(&scanned), "{other:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_corrupt() {
        assert!(KeyReader::new(ACCOUNT, b"").is_err());
        assert!(KeyReader::new(ACCOUNT, &[MARKET]).is_err());
        let read = |rest: &'static [u8]| KeyReader { rest };
        assert!(read(b"u1").name().is_err());
        assert!(read(b"\x01").name().is_err());
        assert!(read(b"\x01\x03\0").name().is_err());
        assert!(read(b"\xff\0").name().is_err());
        assert!(read(b"\0\0\0").u32().is_err());
        assert!(read(b"\0").end().is_err());
    }

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(after_prefix(b"ab").unwrap(), b"ac");
        assert_eq!(after_prefix(b"a\xff\xff").unwrap(), b"b");
        assert_eq!(after_prefix(b"\xff"), None);
        assert_eq!(after_prefix(b""), None);
    }

    proptest! {
        #[test]
        fn keys_sort_and_read_back_as_their_fields(
            a in ("[\0\u{1}a-c]{0,3}", any::<i64>(), any::<u32>(), any::<u8>()),
            b in ("[\0\u{1}a-c]{0,3}", any::<i64>(), any::<u32>(), any::<u8>()),
        ) {
            let key = |f: &(String, i64, u32, u8)| KeyBuilder::new(CANDLE).name(&f.0).i64(f.1).u32(f.2).u8(f.3).build();
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
            let bytes = key(&a);
            let mut reader = KeyReader::new(CANDLE, &bytes).unwrap();
            prop_assert_eq!((reader.name().unwrap(), reader.i64().unwrap(), reader.u32().unwrap(), reader.u8().unwrap()), a);
            reader.end().unwrap();
        }
    }
}
