//! Names of users, orders, symbols and assets, checked once when they come in.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that breaks the rule of its kind of name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct BadName(pub &'static str);

fn plain_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

macro_rules! shared_name {
    ($(#[$doc:meta])* $name:ident, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name, if it keeps the rule.
            pub fn new(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(Arc::from(text))) } else { Err(BadName($rule)) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        named!($name);
    };
}

macro_rules! named {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::new(text)
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error;
                let text = TextVisitor::read(deserializer)?;
                Self::new(&text).map_err(|error| D::Error::custom(format_args!("{}: {error}", stringify!($name))))
            }
        }
    };
}

/// Borrows the text where the format allows it, for names are read in the hot path.
struct TextVisitor;

impl TextVisitor {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<std::borrow::Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de> serde::de::Visitor<'de> for TextVisitor {
    type Value = std::borrow::Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(std::borrow::Cow::Borrowed(text))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(std::borrow::Cow::Owned(text.to_owned()))
    }
}

shared_name!(
    /// A user of the platform (FIX tag 1, Account): `[A-Za-z0-9._-]{1,64}`; a leading `_` is reserved for the ledger.
    UserId, "1 to 64 characters of A-Z a-z 0-9 . _ - not beginning with _",
    |text| plain_name(text) && !text.starts_with('_')
);
shared_name!(
    /// An order's id, unique for its user (FIX tag 37): `[A-Za-z0-9._-]{1,64}`.
    OrderId, "1 to 64 characters of A-Z a-z 0-9 . _ -", plain_name
);
shared_name!(
    /// A withdrawal's id, unique for its user: `[A-Za-z0-9._-]{1,64}`.
    WithdrawalId, "1 to 64 characters of A-Z a-z 0-9 . _ -", plain_name
);
shared_name!(
    /// The client's own name of an order (FIX tag 11): 1-64 visible ASCII characters; carried, never interpreted.
    ClientOrderId, "1 to 64 visible ASCII characters",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);
shared_name!(
    /// What a request and everything that follows from it belong to, in the words of whoever asked: 1-128 visible ASCII
    /// characters; carried, never interpreted.
    CorrelationId, "1 to 128 visible ASCII characters",
    |text| (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);

/// Up to 16 ASCII characters, kept inline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Inline {
    bytes: [u8; 16],
    length: u8,
}

impl Inline {
    fn new(text: &str) -> Inline {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Inline { bytes, length: u8::try_from(text.len()).unwrap_or(16) }
    }

    fn as_str(&self) -> &str {
        self.bytes.get(..usize::from(self.length)).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }
}

/// The name of a share (FIX tag 55) or of cash: `[A-Z0-9.-]{1,16}`, kept inline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asset(Inline);

impl Asset {
    /// The asset of that name, if it keeps the rule.
    pub fn new(text: &str) -> Result<Asset, BadName> {
        let fits = (1..=16).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
        if fits { Ok(Asset(Inline::new(text))) } else { Err(BadName("1 to 16 characters of A-Z 0-9 . -")) }
    }

    /// US dollars, the cash of every market.
    pub const USD: Asset = Asset(Inline { bytes: *b"USD\0\0\0\0\0\0\0\0\0\0\0\0\0", length: 3 });

