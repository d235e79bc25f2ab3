//! The bytes of every row: another byte here means another schema number.

use orderledger_domain::event::{
    AccountAdjusted, Adjustment, Direction as Entry, EventType, FeeSchedule, SessionClose, WithdrawalDecided,
    WithdrawalRequested,
};
use orderledger_domain::ids::{ClientOrderId, WithdrawalId};
use orderledger_store::views::Direction;

use super::*;
use crate::settlement::rows::OrderEvent;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every row of a small day, `key value`.
fn rows(log: &Log) -> String {
    let mut text = String::new();
    for row in log.look().scan::<&[u8]>(.., Direction::Ascending) {
        let (key, value) = row.unwrap();
        text.push_str(&format!("{} {}\n", key.escape_ascii(), hex(&value)));
    }
    text
}

#[test]
fn rows_have_these_bytes_for_ever() {
    let mut log = Log::default();
    log.fund("b", "USD", "20000");
    log.fund("s", AAPL, "100");
    log.offset += 70_000;
    log.ask(Event::OrderCreated(limit("x", "x", Side::Buy, 1, "1")));
    log.answer(Event::FeeScheduleSet(FeeSchedule { maker_bps: bps(5), taker_bps: bps(10) }));
    let mut buy = limit("b", "b1", Side::Buy, 100, "150.25");
    buy.client_order_id = ClientOrderId::new("c-1").ok();
    log.place(&buy, "15040.025", (5, 10));
    let sell = limit("s", "s1", Side::Sell, 60, "150");
    log.place(&sell, "60", (5, 10));
    log.fill(&buy, "AAPL-1", (60, "150.25"), "4.5075", Liquidity::Maker, (60, 40));
    log.fill(&sell, "AAPL-1", (60, "150.25"), "9.015", Liquidity::Taker, (60, 0));
    log.ask_cancel(&buy);
    log.grant_cancel(&buy, 70_005);
    log.ask_amend(&buy, 110, "150.25");
    log.grant_amend(&buy, 110, "150.25", "1504.0025");
    let poor = limit("s", "s2", Side::Sell, 600, "150");
    log.ask(Event::OrderCreated(poor.clone()));
    let rejected = log.reject(&poor, Rejection::InsufficientShares);
    log.answer(rejected);
    let wanted = |name: &str| WithdrawalRequested {
        user_id: user("b"),
        asset: Asset::USD,
        amount: amount("1.5"),
        withdrawal_id: WithdrawalId::new(name).ok(),
    };
    log.ask(Event::WithdrawalRequested(wanted("w1")));
    log.answer(Event::AccountDebited(WithdrawalDecided {
        user_id: user("b"),
        withdrawal_id: WithdrawalId::new("w1").unwrap(),
        asset: Asset::USD,
        amount: amount("1.5"),
        request_id: Uuid::from_u128(1),
    }));
    let close = SessionClose { symbols: Some(vec![symbol()]) };
    let asked = Event::SessionCloseRequested(close.clone());
    log.ask_raw("_control", envelope::write_outside(Uuid::from_u128(2), log.time(), &asked, "test"));
    log.answer(Event::SessionClosed(close));
    let adjustment = Adjustment {
        user_id: user("b"),
        asset: Asset::USD,
        direction: Entry::Debit,
        amount: amount("0.5"),
        reason: "why".to_owned(),
        corrects: Some(HOME.offset(1)),
    };
    log.ask(Event::AdjustmentRequested(adjustment.clone()));
    log.answer(Event::AccountAdjusted(AccountAdjusted { adjustment, request_id: Uuid::from_u128(3) }));
    log.ask(Event::WithdrawalRequested(wanted("w2")));
    log.ask(Event::OrderCreated(limit("b", "b2", Side::Buy, 1, "1")));
    insta::assert_snapshot!(rows(&log), @r#"
    \x10b\x00 031043df6800010101fc7c11010002044141504cfc804f12000003555344fcc0711f04fcfaecf608
    \x10s\x00 034b877b7000010301fc7d11010002044141504cfc00350c000003555344fc9468bc0a00
    \x11b\x00\x00\x00\x00\x00\x00\x01\x11w 034a3142b80262310162044141504c000001006401fc48da2d000103632d31fc77110100023c28fcc8f02b07fc26600100fce028bf0a00050a01fc48da2d006efc32fcca01000000fd00505eeb98570c00fd007d8fec98570c00fc78110100fc8211010001fc7f11010001fc8111010004fc781101000601fc7711010000fc7c110100100000fc801101000901fc7f11010000fc821101000d01fc8111010000
    \x12s\x00\x00\x00\x00\x00\x00\x01\x11z 035416911b0273310173044141504c010001003c01fcc0c62d0000fc7a110100033c0000fc4cc0020000fce028bf0a050a00000000fd80ddb9eb98570c00fd80e6f6eb98570c00fc7b110100fc7d110100000002fc7b1101000601fc7a11010000fc7d110100100000
    \x12s\x00\x00\x00\x00\x00\x00\x01\x11\x84 032344a2330273320173044141504c01000100fb580201fcc0c62d0000fc84110100050000000000000000000000010001fd800aebec98570c00fd800aebec98570c00fc85110100fc85110100000001fc851101000701fc841101000101
    \x13b1\x00b\x00 03c16b5c1ffc77110100
    \x13s1\x00s\x00 039148a4b2fc7a110100
    \x13s2\x00s\x00 03640ee648fc84110100
    \x14b\x00\x00\x00\x00\x00\x00\x00\x00\x01 0379a677490c00f301fd8038e25178570c000000010003555344fc0084d71700fc78110100fd00505eeb98570c000102623100020003555344fcf3d9ed11020103555344fcf4d9ed1102fc7c110100fd0062d8eb98570c000102623101064141504c2d31050103555344fcdf28bf0a050103555344fc25600100060103555344fc25600100040003555344fc266001000400044141504cfc804f120005fc82110100fd007d8fec98570c000102623100020003555344fc31fcca01030103555344fc32fcca0103fc87110100fd801328ed98570c000000010003555344fb2f7501fc8c110100fd00aac0ed98570c000000010003555344fb0f2707
    \x14s\x00\x00\x00\x00\x00\x00\x00\x00\x03 038922a14106008203fd80411f5278570c0000000100044141504cfc80841e0000fc7b110100fd80ddb9eb98570c0001027331000200044141504cfc7f4f12000201044141504cfc804f120002fc7d110100fd80e6f6eb98570c000102733101064141504c2d310301044141504cfc7f4f1200050003555344fce028bf0a050003555344fc4bc0020006
    \x15b\x00\x00\x00\x00\x00\x00\x01\x11| 03702eecb001002bfc7c110100fd0062d8eb98570c00064141504c2d31026231044141504c0000fc48da2d003cfc2660010028
    \x15s\x00\x00\x00\x00\x00\x00\x01\x11} 03c21f0b1801002bfc7d110100fd80e6f6eb98570c00064141504c2d31027331044141504c0101fc48da2d003cfc4cc0020000
    \x16b\x00\x00\x00\x00\x00\x00\x01\x11\x86 03f8fa9278027731100000000000000000000000000000000103555344fb30750100fc86110100fc87110100fd801328ed98570c00fd801328ed98570c00
    \x17\x00\x00\x00\x00 03aec64a5f0602044141504c000203555344000303555344fc7220040004044141504cfc7f841e000403555344fccf0ed7170503555344fb1027
    \x18fees\x00\x00\x00\x00\x00 035ebd25d1050afc76110100
    \x18session\x00\x00\x00\x00\x00\x00\x01\x11\x89\x00\x00\x00\x00 03e4f3d98ffc8a110100fd00a183ed98570c000001044141504c
    \x1ab\x00\x00\x00\x00\x00\x00\x01\x11\x8f 0355195fa60262320162044141504c000001000101fb204e00fc8f11010000000100000000000000000000fd80371cee98570c00fd80371cee98570c00fc8f110100fc8f110100000000
    \x1bb\x00\x00\x00\x00\x00\x00\x01\x11\x8e 03658a77d4027732100000000000000000000000000001118f03555344fb30750000fc8e110100fc8e110100fd00b3fded98570c00fd00b3fded98570c00
    \x1cb\x00w1\x00 03db69c5c9fc86110100
    \x1db\x00c-1\x00\x00\x00\x00\x00\x00\x01\x11w 03412da0a5
    \x1eb\x00\x00\x00\x00\x00\x00\x01\x11\x8c 0358e67cbe100000000000000000000000000000000303555344fb0f270377687901000001000000fc8c110100fd00aac0ed98570c00
    "#);
}

#[test]
fn a_block_of_an_orders_events_has_these_bytes_for_ever() {
    let block = [
        OrderEvent { offset: 6, event_type: EventType::OrderAccepted, request: Some(5), rejected: None },
        OrderEvent {
            offset: 70_000,
            event_type: EventType::AmendRejected,
            request: Some(300),
            rejected: Some(Rejection::BelowFilled),
        },
    ];
    let frame = orderledger_store::codec::encode(SCHEMA, block.as_slice()).unwrap();
    insta::assert_snapshot!(hex(&frame), @"0363ed2c6c020606010500fc701101000f01fb2c010109");
}
