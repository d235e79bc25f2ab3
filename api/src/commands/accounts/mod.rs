//! Writes to one account.

pub(crate) mod adjustments;
pub(crate) mod deposits;
pub(crate) mod notifications;
pub(crate) mod orders;
pub(crate) mod withdrawals;

use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::money::Amount;

use crate::http::fields::Fields;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::values;

/// The account in the path of a call without other parameters.
fn user_of(mut params: Params) -> Result<UserId, Problem> {
    let user = params.path("userId", values::account);
    params.finish(user)
}

/// The body of a deposit or withdrawal.
fn movement(text: &[u8]) -> Result<(Asset, Amount), Problem> {
    let mut fields = Fields::of(text)?;
    let asset = fields.required("asset", values::asset);
    let amount = fields.required("amount", values::amount);
    if asset.is_some_and(|asset| !asset.is_cash()) && amount.is_some_and(|amount| !amount.is_whole()) {
        fields.refuse("amount", "must be whole: shares are");
    }
    fields.finish(asset.zip(amount))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_movement_is_checked_field_by_field() {
        let check = |text: &str| movement(text.as_bytes()).map(|(asset, amount)| format!("{amount} {asset}"));
        assert_eq!(check(r#"{"asset":"USD","amount":"10000.00"}"#).unwrap(), "10000 USD");
        assert_eq!(check(r#"{"amount":100,"asset":"AAPL"}"#).unwrap(), "100 AAPL");
        for bad in [
            r#"{"asset":"AAPL","amount":"1.5"}"#,
            r#"{"asset":"USD","amount":0}"#,
            r#"{"asset":"USD","amount":"100000000000000.0001"}"#,
            r#"{"asset":"usd","amount":1}"#,
            r#"{"asset":"USD"}"#,
            r#"{"asset":"USD","amount":1,"note":""}"#,
            "[]",
            "null",
        ] {
            assert_eq!(check(bad).unwrap_err().status.as_u16(), 422, "{bad}");
        }
    }
}
