//! The bytes of keys and rows. Where one of these changes, [`Audit`]'s schema version must.

use orderledger_domain::event::EventType;
use orderledger_store::codec;
use orderledger_store::views::Direction;

use super::super::chain::Chain;
use super::super::merkle::Frontier;
use super::super::rows::{
    BlockHead, BlockPart, CheckpointRow, Head, ListBlock, RawBytes, TypeSet, type_number, type_of_number,
};
use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn rows_have_these_bytes() {
    let types = TypeSet::of_number(1);
    let head = BlockHead { count: 2, last_offset: 300, recorded_max: 1_000_000, types, raw_len: 70_000, parts: 1 };
    let block = BlockPart { head: Some(head), packed: RawBytes(b"lz4".to_vec()) };
    insta::assert_snapshot!(hex(&codec::encode(Audit::SCHEMA, &block).unwrap()), @"
0298c15fc10102fb2c01fc80841e0002fc7011010001036c7a34
");
    let part = BlockPart { head: None, packed: RawBytes(b"lz4".to_vec()) };
    insta::assert_snapshot!(hex(&codec::encode(Audit::SCHEMA, &part).unwrap()), @"029c5b4d1d00036c7a34");
    let list = ListBlock { first: 7, last: 300, count: 2, types, entries: RawBytes(vec![0, 1, 0xa5, 2, 1]) };
    insta::assert_snapshot!(hex(&codec::encode(Audit::SCHEMA, &list).unwrap()), @"
02e08a7e5a07fb2c010202050001a50201
");
    let tree = Frontier::new(3, vec![[0xcd; 32], [0xef; 32]]).unwrap();
    let head = Head { chain: Chain { last_offset: 300, sha256: [0xab; 32], tree }, recorded_max: 1_000_000 };
    insta::assert_snapshot!(hex(&codec::encode(Audit::SCHEMA, &head).unwrap()), @"
02eb6498e7fb2c01abababababababababababababababababababababababababababababababab0340cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefeffc80841e00
");
    let checkpoint = CheckpointRow { last_offset: 300, sha256: [0xab; 32], root: [0xcd; 32] };
    insta::assert_snapshot!(hex(&codec::encode(Audit::SCHEMA, &checkpoint).unwrap()), @"
026eaa107bfb2c01ababababababababababababababababababababababababababababababababcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
");
}

#[test]
fn a_small_log_makes_these_rows() {
    let mut script = Script { now_ms: 1_000, ..Script::default() };
    let (user, place) = (user(1), home(&user(1)));
    script.append(place, Some(b"u1"), Some(b"no envelope"), vec![("h".to_owned(), Bytes::from_static(b"v"))]);
    script.now_ms = 900;
    script.derived(Topic::Books.at(1), place, user.as_str(), &canceled(&user, order(1), symbol(1)));
    let trail = Trail::of(&script.reads());
    let rows = trail.reader().scan::<&[u8]>(.., Direction::Ascending);
    let rows: Vec<String> =
        rows.map(|row| row.map(|(key, value)| format!("{} {}", hex(&key), hex(&value))).unwrap()).collect();
    insta::assert_snapshot!(rows.join("\n"), @"
500000000000000000000000000000000000 02c9a7a70b010201fc80841e00fb0108fb740101fb5801f17b0000000375310c6e6f20656e76656c6f7065010168017601bf9a0c0b037531d3027b226576656e744964223a2261353464663437372d303135362d356663622d396435612d306661323566616264383233222c226576656e7454797065223a224f7264657243616e63656c6564222c2274696d657374616d70223a22313937302d30312d30315430303a0300f0052e3030315a222c227061796c6f6164223a7b226f4200017f00736f31222c2275730e0010750e00a073796d626f6c223a22530e0013636800f0075175616e74697479223a317d2c226d657461646174614d00f10e76657273696f6e223a22322e30222c22736f75726365223a22746573744200307573652900d1746f706963223a22626f6f6b73910041727469743b00f010312c226f6666736574223a302c22696e646578223a307d2c2273657175656e4f00b9312c2270726576223a22300100603030227d7d00
51007531000000000000ffffffffffffffff 023327b71a000102fb0108040000010b
51017531006f31000000000000ffffffffffffffff 02867075ec010101fb000802000b
51025331000000000000ffffffffffffffff 02867075ec010101fb000802000b
520000000000 02627664b1016e62072a7a6b6968afde4a5c35a2f65298e8cefa239f051e805fba50772cbc89022067c526116660defee7f2d6e25524a37e2445258f2ef2473bdc32992bb9a73fa9fc80841e00
");
}

#[test]
fn the_numbers_of_event_types_stay() {
    let numbers = EventType::ALL.iter().map(|of| format!("{} {}", type_number(Some(*of)), of.as_str()));
    insta::assert_snapshot!(numbers.collect::<Vec<_>>().join(", "), @"
1 DepositMade, 2 AccountCredited, 3 WithdrawalRequested, 4 AccountDebited, 5 WithdrawalRejected, 6 OrderCreated, 7 OrderAccepted, 8 OrderRejected, 9 OrderCancelRequested, 10 CancelAccepted, 11 OrderCanceled, 12 CancelRejected, 13 OrderAmendRequested, 14 AmendAccepted, 15 OrderAmended, 16 AmendRejected, 17 OrderFilled, 18 OrderExpired, 19 DuplicateIgnored, 20 RecordRefused, 21 TradeExecuted, 22 FeeScheduleRequested, 23 FeeScheduleSet, 24 RulesVersionRequested, 25 RulesVersionSet, 26 SessionCloseRequested, 27 SessionClosed, 28 EntityParked, 29 ParkedRetried, 30 ParkedDiscarded, 31 DifferenceAccepted, 32 OperatorActed, 33 StreamKeyRequested, 34 StreamKeySet, 35 StreamKeyTaken, 36 AdjustmentRequested, 37 AccountAdjusted, 38 AdjustmentRejected
");
    assert_eq!(type_number(None), 0);
    assert!(EventType::ALL.len() < 63, "a set of types has 64 bits");
    for of in EventType::ALL {
        assert_eq!(type_of_number(type_number(Some(*of))), Some(*of));
    }
    assert_eq!((type_of_number(0), type_of_number(200)), (None, None));
}
