//! The hash chain of a partition: h₀ = 32 zero bytes,
//! hₙ = SHA-256(hₙ₋₁ ‖ be32 key length ‖ key ‖ be32 value length ‖ value), over every record in order, repeats included.
//! A key or value that is missing has the length 0xFFFFFFFF and no bytes. The same bytes are a leaf of its Merkle tree.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::merkle::{Frontier, Hash, Subtree, leaf_hash};

/// The chain and the tree of a partition, as far as it has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The last record's offset; 0 if there is none.
    pub last_offset: u64,
    /// The last link.
    pub sha256: Hash,
    /// The tree, which has as many leaves as the chain has links.
    pub tree: Frontier,
}

impl Chain {
    /// How many records there are.
    pub const fn count(&self) -> u64 {
        self.tree.size()
    }

    /// Links the next record; every perfect subtree that it completes is handed over.
    pub fn take(
        &mut self,
        offset: u64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        completed: impl FnMut(Subtree, Hash),
    ) {
        self.tree.push(record_hash(key, value), completed);
        self.link(offset, key, value);
    }

    /// Goes on with the chain alone.
    pub(super) fn link(&mut self, offset: u64, key: Option<&[u8]>, value: Option<&[u8]>) {
        let [key_length, value_length] = [key, value].map(length);
        let mut hash = Sha256::new_with_prefix(self.sha256);
        for piece in [&key_length, key.unwrap_or_default(), &value_length, value.unwrap_or_default()] {
            hash.update(piece);
        }
        self.sha256 = hash.finalize().into();
        self.last_offset = offset;
    }
}

/// The leaf of a record with that key and value.
pub fn record_hash(key: Option<&[u8]>, value: Option<&[u8]>) -> Hash {
    let [key_length, value_length] = [key, value].map(length);
    leaf_hash([&key_length, key.unwrap_or_default(), &value_length, value.unwrap_or_default()])
}

fn length(part: Option<&[u8]>) -> [u8; 4] {
    part.map_or(u32::MAX, |bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX)).to_be_bytes()
}
