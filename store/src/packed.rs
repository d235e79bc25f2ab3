//! Values one after another as bytes: a row's list that grows by an entry without its older entries being encoded again.

use std::fmt;

use bincode::config::standard;
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;
use crate::error::At;

/// Encoded values, back to back. The row that holds them is framed: its checksum and schema number cover them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed(Vec<u8>);

impl Packed {
    /// One value's bytes, to be appended. Fails only for a type whose `Serialize` fails.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::with_capacity(96);
        bincode::serde::encode_into_std_write(value, &mut bytes, standard())
            .map_err(|cause| Error::refused(At::Frame, format!("a value that can't be encoded: {cause}")))?;
        Ok(bytes)
    }

    /// Appends a value that [`Packed::encode`] made.
    pub fn append(&mut self, encoded: &[u8]) {
        self.0.extend_from_slice(encoded);
    }

    /// Every value, oldest first. [`Error::Corrupt`] if the bytes are not whole values of that type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        let mut values = Vec::new();
        let mut rest = self.0.as_slice();
        while !rest.is_empty() {
            let (value, read) = bincode::serde::decode_from_slice(rest, standard())
                .map_err(|cause| Error::corrupt(At::Frame, "unreadable packed values").with_source(cause))?;
            values.push(value);
            rest = rest.get(read.max(1)..).unwrap_or_default();
        }
        Ok(values)
    }

    /// How many bytes they take.
    pub fn byte_len(&self) -> usize {
        self.0.len()
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor).map(Packed)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Vec<u8>, A::Error> {
        Err(A::Error::custom("bytes, not a sequence"))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_in_their_order_and_a_cut_is_corrupt() {
        let mut packed = Packed::default();
        for value in [(1_u64, "a"), (70_000, "b")] {
            packed.append(&Packed::encode(&value).unwrap());
        }
        let back = packed.read::<(u64, String)>().unwrap();
        assert_eq!(back, [(1, "a".to_owned()), (70_000, "b".to_owned())]);
        packed.0.pop();
        assert!(matches!(packed.read::<(u64, String)>(), Err(Error::Corrupt { .. })));
    }
}
