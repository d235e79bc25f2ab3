//! What an operator asks: which record, what shall become of it, why, and who asks.

use orderledger_domain::entity::Entity;
use orderledger_domain::position::Position;
use orderledger_projections::parking::rows::Verdict;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::access::caller::Caller;
use crate::http::fields::Fields;
use crate::http::headers::IdempotencyKey;
use crate::http::problem::Problem;
use crate::http::values::{self, Value};

/// Whom a decision without a name is put down to.
const NOBODY: &str = "operator";
/// The account that operators' keys belong to.
const OPERATORS: &str = "_parked";

/// What an operator asks.
pub(super) struct Decision {
    pub(super) entity: Entity,
    pub(super) verdict: Verdict,
    pub(super) about: Position,
    pub(super) reason: String,
    pub(super) actor: String,
    pub(super) event_id: Uuid,
}

/// The fields of a decision's body; a discard must say why.
pub(super) fn decision_of(
    entity: Entity,
    verdict: Verdict,
    key: &IdempotencyKey,
    caller: &Caller,
    text: &[u8],
) -> Result<Decision, Problem> {
    let mut fields = Fields::of(text)?;
    let about = fields.required("position", position);
    let reason = match verdict {
        Verdict::Discarded => fields.required("reason", |raw| values::said(raw, 500)),
        Verdict::Retried => Some(fields.optional("reason", |raw| values::said(raw, 500)).unwrap_or_default()),
    };
    let actor = caller.actor_of(&mut fields, NOBODY);
    let (about, reason) = fields.finish(about.zip(reason))?;
    Ok(Decision { entity, verdict, about, reason, actor, event_id: key.event_id(OPERATORS) })
}

fn position(raw: &RawValue) -> Value<Position> {
    let must = || "must be the position of the first record that waits, as in orders-3@1842".to_owned();
    serde_json::from_str::<String>(raw.get()).map_err(|_| must())?.parse().map_err(|_| must())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_discard_says_which_record_and_why() {
        let key =
            IdempotencyKey::of(&[("idempotency-key".parse().unwrap(), "k".parse().unwrap())].into_iter().collect());
        let key = key.unwrap();
        let made = |verdict, text: &str| {
            decision_of("user:u1".parse().unwrap(), verdict, &key, &Caller::unrestricted(), text.as_bytes())
                .map(|made| (made.reason, made.actor))
        };
        let at = r#""position":"orders-3@17""#;
        assert_eq!(
            made(Verdict::Discarded, &format!(r#"{{{at},"reason":"wrong feed","actor":"ann"}}"#)).unwrap(),
            ("wrong feed".to_owned(), "ann".to_owned())
        );
        assert_eq!(made(Verdict::Retried, &format!("{{{at}}}")).unwrap(), (String::new(), NOBODY.to_owned()));
        for (verdict, text) in [
            (Verdict::Discarded, format!("{{{at}}}")),
            (Verdict::Discarded, format!(r#"{{{at},"reason":" "}}"#)),
            (Verdict::Retried, "{}".to_owned()),
            (Verdict::Retried, r#"{"position":17}"#.to_owned()),
            (Verdict::Retried, format!(r#"{{{at},"force":true}}"#)),
        ] {
            assert_eq!(made(verdict, &text).unwrap_err().status.as_u16(), 422, "{text}");
        }
    }
}
