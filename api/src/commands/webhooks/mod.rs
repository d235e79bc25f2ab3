//! Webhooks: registered, given another secret, told again, deleted.

pub(crate) mod delete;
pub(crate) mod register;
pub(crate) mod resend;
pub(crate) mod rotate;

use axum::http::StatusCode;
use orderledger_domain::position::Position;
use orderledger_projections::notifications::calls::{Asked, Call};
use orderledger_projections::notifications::queries;
use orderledger_projections::notifications::rows::WebhookRow;
use serde::Serialize;
use uuid::Uuid;

use crate::commands::said::key_reused;
use crate::http::answer::Written;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

/// The account that these keys belong to; no user is called so.
const WEBHOOKS: &str = "_webhooks";

/// What a webhook is, with its secret: shown to who registers it and who rotates it, and to nobody else.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    webhook_id: Uuid,
    url: String,
    /// None where it was made from another key than this server has: it would sign nothing.
    secret: Option<String>,
    secret_version: u32,
    position: Position,
}

impl Shown {
    /// As it is now, with where the call stands.
    fn of(ledger: &Ledger, id: Uuid, row: &WebhookRow, position: Position) -> Shown {
        let webhooks = &ledger.webhooks;
        let secret = || webhooks.key.secret(id, row.secret_version).text();
        Shown {
            webhook_id: id,
            url: row.url.clone(),
            secret: webhooks.knows_key_of(row).then(secret),
            secret_version: row.secret_version,
            position,
        }
    }
}

/// The webhook in the path of a call without other parameters.
fn webhook_of(mut params: Params) -> Result<Uuid, Problem> {
    let id = params.path("webhookId", Uuid::parse_str);
    params.finish(id)
}

/// The webhook as it is known, also a deleted one.
fn known(ledger: &Ledger, id: Uuid) -> Result<Option<WebhookRow>, Problem> {
    Ok(queries::webhook(&ledger.notifications.reader()?, id)?)
}

/// The same call, made before of that webhook; refused if it asked for something else then. Keys belong to all webhooks together.
fn before(ledger: &Ledger, event_id: Uuid, webhook: Uuid, asked: &Asked) -> Result<Option<Call>, Problem> {
    for (id, row) in queries::webhooks(&ledger.notifications.reader()?)? {
        match row.calls.find(event_id) {
            Some(call) if id == webhook && call.asked == *asked => return Ok(Some(call.clone())),
            Some(_) => return Err(key_reused()),
            // A registration gives the webhook its id, and is known as long as that.
            None if id == event_id => return Err(key_reused()),
            None => {}
        }
    }
    Ok(None)
}

fn written(status: StatusCode, position: Position, location: Option<String>, replayed: bool) -> Written {
    Written { status, position: position.to_string(), location, replayed, waited: false }
}
