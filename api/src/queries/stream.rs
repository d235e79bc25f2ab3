//! `GET /v1/stream`: what happens, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::access::Credential;
use crate::access::caller::Caller;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::streams::{Channel, accounts, no_id, open, read_channels, read_places};

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    Extension(credential): Extension<Credential>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let text = params.query("channels", |text| Ok::<_, Infallible>(text.to_owned())).unwrap_or_default();
    let channels = read_channels(&text).map_err(|detail| params.refuse("channels", detail)).ok();
    let channels = params.finish(channels)?;
    // One check for all: whoever may not read one of these accounts gets no stream.
    if accounts(&channels).any(|user| !caller.may_read_account(user)) {
        return Err(Problem::unknown_account());
    }
    let homes: Vec<_> = channels.iter().map(|channel: &Channel| channel.home(&ledger)).collect();
    let resumed = match headers.get("last-event-id").filter(|id| !id.is_empty()) {
        Some(id) => Some(id.to_str().ok().and_then(|id| read_places(&homes, id)).ok_or_else(no_id)?),
        None => None,
    };
    let users: Vec<_> = accounts(&channels).cloned().collect();
    let holds = move || credential.caller().is_some_and(|now| users.iter().all(|user| now.may_read_account(user)));
    open(&ledger, channels, resumed, Box::new(holds)).await
}
