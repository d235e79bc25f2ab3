//! One value of a request: numbers as strings or JSON numbers, exact, within API.md's bounds.

use orderledger_domain::decimal;
use orderledger_domain::event::{Direction, EventType};
use orderledger_domain::ids::{Asset, CANARY_SYMBOL, ClientOrderId, KeyId, Symbol, UserId, is_canary};
use orderledger_domain::money::{Amount, BasisPoints, Price, Quantity};
use orderledger_domain::position::Position;
use orderledger_domain::rules::Rules;
use orderledger_domain::terms::{OrderType, Side, TimeInForce};
use orderledger_projections::notifications::NOTIFIES;
use serde_json::value::RawValue;

/// What a value is, or what it must be.
pub(crate) type Value<T> = Result<T, String>;

const DECIMAL: &str = "with at most 4 decimals, as digits without sign, exponent, spaces or leading zeros";

fn text_of(raw: &RawValue) -> Value<String> {
    serde_json::from_str(raw.get()).map_err(|_| "must be a string".to_owned())
}

/// The digits of a number that is a string or a JSON number.
fn digits_of(raw: &RawValue, must: impl Fn() -> String) -> Value<String> {
    match raw.get().as_bytes().first() {
        Some(b'"') => text_of(raw).map_err(|_| must()),
        Some(byte) if byte.is_ascii_digit() => Ok(raw.get().to_owned()),
        _ => Err(must()),
    }
}

fn units_of(raw: &RawValue, must: impl Fn() -> String) -> Value<i128> {
    decimal::parse_units(&digits_of(raw, &must)?).map_err(|_| must())
}

/// A price: 0.0001 to 1,000,000.
pub(crate) fn price(raw: &RawValue) -> Value<Price> {
    let must = || format!("must be a number from 0.0001 to 1000000 {DECIMAL}");
    Price::from_units(units_of(raw, must)?).map_err(|_| must())
}

/// An amount that is moved: 0.0001 to 100,000,000,000,000.
pub(crate) fn amount(raw: &RawValue) -> Value<Amount> {
    let must = || format!("must be a number from 0.0001 to 100000000000000 {DECIMAL}");
    Amount::movable(units_of(raw, must)?).map_err(|_| must())
}

/// An amount with a sign: what is given, or, below zero, taken.
pub(crate) fn signed_amount(raw: &RawValue) -> Value<(Direction, Amount)> {
    let must =
        || format!("must be a number from 0.0001 to 100000000000000, or below zero as far, {DECIMAL}, but for a minus");
    let text = if raw.get().starts_with('"') { text_of(raw).map_err(|_| must())? } else { raw.get().to_owned() };
    let (direction, digits) =
        text.strip_prefix('-').map_or((Direction::Credit, text.as_str()), |digits| (Direction::Debit, digits));
    let units = decimal::parse_units(digits).map_err(|_| must())?;
    Ok((direction, Amount::movable(units).map_err(|_| must())?))
}

/// A quantity of whole shares: 1 to 100,000,000,000.
pub(crate) fn quantity(raw: &RawValue) -> Value<Quantity> {
    let must = || "must be a whole number from 1 to 100000000000, as digits without sign or leading zeros".to_owned();
    let whole = decimal::parse_digits(&digits_of(raw, must)?).map_err(|_| must())?;
    let quantity = u64::try_from(whole).ok().and_then(|shares| Quantity::new(shares).ok());
    quantity.filter(|quantity| !quantity.is_zero()).ok_or_else(must)
}

/// A fee rate: 0 to 1000 basis points.
pub(crate) fn basis_points(raw: &RawValue) -> Value<BasisPoints> {
    let must = || "must be a whole number from 0 to 1000".to_owned();
    let whole = decimal::parse_digits(&digits_of(raw, must)?).map_err(|_| must())?;
    u32::try_from(whole).ok().and_then(|rate| BasisPoints::new(rate).ok()).ok_or_else(must)
}

