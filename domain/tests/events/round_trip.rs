//! Any event is read back as it was written, and written again to the same bytes.

use orderledger_domain::envelope;
use orderledger_domain::ids::{ClientOrderId, OrderId, Symbol, UserId, WithdrawalId};
use orderledger_domain::money::{Amount, BasisPoints, Price, Quantity};
use orderledger_domain::reason::{ExpireReason, RefuseReason, Rejection};
use orderledger_domain::strict;
use orderledger_domain::terms::{Liquidity, OrderType, Side, TimeInForce};
use orderledger_domain::timestamp::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use crate::every_event::Parts;

/// Names of 1 to 64 of these characters, the first not `_`.
fn name(alphabet: &'static str, longest: usize) -> impl Strategy<Value = String> {
    let characters: Vec<char> = alphabet.chars().collect();
    vec(select(characters), 1..=longest)
        .prop_map(|characters| characters.into_iter().collect::<String>())
        .prop_filter("a leading _ is the ledger's, USD is cash", |name| !name.starts_with('_') && name != "USD")
}

const PLAIN: &str = "AZaz09._-";

/// All magnitudes alike, not only the largest.
fn units(least: i128, most: i128) -> impl Strategy<Value = i128> {
    (0..=60_u32, least..=most).prop_map(move |(smaller, units)| (units >> smaller).max(least))
}

fn quantity() -> impl Strategy<Value = Quantity> {
    units(0, i128::from(Quantity::MAX.shares()))
        .prop_map(|shares| Quantity::new(u64::try_from(shares).unwrap()).unwrap())
}

fn amount() -> impl Strategy<Value = Amount> {
    units(0, Amount::MAX_MOVED.units()).prop_map(Amount::from_units)
}

fn bps() -> impl Strategy<Value = BasisPoints> {
    (0..=BasisPoints::MAX).prop_map(|rate| BasisPoints::new(rate).unwrap())
}

prop_compose! {
    fn names()(
        user in name(PLAIN, 64), other in name(PLAIN, 64), order in name(PLAIN, 64), symbol in name("AZ09.-", 16),
        client in option::of(name("!~\"\\a", 64)), withdrawal in option::of(name(PLAIN, 64)),
        text in ".{0,40}",
    ) -> Parts {
        Parts {
            user: UserId::new(&user).unwrap(),
            other_user: UserId::new(&other).unwrap(),
            order: OrderId::new(&order).unwrap(),
            symbol: Symbol::new(&symbol).unwrap(),
            client_order: client.map(|name| ClientOrderId::new(&name).unwrap()),
            withdrawal: withdrawal.map(|name| WithdrawalId::new(&name).unwrap()),
            text,
            ..Parts::golden()
        }
    }
}

prop_compose! {
    fn terms()(
        side in select(vec![Side::Buy, Side::Sell]),
        order_type in select(vec![OrderType::Limit, OrderType::Market]),
        time_in_force in select(vec![TimeInForce::Day, TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok]),
        post_only in any::<bool>(),
        liquidity in select(vec![Liquidity::Maker, Liquidity::Taker]),
        rejection in select(Rejection::ALL),
        expiry in select(ExpireReason::ALL),
        refusal in select(RefuseReason::ALL),
    ) -> Parts {
        Parts { side, order_type, time_in_force, post_only, liquidity, rejection, expiry, refusal, ..Parts::golden() }
    }
}

prop_compose! {
    pub(crate) fn parts()(
        names in names(), terms in terms(),
        price in option::of(units(1, i128::from(Price::MAX.units()))), quantity in quantity(), leaves in quantity(),
        amount in amount(), max_cost in option::of(amount()), maker in bps(), taker in bps(),
        id in any::<u128>(), offset in any::<u64>(),
    ) -> Parts {
        Parts {
            price: price.map(|units| Price::from_units(units).unwrap()),
            quantity,
            leaves,
            amount,
            max_cost,
            bps: (maker, taker),
            id: Uuid::from_u128(id),
            offset,
            user: names.user,
            other_user: names.other_user,
            order: names.order,
            symbol: names.symbol,
            client_order: names.client_order,
            withdrawal: names.withdrawal,
            text: names.text,
            ..terms
        }
    }
}

proptest! {
    #[test]
    fn any_event_survives_its_json(parts in parts(), micros in 0..253_402_300_800_000_000_i64) {
        let timestamp = Timestamp::from_micros(micros);
        for event in parts.every_event() {
            let value = parts.value(&event, timestamp);
            prop_assert_eq!(strict::check(Some(&value)), Ok(()));
            let read = envelope::read(Some(&value)).unwrap();
            prop_assert_eq!(envelope::read_any(std::str::from_utf8(&value).unwrap()), Ok(read.clone()));
            prop_assert_eq!(read.timestamp, timestamp);
            let again = parts.value(read.event.as_ref().unwrap(), read.timestamp);
            prop_assert_eq!(read.event.unwrap(), event);
            prop_assert_eq!(again, value);
        }
    }

    #[test]
    fn bytes_that_nobody_meant_never_panic(value in vec(any::<u8>(), 0..200)) {
        let _ = strict::check(Some(&value));
        let _ = envelope::read(Some(&value));
    }

    #[test]
    fn a_damaged_event_never_panics(parts in parts(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for event in parts.every_event() {
            let mut value = parts.value(&event, Timestamp::default());
            let at = at.index(value.len());
            value[at] = byte;
            let _ = strict::check(Some(&value));
            let read = envelope::read(Some(&value));
            if let Ok(text) = std::str::from_utf8(&value) {
                prop_assert_eq!(envelope::read_any(text), read);
            }
            value.truncate(at);
            prop_assert!(envelope::read(Some(&value)).is_err());
        }
    }
}