    /// Whether it is the cash asset.
    pub fn is_cash(&self) -> bool {
        *self == Asset::USD
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
named!(Asset);

/// The name of a traded share: an asset that is not cash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(Asset);

impl Symbol {
    /// The symbol of that name, if it keeps the rule.
    pub fn new(text: &str) -> Result<Symbol, BadName> {
        let asset = Asset::new(text)?;
        if asset.is_cash() { Err(BadName("a share, not cash")) } else { Ok(Symbol(asset)) }
    }

    /// The asset whose shares are traded under this symbol.
    pub const fn asset(self) -> Asset {
        self.0
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
named!(Symbol);

/// The market of the canary: the ledger's own orders, which no list and no statistics has.
pub const CANARY_SYMBOL: &str = "LEDGER.CANARY";

/// Whether the account is one of the canary's.
pub fn is_canary(user: &UserId) -> bool {
    user.as_str().starts_with("ledger.canary-")
}

/// The name of a stream key: `[A-Za-z0-9._-]{1,16}`, kept inline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Inline);

impl KeyId {
    /// The id of that name, if it keeps the rule.
    pub fn new(text: &str) -> Result<KeyId, BadName> {
        let fits = plain_name(text) && text.len() <= 16;
        if fits { Ok(KeyId(Inline::new(text))) } else { Err(BadName("1 to 16 characters of A-Z a-z 0-9 . _ -")) }
    }

    /// The id of the key that a log was begun with, where its file names none: `0`.
    pub const FIRST: KeyId = KeyId(Inline { bytes: *b"0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", length: 1 });

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The id as two numbers.
    pub(crate) fn halves(&self) -> (u64, u64) {
        let all = u128::from_be_bytes(self.0.bytes);
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        (half(all >> 64), half(all))
    }

    /// The id of two numbers.
    pub(crate) fn of_halves(high: u64, low: u64) -> Option<KeyId> {
        let bytes = ((u128::from(high) << 64) | u128::from(low)).to_be_bytes();
        let text = std::str::from_utf8(&bytes).ok()?;
        KeyId::new(text.trim_end_matches('\0')).ok()
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
named!(KeyId);

#[cfg(test)]
mod tests {
    use super::*;

    fn is_name<T>(new: fn(&str) -> Result<T, BadName>) -> impl Fn(&str) -> bool {
        move |text| new(text).is_ok()
    }

    #[test]
    fn names_are_what_this_table_says() {
        let (user, order) = (is_name(UserId::new), is_name(OrderId::new));
        let (withdrawal, client, asset) =
            (is_name(WithdrawalId::new), is_name(ClientOrderId::new), is_name(Asset::new));
        let (symbol, key) = (is_name(Symbol::new), is_name(KeyId::new));
        let (of_16, of_17) = ("A".repeat(16), "A".repeat(17));
        let (of_64, of_65) = ("A".repeat(64), "A".repeat(65));
        // Columns: users, orders, withdrawals, orders of clients, assets, symbols, keys.
        for (text, row) in [
            ("", ". . . . . . ."),
            ("A", "u o w c a s k"),
            ("Z9.-", "u o w c a s k"),
            ("az_", "u o w c . . k"),
            ("_", ". o w c . . k"),
            ("USD", "u o w c a . k"),
            ("a!~", ". . . c . . ."),
            ("a b", ". . . . . . ."),
            ("ü", ". . . . . . ."),
            (&of_16, "u o w c a s k"),
            (&of_17, "u o w c . . ."),
            (&of_64, "u o w c . . ."),
            (&of_65, ". . . . . . ."),
        ] {
            let said = [user(text), order(text), withdrawal(text), client(text), asset(text), symbol(text), key(text)];
            let row: Vec<bool> = row.split(' ').map(|cell| cell != ".").collect();
            assert_eq!(said, *row, "{text}");
        }
        assert_eq!((Asset::USD.is_cash(), Asset::new("AAPL").map(|asset| asset.is_cash())), (true, Ok(false)));
    }

    #[test]
    fn a_name_is_shown_as_it_was_given() {
        let (asset, symbol, key) = (Asset::new("BRK.B"), Symbol::new("BRK.B"), KeyId::new("2026-11"));
        assert_eq!(format!("{asset:?} {symbol:?} {key:?}"), "Ok(BRK.B) Ok(BRK.B) Ok(2026-11)");
        assert_eq!(symbol.map(|symbol| symbol.asset()), asset);
        assert_eq!(serde_json::to_string(&key.ok()).ok().as_deref(), Some("\"2026-11\""));
        let escaped: Result<OrderId, _> = serde_json::from_str("\"\\u006f1\"");
        assert_eq!(escaped.ok(), OrderId::new("o1").ok());
        assert!(serde_json::from_str::<OrderId>("1").is_err());
    }

    #[test]
    fn a_keys_id_is_two_numbers_and_back() {
        for (text, halves) in [
            ("0", (0x3000_0000_0000_0000, 0)),
            ("2026-11", (0x3230_3236_2d31_3100, 0)),
            ("0123456789abcdef", (0x3031_3233_3435_3637, 0x3839_6162_6364_6566)),
        ] {
            let id = KeyId::new(text).ok();
            assert_eq!(id.map(|id| id.halves()), Some(halves));
            assert_eq!(KeyId::of_halves(halves.0, halves.1), id);
        }
        assert_eq!(KeyId::of_halves(0, 0), None, "the empty name");
        assert_eq!(KeyId::of_halves(0x3000_3000_0000_0000, 0), None, "a zero in the middle");
        assert_eq!(KeyId::of_halves(u64::MAX, 0), None, "no text");
    }
}
