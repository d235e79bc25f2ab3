//! Bytes that are read for ever: keys, and rows under their schema's version.

use bytes::Bytes;
use orderledger_domain::ids::{Symbol, UserId};
use orderledger_domain::money::{Amount, Price};
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Day;
use orderledger_store::codec;

use crate::analytics::Analytics;
use crate::analytics::rows::{self, AccountDay, Asked, MarketDay, Prices};
use crate::worker::fold::Fold;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_bytes_of_every_key_are_these_for_ever() {
    let day = Day::parse("2025-01-15").unwrap();
    let (user, symbol) = (UserId::new("u1").unwrap(), Symbol::new("A").unwrap());
    let hex = |bytes: Bytes| hex(&bytes);
    assert_eq!(hex(rows::day_key(day)), "408000000000004e87");
    assert_eq!(hex(rows::symbol_key(day, symbol)), "418000000000004e874100");
    assert_eq!(hex(rows::account_key(day, &user, Some(symbol))), "428000000000004e877531004100");
    assert_eq!(hex(rows::account_key(day, &user, None)), "428000000000004e8775310000");
}

#[test]
fn the_bytes_of_every_row_are_these_for_ever() {
    let price = |units: i128| Price::from_units(units).unwrap();
    let mut prices = Prices::first(price(10_000), Side::Buy);
    prices.take(price(9_000), Side::Sell);
    let asked = Asked { accepted: 300, rejected: 1, amends: 2, cancels: 3, quantity: 70_000 };
    let market = MarketDay {
        asked,
        accounts: 4,
        trades: 2,
        volume: 5,
        turnover: Amount::from_units(47_000),
        executed: 10,
        fees: Amount::from_units(12),
        prices: Some(prices),
    };
    let account = AccountDay {
        asked,
        movements: 1,
        fills: 2,
        maker_fills: 1,
        bought: 3,
        sold: 2,
        bought_for: Amount::from_units(30_000),
        sold_for: Amount::from_units(17_000),
        fees: Amount::from_units(6),
        places: Some((7, 900)),
    };
    let version = Analytics::SCHEMA;
    insta::assert_snapshot!(hex(&codec::encode(version, &market).unwrap()), @"019a140dc6fb2c01010203fc70110100040205fc306f01000a1801fb204efb204efb5046fb50460101fb204e01fb5046fbd00701");
    insta::assert_snapshot!(hex(&codec::encode(version, &account).unwrap()), @"01b042405efb2c01010203fc701101000102010302fb60eafbd0840c0107fb8403");
}