/// A version of the stages' rules that this program knows.
pub(crate) fn rules(raw: &RawValue) -> Value<Rules> {
    let must = || format!("must be a whole number from 1 to {}", Rules::NEWEST.version());
    let whole = decimal::parse_digits(&digits_of(raw, must)?).map_err(|_| must())?;
    u32::try_from(whole).ok().and_then(|version| Rules::try_from(version).ok()).ok_or_else(must)
}

/// The id of a stream key.
pub(crate) fn key_id(raw: &RawValue) -> Value<KeyId> {
    KeyId::new(&text_of(raw)?).map_err(|error| error.to_string())
}

/// An asset: `[A-Z0-9.-]{1,16}`.
pub(crate) fn asset(raw: &RawValue) -> Value<Asset> {
    Asset::new(&text_of(raw)?).map_err(|error| error.to_string())
}

/// A symbol: an asset that is not cash.
pub(crate) fn symbol(raw: &RawValue) -> Value<Symbol> {
    Symbol::new(&text_of(raw)?).map_err(|error| error.to_string())
}

/// A symbol that others than the ledger may trade.
pub(crate) fn traded(raw: &RawValue) -> Value<Symbol> {
    let is_ours = |symbol: &Symbol| symbol.as_str() == CANARY_SYMBOL;
    let refusal = || format!("must be another: in {CANARY_SYMBOL} the ledger's own canary trades alone");
    symbol(raw).and_then(|symbol| if is_ours(&symbol) { Err(refusal()) } else { Ok(symbol) })
}

/// Symbols, at least one; null: all.
pub(crate) fn symbols(raw: &RawValue) -> Value<Option<Vec<Symbol>>> {
    let must = || "must be an array of at least one symbol, or null for all".to_owned();
    let Some(texts) = serde_json::from_str::<Option<Vec<String>>>(raw.get()).map_err(|_| must())? else {
        return Ok(None);
    };
    let symbols: Result<Vec<Symbol>, _> = texts.iter().map(|text| Symbol::new(text)).collect();
    symbols.ok().filter(|symbols| !symbols.is_empty()).map(Some).ok_or_else(must)
}

/// The client's own name of an order: 1-64 visible ASCII characters.
pub(crate) fn client_order_id(raw: &RawValue) -> Value<ClientOrderId> {
    ClientOrderId::new(&text_of(raw)?).map_err(|error| error.to_string())
}

/// A user.
pub(crate) fn user_id(raw: &RawValue) -> Value<UserId> {
    UserId::new(&text_of(raw)?).map_err(|error| error.to_string())
}

/// An account that others than the ledger may write to, by its name alone.
pub(crate) fn account(name: &str) -> Value<UserId> {
    let user = UserId::new(name).map_err(|error| error.to_string())?;
    if is_canary(&user) {
        return Err("must be another: accounts ledger.canary-… are the ledger's own".to_owned());
    }
    Ok(user)
}

/// A position of the log.
pub(crate) fn position(raw: &RawValue) -> Value<Position> {
    text_of(raw)?.parse().map_err(|_| "must be a position, as in orders-3@1842".to_owned())
}

/// Event types that users are told of; none twice.
pub(crate) fn event_types(raw: &RawValue) -> Value<Vec<EventType>> {
    let names: Vec<String> = serde_json::from_str(raw.get()).map_err(|_| of_notifications())?;
    let types = names.iter().map(|name| notification_type(name)).collect::<Value<Vec<EventType>>>()?;
    let distinct = NOTIFIES.into_iter().filter(|of| types.contains(of)).count();
    if distinct == types.len() { Ok(types) } else { Err("must name each event type once".to_owned()) }
}

/// The same with commas between them.
pub(crate) fn notification_types(text: &str) -> Value<Vec<EventType>> {
    text.split(',').map(notification_type).collect()
}

fn notification_type(name: &str) -> Value<EventType> {
    NOTIFIES.into_iter().find(|of| of.as_str() == name).ok_or_else(of_notifications)
}

