//! Merkle trees as RFC 6962 §2.1 makes them: how leaves and nodes are hashed, the frontier that grows by a leaf at a
//! time, and proofs from the hashes of perfect subtrees, wherever these are kept.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// A SHA-256.
pub type Hash = [u8; 32];

/// A perfect subtree: 2^`height` leaves, the first of which is number `index` × 2^`height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subtree {
    /// How many levels lie below its root.
    pub height: u8,
    /// Which one of that height, counted from the left.
    pub index: u64,
}

/// The hash of a leaf whose bytes come in these pieces.
pub fn leaf_hash<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Hash {
    let mut hash = Sha256::new_with_prefix([0]);
    pieces.into_iter().for_each(|piece| hash.update(piece));
    hash.finalize().into()
}

/// The hash of the node above two.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new_with_prefix([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The root of these subtrees side by side, from left to right; of none: the hash of nothing.
fn root_of(subtrees: &[Hash]) -> Hash {
    let above = |right: Hash, left: &Hash| node_hash(left, &right);
    match subtrees.split_last() {
        Some((last, before)) => before.iter().rev().fold(*last, above),
        None => Sha256::digest([]).into(),
    }
}

/// What must be kept of a tree for it to grow: the roots of the perfect subtrees that it is made of, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    size: u64,
    roots: Roots,
}

impl Frontier {
    /// The frontier of a tree of `size` leaves with these roots; `None` if a tree of that size has another number of them.
    pub fn new(size: u64, roots: Vec<Hash>) -> Option<Frontier> {
        let fits = u32::try_from(roots.len()) == Ok(size.count_ones());
        fits.then_some(Frontier { size, roots: Roots(roots) })
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its perfect subtrees, the largest first.
    pub fn roots(&self) -> &[Hash] {
        &self.roots.0
    }

    /// Takes the next leaf; every perfect subtree that it completes is handed over, the leaf itself first.
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(Subtree, Hash)) {
        let (mut height, mut index, mut hash) = (0_u8, self.size, leaf);
        completed(Subtree { height, index }, hash);
        while index & 1 == 1 {
            let Some(left) = self.roots.0.pop() else { break };
            hash = node_hash(&left, &hash);
            (height, index) = (height.saturating_add(1), index >> 1);
            completed(Subtree { height, index }, hash);
        }
        self.roots.0.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// The root of the tree so far.
    pub fn root(&self) -> Hash {
        root_of(&self.roots.0)
    }
}

/// The hash of a perfect subtree, from wherever they are kept.
pub trait Subtrees {
    /// Why one can't be had.
    type Error;

    /// The hash of that subtree, all of whose leaves are there.
    fn hash(&mut self, of: Subtree) -> Result<Hash, Self::Error>;
}

/// The root of the leaves `from..to`, where `from` is a place at which RFC 6962 cuts.
fn range<S: Subtrees>(subtrees: &mut S, mut from: u64, to: u64) -> Result<Hash, S::Error> {
    let mut hashes = Vec::new();
    while let Some(height) = to.saturating_sub(from).checked_ilog2().and_then(|height| u8::try_from(height).ok()) {
        hashes.push(subtrees.hash(Subtree { height, index: from >> height })?);
        from = from.saturating_add(1 << height);
    }
    Ok(root_of(&hashes))
}

/// The root of the first `size` leaves.
pub fn root<S: Subtrees>(subtrees: &mut S, size: u64) -> Result<Hash, S::Error> {
    range(subtrees, 0, size)
}

/// Where RFC 6962 cuts `from..to`: the largest power of two below the number of leaves; `None` of a single leaf.
fn cut(from: u64, to: u64) -> Option<u64> {
    let height = to.saturating_sub(from).saturating_sub(1).checked_ilog2()?;
    Some(from.saturating_add(1 << height))
}

/// The inclusion proof of a leaf in the tree of the first `size` leaves (§2.1.1), from the leaf upwards.
pub fn inclusion<S: Subtrees>(subtrees: &mut S, leaf: u64, size: u64) -> Result<Vec<Hash>, S::Error> {
    let (mut from, mut to, mut path) = (0, size, Vec::new());
    while let Some(middle) = cut(from, to) {
        if leaf < middle {
            path.push(range(subtrees, middle, to)?);
            to = middle;
        } else {
            path.push(range(subtrees, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of the first `size` leaves begins with that of the first `older` (§2.1.2), 0 < `older` ≤ `size`.
pub fn consistency<S: Subtrees>(subtrees: &mut S, older: u64, size: u64) -> Result<Vec<Hash>, S::Error> {
    let (mut from, mut to, mut path) = (0, size, Vec::new());
    while let Some(middle) = cut(from, to).filter(|_| older != to) {
        if older <= middle {
            path.push(range(subtrees, middle, to)?);
            to = middle;
        } else {
            path.push(range(subtrees, from, middle)?);
            from = middle;
        }
    }
    // Whoever checks it knows the root of the older tree, but not of a part of it.
    if from > 0 {
        path.push(range(subtrees, from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// Hashes, stored as bytes in one piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Roots(Vec<Hash>);

impl Serialize for Roots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_flattened())
    }
}

impl<'de> Deserialize<'de> for Roots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Roots, D::Error> {
        let bytes = super::rows::RawBytes::deserialize(deserializer)?.0;
        match bytes.as_chunks() {
            (hashes, []) => Ok(Roots(hashes.to_vec())),
            _ => Err(de::Error::custom("roots that are no whole number of hashes")),
        }
    }
}
