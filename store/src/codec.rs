//! Values as stored: framed `[schema u8][crc32c u32 big-endian][bincode]`. The one place that names bincode.
//!
//! bincode does not describe itself: a field added or an enum's variants reordered misread old bytes, so every change of
//! a stored shape raises its schema number, and another number than the expected one is an error, never a guess.

use bincode::config::standard;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::error::At;

/// Bytes before the body: the schema number and the checksum.
pub const FRAME_HEADER_LEN: usize = 5;

/// Frames `value` under a schema number. Fails only for a type whose `Serialize` fails.
pub fn encode<T: Serialize + ?Sized>(schema: u8, value: &T) -> Result<Vec<u8>, Error> {
    let mut frame = Vec::with_capacity(128);
    encode_into(schema, value, &mut frame)?;
    Ok(frame)
}

/// As [`encode`], in the place of what `frame` holds.
pub fn encode_into<T: Serialize + ?Sized>(schema: u8, value: &T, frame: &mut Vec<u8>) -> Result<(), Error> {
    frame.clear();
    frame.extend_from_slice(&[schema, 0, 0, 0, 0]);
    bincode::serde::encode_into_std_write(value, frame, standard())
        .map_err(|cause| Error::refused(At::Frame, format!("a value that can't be encoded: {cause}")))?;
    let checksum = checksum(schema, frame.get(FRAME_HEADER_LEN..).unwrap_or_default());
    if let Some(slot) = frame.get_mut(1..FRAME_HEADER_LEN) {
        slot.copy_from_slice(&checksum.to_be_bytes());
    }
    Ok(())
}

/// Reads a framed value back. [`Error::Corrupt`] if the schema is another, the checksum is wrong, or the body is not
/// exactly one `T`. Damaged bytes can't make it panic or allocate much more than their own length.
pub fn decode<T: DeserializeOwned>(schema: u8, frame: &[u8]) -> Result<T, Error> {
    decode_at(&At::Frame, schema, frame)
}

/// As [`decode`]; the error says where the bytes were kept.
pub fn decode_at<T: DeserializeOwned>(at: &At, schema: u8, frame: &[u8]) -> Result<T, Error> {
    let corrupt = |what: String| Error::corrupt(at.clone(), what);
    let Some((&[found, a, b, c, d], body)) = frame.split_first_chunk::<FRAME_HEADER_LEN>() else {
        return Err(corrupt(format!("a frame of {} bytes is shorter than its header", frame.len())));
    };
    if found != schema {
        return Err(corrupt(format!("schema {found} where {schema} is expected")));
    }
    if u32::from_be_bytes([a, b, c, d]) != checksum(schema, body) {
        return Err(corrupt("wrong checksum".to_owned()));
    }
    let (value, read) =
        decode_body::<T>(body).map_err(|cause| corrupt("unreadable body".to_owned()).with_source(cause))?;
    if read != body.len() {
        return Err(corrupt(format!("{} bytes after the value", body.len().saturating_sub(read))));
    }
    Ok(value)
}

/// Over the schema number too: a flipped schema byte is damage, unless the whole frame is of that schema.
fn checksum(schema: u8, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[schema]), body)
}

/// bincode takes a length on trust up to its limit, which is a constant: choose it by the size of the body.
fn decode_body<T: DeserializeOwned>(body: &[u8]) -> Result<(T, usize), bincode::error::DecodeError> {
    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;
    match body.len() {
        0..KIB => bincode::serde::decode_from_slice(body, standard().with_limit::<{ 64 * KIB }>()),
        KIB..MIB => bincode::serde::decode_from_slice(body, standard().with_limit::<{ 64 * MIB }>()),
        MIB.. => bincode::serde::decode_from_slice(body, standard().with_limit::<{ 4096 * MIB }>()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Side {
        Buy,
        Sell,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        id: String,
        amount: i128,
        price: i64,
        side: Side,
        open: Option<u64>,
        fills: Vec<(u32, u64)>,
    }

    fn row() -> Row {
        let fills = vec![(1, 70_000), (2, 5)];
        Row { id: "a-1".into(), amount: -1_502_500, price: 1_502_500, side: Side::Sell, open: Some(300), fills }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_bytes_of_a_frame_are_these_for_ever() {
        let golden = "072e525d1603612d31fc47da2d00fc48da2d000101fb2c010201fc701101000205";
        assert_eq!(hex(&encode(7, &row()).unwrap()), golden);
    }

    #[test]
    fn another_schema_is_corrupt() {
        let frame = encode(7, &row()).unwrap();
        let error = decode::<Row>(8, &frame).unwrap_err();
        assert_eq!(error.to_string(), "a framed value: schema 7 where 8 is expected");
        assert!(matches!(error, Error::Corrupt { .. }));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_corrupt() {
        let frame = encode(7, &row()).unwrap();
        for bit in 0..frame.len() * 8 {
            let mut damaged = frame.clone();
            damaged.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= u8::from(at == bit / 8) << (bit % 8));
            assert!(matches!(decode::<Row>(7, &damaged), Err(Error::Corrupt { .. })), "bit {bit}");
        }
        for length in 0..frame.len() {
            let cut = frame.iter().copied().take(length).collect::<Vec<_>>();
            assert!(matches!(decode::<Row>(7, &cut), Err(Error::Corrupt { .. })), "cut to {length}");
        }
    }

    #[test]
    fn a_length_beyond_the_body_is_corrupt_and_allocates_nothing_of_that_size() {
        let mut frame = vec![1, 0, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0xff, 0, 0, 0];
        let checksum = checksum(1, frame.get(FRAME_HEADER_LEN..).unwrap());
        frame.get_mut(1..FRAME_HEADER_LEN).unwrap().copy_from_slice(&checksum.to_be_bytes());
        assert!(matches!(decode::<String>(1, &frame), Err(Error::Corrupt { .. })));
        assert!(matches!(decode::<Vec<u64>>(1, &frame), Err(Error::Corrupt { .. })));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(id in ".{0,40}", amount: i128, open: Option<u64>, fills: Vec<(u32, u64)>) {
            let row = Row { id, amount, price: 1, side: Side::Buy, open, fills };
            prop_assert_eq!(decode::<Row>(3, &encode(3, &row).unwrap()).unwrap(), row);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decode_body::<Row>(&bytes);
            let _ = decode::<Row>(bytes.first().copied().unwrap_or_default(), &bytes);
        }
    }
}
