//! Webhooks: registered, given another secret, told again, deleted.

pub(crate) mod delete;
pub(crate) mod register;
pub(crate) mod resend;
pub(crate) mod rotate;

use axum::http::StatusCode;
use orderledger_domain::position::Position;
use orderledger_projections::notifications::queries;
use orderledger_projections::notifications::rows::WebhookRow;
use serde::Serialize;
use uuid::Uuid;

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
    secret: String,
    secret_version: u32,
    position: Position,
}

impl Shown {
    fn of(ledger: &Ledger, id: Uuid, row: &WebhookRow) -> Shown {
        Shown {
            webhook_id: id,
            url: row.url.clone(),
            secret: ledger.webhooks.key.secret(id, row.secret_version).text(),
            secret_version: row.secret_version,
            position: row.call.at,
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

fn written(status: StatusCode, position: Position, location: Option<String>, replayed: bool) -> Written {
    Written { status, position: position.to_string(), location, replayed, waited: false }
}
