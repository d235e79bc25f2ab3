//! Rows of views: any body under a right checksum is a row or corrupt, never a panic or a huge allocation; a row that was
//! read and is written again reads the same.

use std::fmt::Debug;

use orderledger_projections::parking::rows as parking;
use orderledger_projections::settlement::{blocks, rows as settlement};
use orderledger_projections::worker::partition::PartitionState;
use orderledger_projections::market::rows as market;
use orderledger_store::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub fn run(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    // As it comes: the frame must be found wrong, or right.
    let _ = codec::decode::<settlement::OrderRow>(1, data);
    let frame = framed(body);
    match kind % 12 {
        0 => round::<settlement::AccountRow>(&frame),
        1 => round::<settlement::OrderRow>(&frame),
        2 => round::<settlement::WithdrawalRow>(&frame),
        3 => round::<settlement::FeeScheduleRow>(&frame),
        4 => round::<blocks::BlockRow>(&frame),
        5 => round::<market::MarketRow>(&frame),
        6 => round::<PartitionState>(&frame),
        7 => round::<parking::ParkedRow>(&frame),
        8 => round::<parking::NoteRow>(&frame),
        9 => {
            if let Ok(block) = codec::decode::<parking::BlockRow>(1, &frame) {
                assert!(block.waiting(7).count() <= body.len());
            }
        }
        10 => round::<parking::DecisionRow>(&frame),
        _ => round::<settlement::AdjustmentRow>(&frame),
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&[1]), body);
    [&[1], &checksum.to_be_bytes()[..], body].concat()
}

fn round<T: Serialize + DeserializeOwned + Debug>(frame: &[u8]) {
    let Ok(row) = codec::decode::<T>(1, frame) else { return };
    let again = codec::encode(1, &row).expect("a row can be written");
    let again: T = codec::decode(1, &again).expect("what we write can be read");
    assert_eq!(format!("{row:?}"), format!("{again:?}"));
}
