//! `POST /v1/webhooks`: tells an address of what happens from now on.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_projections::notifications::calls::Asked;
use orderledger_projections::notifications::queries;
use orderledger_projections::notifications::said::{Said, WebhookSet};
use orderledger_store::Error;

use super::{Shown, WEBHOOKS, before, known, written};
use crate::access::caller::Caller;
use crate::commands::said::{hears, key_reused, say};
use crate::http::fields::Fields;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{body, values};
use crate::ledger::{Ledger, blocking};
use crate::webhooks::{WEBHOOKS_MAX, check_url};

pub(crate) async fn post(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    params.finish(Some(()))?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let allow_private = ledger.webhooks.settings.allow_private;
    let mut fields = Fields::of(&text)?;
    let url = fields.required("url", |raw| {
        let url = values::said(raw, 2048)?;
        check_url(&url, allow_private).map(|()| url)
    });
    let user_id = fields.optional("userId", values::user_id);
    let event_types = fields.optional("eventTypes", values::event_types);
    let url = fields.finish(url)?;
    let _turn = ledger.webhooks.changes.lock().await;
    hears(&ledger)?;
    let id = key.event_id(WEBHOOKS);
    let location = Some(format!("/v1/webhooks/{id}"));
    if let Some(row) = known(&ledger, id)? {
        if row.is_deleted || (&row.url, &row.user_id, &row.event_types) != (&url, &user_id, &event_types) {
            return Err(key_reused());
        }
        let at = row.registered;
        return written(StatusCode::CREATED, at, location, true).answer(&Shown::of(&ledger, id, &row, at));
    }
    before(&ledger, id, id, &Asked::Register)?;
    let all = queries::webhooks(&ledger.notifications.reader()?)?;
    if all.iter().filter(|(_, row)| !row.is_deleted).count() >= WEBHOOKS_MAX {
        let detail = format!("there are {WEBHOOKS_MAX} webhooks, as many as may be; delete one first");
        return Err(Problem::new(StatusCode::CONFLICT, "too-many-webhooks", detail));
    }
    let set = WebhookSet {
        webhook_id: id,
        url,
        user_id,
        event_types,
        secret_version: 1,
        previous_until: None,
        earlier: Vec::new(),
        key_fingerprint: ledger.webhooks.key.fingerprint(),
        from: ends(&ledger).await?,
    };
    let at = say(&ledger, id, &Said::WebhookSet(set), caller.actor()).await?;
    let row = known(&ledger, id)?.ok_or_else(Problem::internal)?;
    written(StatusCode::CREATED, at, location, false).answer(&Shown::of(&ledger, id, &row, at))
}

/// The ends of `orders`: what stands there already is not told.
async fn ends(ledger: &Arc<Ledger>) -> Result<Vec<Position>, Problem> {
    let asking = Arc::clone(ledger);
    let all = move || {
        let end = |of: TopicPartition| Ok(of.offset(asking.log.end_offset(of)?));
        asking.all_of(Topic::Orders).map(end).collect::<Result<Vec<Position>, Error>>()
    };
    Ok(blocking(all).await?)
}
