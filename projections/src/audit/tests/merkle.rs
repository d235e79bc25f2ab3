//! Trees and proofs against the vectors of certificate transparency, a naive tree, and verifiers written from RFC 6962.

use orderledger_domain::position::Topic;
use sha2::{Digest, Sha256};

use super::super::chain::{Chain, record_hash};
use super::super::merkle::{self, Frontier, Hash, Subtree, Subtrees, leaf_hash};
use super::super::queries::{Checkpoint, Unprovable, chain_heads, checkpoints, consistency, inclusion};
use super::*;

/// The leaves of certificate transparency's tests, and the roots of the trees of the first 0 to 8 of them.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// MTH of the RFC, word for word.
fn naive(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let k = (leaves.len() - 1).checked_ilog2().map_or(1, |height| 1 << height);
            let mut input = vec![1];
            input.extend(naive(&leaves[..k]));
            input.extend(naive(&leaves[k..]));
            Sha256::digest(input).into()
        }
    }
}

struct InMemory<'a>(&'a [Hash]);

impl Subtrees for InMemory<'_> {
    type Error = std::convert::Infallible;

    fn hash(&mut self, of: Subtree) -> Result<Hash, Self::Error> {
        let first = usize::try_from(of.index << of.height).unwrap();
        Ok(naive(&self.0[first..first + (1 << of.height)]))
    }
}

/// Whether the path leads from the leaf to the root (RFC 9162 §2.1.3.2, of the same trees).
pub(super) fn included(leaf: Hash, index: u64, size: u64, path: &[Hash], root: Hash) -> bool {
    let node = |left: &Hash, right: &Hash| naive(&[*left, *right]);
    let (mut fn_, mut sn, mut r) = (index, size - 1, leaf);
    for p in path {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            r = node(p, &r);
            while fn_ & 1 == 0 && fn_ != 0 {
                (fn_, sn) = (fn_ >> 1, sn >> 1);
            }
        } else {
            r = node(&r, p);
        }
        (fn_, sn) = (fn_ >> 1, sn >> 1);
    }
    sn == 0 && r == root
}

/// Whether the path leads to both roots (RFC 9162 §2.1.4.2).
fn goes_on((first, first_root): (u64, Hash), (second, second_root): (u64, Hash), path: &[Hash]) -> bool {
    let node = |left: &Hash, right: &Hash| naive(&[*left, *right]);
    if first == second {
        return path.is_empty() && first_root == second_root;
    }
    let mut path = path.to_vec();
    if first.is_power_of_two() {
        path.insert(0, first_root);
    }
    let (mut fn_, mut sn) = (first - 1, second - 1);
    while fn_ & 1 == 1 {
        (fn_, sn) = (fn_ >> 1, sn >> 1);
    }
    let Some((start, rest)) = path.split_first() else { return false };
    let (mut fr, mut sr) = (*start, *start);
    for c in rest {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            (fr, sr) = (node(c, &fr), node(c, &sr));
            while fn_ & 1 == 0 && fn_ != 0 {
                (fn_, sn) = (fn_ >> 1, sn >> 1);
            }
        } else {
            sr = node(&sr, c);
        }
        (fn_, sn) = (fn_ >> 1, sn >> 1);
    }
    sn == 0 && fr == first_root && sr == second_root
}

fn leaf(number: u32) -> Hash {
    leaf_hash([number.to_be_bytes().as_slice()])
}

#[test]
fn the_roots_are_those_of_certificate_transparency() {
    let mut tree = Frontier::default();
    let mut leaves = Vec::new();
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!((hex(&tree.root()), hex(&naive(&leaves))), ((*root).to_owned(), (*root).to_owned()), "{size}");
        if let Some(leaf) = LEAVES.get(size) {
            leaves.push(leaf_hash([bytes(leaf).as_slice()]));
            tree.push(leaves[size], |_, _| ());
        }
    }
}

#[test]
fn a_tree_that_grows_is_the_naive_tree_of_every_size() {
    let leaves: Vec<Hash> = (0..600).map(leaf).collect();
    let mut tree = Frontier::default();
    for size in 0..=leaves.len() {
        assert_eq!(tree.root(), naive(&leaves[..size]), "{size}");
        let again = Frontier::new(tree.size(), tree.roots().to_vec()).unwrap();
        assert_eq!(again, tree);
        let Some(next) = leaves.get(size) else { break };
        tree.push(*next, |subtree, hash| assert_eq!(InMemory(&leaves).hash(subtree).unwrap(), hash));
    }
    assert_eq!(Frontier::new(3, vec![leaf(0)]), None);
}