fn of_notifications() -> String {
    let names: Vec<&str> = NOTIFIES.iter().map(|of| of.as_str()).collect();
    format!("must be event types of {}", names.join(", "))
}

/// True or false.
pub(crate) fn boolean(raw: &RawValue) -> Value<bool> {
    serde_json::from_str(raw.get()).map_err(|_| "must be true or false".to_owned())
}

/// Buy or sell.
pub(crate) fn side(raw: &RawValue) -> Value<Side> {
    serde_json::from_str(raw.get()).map_err(|_| r#"must be "buy" or "sell""#.to_owned())
}

/// Limit or market.
pub(crate) fn order_type(raw: &RawValue) -> Value<OrderType> {
    serde_json::from_str(raw.get()).map_err(|_| r#"must be "limit" or "market""#.to_owned())
}

/// Day, gtc, ioc or fok.
pub(crate) fn time_in_force(raw: &RawValue) -> Value<TimeInForce> {
    serde_json::from_str(raw.get()).map_err(|_| r#"must be "day", "gtc", "ioc" or "fok""#.to_owned())
}

/// What an operator says: why, or who he is.
pub(crate) fn said(raw: &RawValue, characters_max: usize) -> Value<String> {
    let must = || format!("must be a text of 1 to {characters_max} characters");
    let text: String = serde_json::from_str(raw.get()).map_err(|_| must())?;
    let fits = !text.trim().is_empty() && text.chars().count() <= characters_max;
    if fits { Ok(text) } else { Err(must()) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_are_exact_and_within_bounds() {
        let units = |text| price(raw(text)).ok().map(Price::units);
        for text in ["150.25", "\"150.25\"", "\"150.2500\"", "150.2500"] {
            assert_eq!(units(text), Some(1_502_500), "{text}");
        }
        let bad = [
            "\"NaN\"",
            "\"-1\"",
            "-1",
            "\"0\"",
            "0",
            "\"1.23456\"",
            "\"1e3\"",
            "1e3",
            "1e400",
            "\"\"",
            "null",
            "[]",
            "{}",
            "true",
            "\"９\"",
            "\"99999999999999999999999\"",
            "\" 1\"",
            "\"1,0\"",
            "1000000.0001",
            "\"+1\"",
            "\"01\"",
            "\".5\"",
            "\"1.\"",
        ];
        for text in bad {
            assert_eq!(units(text), None, "{text}");
        }
        assert_eq!(units("1000000"), Some(Price::MAX.units()));
        assert_eq!(units("0.0001"), Some(1));
    }

    #[test]
    fn quantities_are_whole() {
        let shares = |text| quantity(raw(text)).ok().map(Quantity::shares);
        assert_eq!(shares("100"), Some(100));
        assert_eq!(shares("\"100000000000\""), Some(100_000_000_000));
        for text in [
            "0",
            "-1",
            "1.5",
            "1.0",
            "9223372036854775808",
            "18446744073709551616",
            "\"x\"",
            "null",
            "[]",
            "\"1.0000001\"",
            "100000000001",
        ] {
            assert_eq!(shares(text), None, "{text}");
        }
    }

    #[test]
    fn names_keep_their_character_sets() {
        for text in
            ["\"\"", "\"AAAAAAAAAAAAAAAAA\"", "\"a\\u0000b\"", "\"../x\"", "null", "5", "\"AAPL\\n\"", "\"USD\""]
        {
            assert!(symbol(raw(text)).is_err(), "{text}");
        }
        assert!(symbol(raw("\"BRK.B\"")).is_ok());
        assert!(client_order_id(raw("\"\\u202e\"")).is_err());
        assert!(side(raw("\"BUY \"")).is_err() && side(raw("1")).is_err() && side(raw("null")).is_err());
        assert!(order_type(raw("\"stopp\"")).is_err() && time_in_force(raw("\"never\"")).is_err());
        assert!(symbols(raw("[]")).is_err() && symbols(raw("[\"a\"]")).is_err());
        assert_eq!(symbols(raw("null")), Ok(None));
    }
}
