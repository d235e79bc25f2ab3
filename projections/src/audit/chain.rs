//! The hash chain of a partition: h₀ = 32 zero bytes,
//! hₙ = SHA-256(hₙ₋₁ ‖ be32 key length ‖ key ‖ be32 value length ‖ value), over every record in order, repeats included.
//! A key or value that is missing has the length 0xFFFFFFFF and no bytes.

use sha2::{Digest, Sha256};

use super::rows::Chain;
use crate::worker::read::Read;

impl Chain {
    /// Links the next record.
    pub(super) fn take(&mut self, read: &Read) {
        self.count = self.count.saturating_add(1);
        self.last_offset = read.position.offset;
        self.recorded_max = self.recorded_max.max(read.recorded_at.micros());
        let mut hash = Sha256::new_with_prefix(self.sha256);
        for part in [&read.key, &read.value] {
            let length = part.as_ref().map_or(u32::MAX, |bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            hash.update(length.to_be_bytes());
            hash.update(part.as_deref().unwrap_or_default());
        }
        self.sha256 = hash.finalize().into();
    }
}
