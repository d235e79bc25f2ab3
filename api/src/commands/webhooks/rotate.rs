//! `POST /v1/webhooks/{webhookId}/rotate`: another secret; the one before signs for a day more, so that the receiver can take its
//! time.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_projections::notifications::calls::Asked;
use orderledger_projections::notifications::queries;
use orderledger_projections::notifications::said::{EarlierSecret, Said, WebhookSet};

use super::{Shown, WEBHOOKS, before, known, webhook_of, written};
use crate::access::caller::Caller;
use crate::commands::said::{hears, say};
use crate::http::body;
use crate::http::fields::Fields;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::{self, Ledger};
use crate::webhooks::{SECRETS_MAX, earlier_in_force};

/// For so long the secret before signs, too.
const BOTH_SECONDS: i64 = 24 * 3600;

pub(crate) async fn post(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let id = webhook_of(params)?;
    let text = body::json_or_none(&headers, request).await?;
    Fields::of(&text)?.finish(Some(()))?;
    let event_id = IdempotencyKey::of(&headers)?.event_id(WEBHOOKS);
    let _turn = ledger.webhooks.changes.lock().await;
    hears(&ledger)?;
    let row = known(&ledger, id)?.filter(|row| !row.is_deleted).ok_or_else(Problem::unknown_webhook)?;
    if let Some(call) = before(&ledger, event_id, id, &Asked::Rotate)? {
        return written(StatusCode::OK, call.at, None, true).answer(&Shown::of(&ledger, id, &row, call.at));
    }
    let key_fingerprint = ledger.webhooks.key.fingerprint();
    // What was signed with a key that is gone can't be signed any more.
    let has_before = ledger.webhooks.knows_key_of(&row);
    let now = ledger::now();
    let earlier = queries::earlier_secrets(&ledger.notifications.reader()?, id)?;
    // One stands in `previous_until`, and the newest signs anyway.
    let kept = earlier_in_force(&row, &earlier, now).take(if has_before { SECRETS_MAX.saturating_sub(2) } else { 0 });
    let earlier = kept.map(|(secret_version, until)| EarlierSecret { secret_version, until }).collect();
    let set = WebhookSet {
        webhook_id: id,
        url: row.url,
        user_id: row.user_id,
        event_types: row.event_types,
        secret_version: row.secret_version.saturating_add(1),
        previous_until: has_before.then(|| now.plus_seconds(BOTH_SECONDS)),
        earlier,
        key_fingerprint,
        from: row.from,
    };
    let at = say(&ledger, event_id, &Said::WebhookSet(set), caller.actor()).await?;
    let row = known(&ledger, id)?.ok_or_else(Problem::internal)?;
    written(StatusCode::OK, at, None, false).answer(&Shown::of(&ledger, id, &row, at))
}
