//! Numbers of seven bits a byte, lowest first; bytes and names behind their length.

use bytes::Bytes;

/// Appends a number.
pub(super) fn write(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    to.push(low_byte(number));
}

/// Appends a signed number; small ones of either sign are short (zigzag).
pub(super) fn write_signed(number: i64, to: &mut Vec<u8>) {
    write((number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned(), to);
}

/// Appends bytes behind their length.
pub(super) fn write_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    write(length(bytes), to);
    to.extend_from_slice(bytes);
}

/// Appends bytes that may be missing: length + 1, or 0.
pub(super) fn write_option(bytes: Option<&[u8]>, to: &mut Vec<u8>) {
    match bytes {
        None => write(0, to),
        Some(bytes) => {
            write(length(bytes).saturating_add(1), to);
            to.extend_from_slice(bytes);
        }
    }
}

/// Reads what was written; slices share the memory of the whole. `None` where the bytes end early or make no sense.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    bytes: Bytes,
    at: usize,
}

impl Decoder {
    pub(super) fn new(bytes: Bytes) -> Decoder {
        Decoder { bytes, at: 0 }
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at = self.at.checked_add(1)?;
        Some(byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ (number & 1).cast_signed().wrapping_neg())
    }

    pub(super) fn bytes(&mut self) -> Option<Bytes> {
        let length = self.number()?;
        self.take(length)
    }

    pub(super) fn option(&mut self) -> Option<Option<Bytes>> {
        match self.number()? {
            0 => Some(None),
            length => self.take(length.saturating_sub(1)).map(Some),
        }
    }

    /// Whether all was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn take(&mut self, length: u64) -> Option<Bytes> {
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        if end > self.bytes.len() {
            return None;
        }
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Some(taken)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes().first().copied().unwrap_or_default() & 0x7f
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(number: u64, signed: i64, bytes: Option<Vec<u8>>) {
            let mut written = Vec::new();
            write(number, &mut written);
            write_signed(signed, &mut written);
            write_option(bytes.as_deref(), &mut written);
            write_bytes(bytes.as_deref().unwrap_or_default(), &mut written);
            let mut decoder = Decoder::new(Bytes::from(written));
            prop_assert_eq!(decoder.number(), Some(number));
            prop_assert_eq!(decoder.signed(), Some(signed));
            prop_assert_eq!(decoder.option().unwrap().map(|bytes| bytes.to_vec()), bytes.clone());
            prop_assert_eq!(decoder.bytes().unwrap().to_vec(), bytes.unwrap_or_default());
            prop_assert!(decoder.is_at_end());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let mut decoder = Decoder::new(Bytes::from(bytes));
            while decoder.option().is_some() {}
            let _ = decoder.signed();
        }
    }

    #[test]
    fn a_number_above_64_bits_is_none() {
        let mut decoder = Decoder::new(Bytes::from_static(&[0xff; 10]));
        assert_eq!(decoder.number(), None);
        let mut written = Vec::new();
        write(u64::MAX, &mut written);
        assert_eq!(written.len(), 10);
        assert_eq!(Decoder::new(written.into()).number(), Some(u64::MAX));
    }
}
