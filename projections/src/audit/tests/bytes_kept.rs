//! What goes in comes out, byte for byte.

use super::super::queries::{record, records};
use super::*;

type KeyValueHeaders<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, Vec<Header>);

fn check(records_in: &[KeyValueHeaders<'_>]) {
    let mut script = Script::default();
    let of = Topic::Orders.at(0);
    for (key, value, headers) in records_in {
        script.append(of, *key, *value, headers.clone());
    }
    let trail = Trail::of(&script.reads());
    let all: Vec<_> = records(&trail.reader(), of, 0).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(all.len(), records_in.len());
    for ((stored, (key, value, headers)), offset) in all.iter().zip(records_in).zip(0..) {
        assert_eq!((stored.key.as_deref(), stored.value.as_deref(), &stored.headers), (*key, *value, headers));
        assert_eq!(record(&trail.reader(), of.offset(offset)).unwrap().as_ref(), Some(stored));
    }
}

#[test]
fn null_empty_and_binary_keys_and_values_differ() {
    let binary: Vec<u8> = (0..=255).collect();
    let header = |name: &str, value: &'static [u8]| (name.to_owned(), Bytes::from_static(value));
    check(&[
        (None, None, vec![]),
        (Some(b""), None, vec![]),
        (None, Some(b""), vec![]),
        (Some(&binary), Some(&binary), vec![header("", b""), header("a", &[0xff]), header("a", b"twice")]),
        (Some(b"u1"), Some("{\"price\": 150.250, \"é\": 1e2}".as_bytes()), vec![]),
    ]);
}

#[test]
fn a_record_larger_than_a_block_is_kept_whole() {
    let noise: Vec<u8> = (0..1_u32 << 20).map(|at| at.wrapping_mul(0x9E37_79B9).to_le_bytes()[3]).collect();
    let zeros = vec![0; 1 << 20];
    check(&[
        (None, Some(b"a"), vec![]),
        (None, Some(&noise), vec![]),
        (None, Some(&zeros), vec![]),
        (None, None, vec![]),
    ]);
}

#[test]
fn rows_stay_small() {
    let noise: Vec<u8> = (0..1_u32 << 20).map(|at| at.wrapping_mul(0x9E37_79B9).to_le_bytes()[3]).collect();
    let mut script = Script::default();
    script.append(Topic::Orders.at(0), None, Some(&noise), Vec::new());
    let trail = Trail::of(&script.reads());
    for row in trail.reader().scan::<&[u8]>(.., orderledger_store::views::Direction::Ascending) {
        assert!(row.unwrap().1.len() < 16 << 10);
    }
}