#[test]
fn proofs_convince_a_verifier_and_no_other_hash_does() {
    let leaves: Vec<Hash> = (0..70).map(leaf).collect();
    for size in 1..=70_u64 {
        let root = |size: u64| naive(&leaves[..usize::try_from(size).unwrap()]);
        for index in 0..size {
            let own = leaves[usize::try_from(index).unwrap()];
            let path = merkle::inclusion(&mut InMemory(&leaves), index, size).unwrap();
            assert!(included(own, index, size, &path, root(size)), "{index} in {size}");
            assert!(!included(leaf(99), index, size, &path, root(size)));
            assert!(!included(own, index + 1, size, &path, root(size)) || index + 1 == size && size == 1);
        }
        for older in 1..=size {
            let path = merkle::consistency(&mut InMemory(&leaves), older, size).unwrap();
            assert!(goes_on((older, root(older)), (size, root(size)), &path), "{older} to {size}");
            assert!(!goes_on((older, leaf(99)), (size, root(size)), &path));
        }
    }
}

/// One partition of 1,100 records with holes, nulls and a large one.
fn long_log() -> Script {
    let mut script = Script::default();
    let of = Topic::Trades.at(1);
    for number in 0..1_100_u32 {
        let value = vec![b'v'; if number % 300 == 7 { 60_000 } else { (number % 9) as usize }];
        let key = number.to_string();
        let key = (number % 7 != 0).then_some(key.as_bytes());
        script.append(of, key, (number % 11 != 0).then_some(&value), Vec::new());
        if number % 100 == 50 {
            script.skip(of, 3);
        }
    }
    script
}

#[test]
fn what_a_view_proves_is_what_the_log_holds() {
    let script = long_log();
    let (reads, of) = (script.reads(), Topic::Trades.at(1));
    let trail = Trail::of(&reads);
    let reader = trail.reader();
    let leaves: Vec<Hash> = reads.iter().map(|read| record_hash(read.key.as_deref(), read.value.as_deref())).collect();
    // What every head was, by the chain alone.
    let mut heads = Vec::new();
    let mut chain = Chain::default();
    for read in &reads {
        chain.take(read.position.offset, read.key.as_deref(), read.value.as_deref(), |_, _| ());
        let (size, root) = (chain.count(), chain.tree.root());
        heads.push(Checkpoint { of, size, last_offset: chain.last_offset, sha256: chain.sha256, root });
    }
    let newest = chain_heads(&reader).unwrap()[0];
    assert_eq!((newest.count, newest.root, newest.sha256), (1_100, naive(&leaves), chain.sha256));

    let listed = checkpoints(&reader, |_| true, None, 3).unwrap();
    assert_eq!(listed.checkpoints, [heads[255], heads[511], heads[767]]);
    let rest = checkpoints(&reader, |_| true, listed.next, 3).unwrap();
    assert_eq!((rest.checkpoints, rest.next), (vec![heads[1023]], None));

    for index in [0, 1, 6, 255, 256, 300, 511, 512, 1_023, 1_024, 1_098, 1_099] {
        for size in [None, Some(1_100), Some(1_024), Some(index + 1), Some(700)] {
            let position = reads[usize::try_from(index).unwrap()].position;
            let proof = inclusion(&reader, position, size).unwrap();
            if size.is_some_and(|size| size <= index) {
                assert_eq!(proof, Err(Unprovable::NotInTree(index)));
                continue;
            }
            let proof = proof.unwrap();
            let size = size.unwrap_or(1_100);
            assert_eq!(proof.checkpoint, heads[usize::try_from(size).unwrap() - 1]);
            assert_eq!((proof.leaf_index, proof.leaf_hash), (index, leaves[usize::try_from(index).unwrap()]));
            assert!(included(proof.leaf_hash, index, size, &proof.path, proof.checkpoint.root), "{index} in {size}");
        }
    }
    assert_eq!(inclusion(&reader, of.offset(51), None).unwrap(), Err(Unprovable::UnknownRecord), "a hole");
    assert_eq!(inclusion(&reader, of.offset(9_999), None).unwrap(), Err(Unprovable::UnknownRecord));
    assert_eq!(inclusion(&reader, of.offset(0), Some(1_101)).unwrap(), Err(Unprovable::Beyond(1_100)));
    for (from, to) in [(1, 1_100), (256, 1_024), (257, 1_099), (700, 700), (1_024, 1_100)] {
        let proof = consistency(&reader, of, from, Some(to)).unwrap().unwrap();
        let head = |size: u64| heads[usize::try_from(size).unwrap() - 1];
        assert_eq!((proof.from, proof.to), (head(from), head(to)));
        assert!(goes_on((from, head(from).root), (to, head(to).root), &proof.path), "{from} to {to}");
    }
}

#[test]
fn nodes_and_checkpoints_do_not_depend_on_batches_or_restarts() {
    let reads = long_log().reads();
    let whole = Trail::of(&reads).digest();
    for size in [1, 97, 256, 1_100] {
        let mut trail = Trail::new();
        for batch in reads.chunks(size) {
            trail.feed(batch);
            trail.reload();
        }
        assert_eq!(trail.digest(), whole, "{size}");
    }
}
