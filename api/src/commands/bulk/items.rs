//! The items of a bulk call: each is read by itself, so that a bad one spoils none of the others.

use std::collections::BTreeSet;

use orderledger_domain::ids::UserId;
use serde_json::value::RawValue;

use crate::access::caller::Caller;
use crate::commands::accounts::orders::place::order;
use crate::commands::accounts::orders::placing::Placing;
use crate::http::fields::Fields;
use crate::http::headers::IdempotencyKey;
use crate::http::problem::{FieldError, Problem};
use crate::http::values::{self, Value};

/// The most items of one call.
const ITEMS_MAX: usize = 1000;

/// The items in their order: what shall be asked, or why an item can't be.
pub(super) struct Items(pub(super) Vec<Result<Placing, Problem>>);

impl Items {
    /// The items of a body. One without a key of its own gets one that follows from the call's key and its place. One of an
    /// account that the caller may not write to is answered as the single call would be.
    pub(super) fn of(text: &[u8], key: &IdempotencyKey, caller: &Caller) -> Result<Items, Problem> {
        let mut fields = Fields::of(text)?;
        let orders = fields.required("orders", orders);
        let orders = fields.finish(orders)?;
        let items = orders.iter().enumerate().map(|(index, raw)| {
            item(raw, &key.part(index), caller).map_err(|problem| problem.within(&format!("/orders/{index}")))
        });
        Ok(Items(items.collect()))
    }

    /// Every account that the call writes to.
    pub(super) fn accounts(&self) -> BTreeSet<&UserId> {
        self.0.iter().flatten().map(Placing::user).collect()
    }
}

fn orders(raw: &RawValue) -> Value<Vec<Box<RawValue>>> {
    let must = || format!("must be an array of 1 to {ITEMS_MAX} orders");
    let items: Vec<Box<RawValue>> = serde_json::from_str(raw.get()).map_err(|_| must())?;
    if (1..=ITEMS_MAX).contains(&items.len()) { Ok(items) } else { Err(must()) }
}

fn item(raw: &RawValue, key: &IdempotencyKey, caller: &Caller) -> Result<Placing, Problem> {
    if !raw.get().starts_with('{') {
        return Err(Problem::invalid(vec![FieldError::body("must be an object")]));
    }
    let mut fields = Fields::of(raw.get().as_bytes())?;
    let user = fields.required("userId", user_id);
    if user.as_ref().is_some_and(|user| !caller.may_write_account(user)) {
        return Err(Problem::unknown_account());
    }
    let own_key = fields.optional("idempotencyKey", idempotency_key);
    let key = own_key.as_ref().unwrap_or(key);
    let order_id = user.as_ref().and_then(|user| key.order_id(user.as_str()));
    Ok(Placing::new(key, order(fields, user.as_ref().zip(order_id.as_ref()))?))
}

fn user_id(raw: &RawValue) -> Value<UserId> {
    let text: String = serde_json::from_str(raw.get()).map_err(|_| "must be a string".to_owned())?;
    values::account(&text)
}

fn idempotency_key(raw: &RawValue) -> Value<IdempotencyKey> {
    let must = || "must be a string of 1 to 255 visible ASCII characters".to_owned();
    let text: String = serde_json::from_str(raw.get()).map_err(|_| must())?;
    IdempotencyKey::parse(&text).ok_or_else(must)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"userId":"u1","symbol":"AAPL","side":"buy","orderType":"limit","quantity":1,"price":"10""#;

    fn items(texts: &[String]) -> Result<Items, Problem> {
        let key = IdempotencyKey::parse("call").unwrap();
        Items::of(format!(r#"{{"orders":[{}]}}"#, texts.join(",")).as_bytes(), &key, &Caller::unrestricted())
    }

    fn good(rest: &str) -> String {
        format!("{GOOD}{rest}}}")
    }

    #[test]
    fn an_item_without_a_key_has_one_by_its_place_and_one_with_a_key_is_the_single_order() {
        let read = items(&[good(""), good(""), good(r#","idempotencyKey":"own""#)]).unwrap().0;
        let ids: Vec<_> = read.into_iter().map(|item| item.unwrap().event_id).collect();
        let own = IdempotencyKey::parse("own").unwrap().event_id("u1");
        assert!(ids[0] != ids[1] && ids[2] == own, "{ids:?}");
        assert_eq!(items(&[good("")]).unwrap().0.remove(0).unwrap().event_id, ids[0]);
    }

    #[test]
    fn a_bad_item_is_refused_with_pointers_into_the_body_and_the_others_stay() {
        let texts = [
            good(""),
            "7".to_owned(),
            good(r#","idempotencyKey":"a b""#),
            good(r#","note":1"#),
            r#"{"symbol":"AAPL"}"#.to_owned(),
        ];
        let read = items(&texts).unwrap();
        assert_eq!(read.accounts().len(), 1);
        let pointers: Vec<Vec<String>> =
            read.0.iter().map(|item| item.as_ref().err().map_or_else(Vec::new, pointers_of)).collect();
        let missing = ["userId", "side", "orderType", "quantity"].map(|field| format!("/orders/4/{field}"));
        let one = |pointer: &str| vec![pointer.to_owned()];
        assert_eq!(
            pointers,
            [vec![], one("/orders/1"), one("/orders/2/idempotencyKey"), one("/orders/3/note"), missing.to_vec()]
        );
        assert_eq!(read.0[3].as_ref().err().unwrap().detail, "/orders/3/note is no field of this call");
    }

    fn pointers_of(problem: &Problem) -> Vec<String> {
        problem.errors.iter().filter_map(|error| error.pointer.clone()).collect()
    }

    #[test]
    fn a_call_has_1_to_1000_items() {
        for (count, fits) in [(0, false), (1, true), (1000, true), (1001, false)] {
            assert_eq!(items(&vec![good(""); count]).is_ok(), fits, "{count}");
        }
        let key = IdempotencyKey::parse("call").unwrap();
        for bad in ["{}", r#"{"orders":null}"#, r#"{"orders":{}}"#, r#"{"orders":[],"more":1}"#, "[]"] {
            assert_eq!(
                Items::of(bad.as_bytes(), &key, &Caller::unrestricted()).err().unwrap().status.as_u16(),
                422,
                "{bad}"
            );
        }
    }
}
