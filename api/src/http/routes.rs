//! What a call is, and the router of all of them. The router and the OpenAPI document are both made from the table of `calls`.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::MethodRouter;

use super::calls::calls;
use super::{edge, guard};
use crate::access::Access;
use crate::access::class::Class;
use crate::ledger::Ledger;
use crate::queries::hot::{Hot, Rests, again};

/// How a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// One call: how it is made, what it takes and gives, who answers.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// Who may make it.
    pub(crate) class: Class,
    /// Its name in generated clients.
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// The parameters of the query.
    pub(crate) query: &'static [&'static str],
    /// The fields of the body; empty: none.
    pub(crate) body: &'static [&'static str],
    /// Whether it honours `Prefer`.
    pub(crate) waits: bool,
    /// The statuses of success.
    pub(crate) statuses: &'static [&'static str],
    /// The fields of the answer.
    pub(crate) answer: &'static [&'static str],
    /// What its answer rests on, if the same one may be given again.
    pub(super) hot: Option<Rests>,
    pub(super) handler: fn() -> MethodRouter<Arc<Ledger>>,
}

/// A call that reads.
pub(super) const fn read(
    path: &'static str,
    name: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    answer: &'static [&'static str],
    handler: fn() -> MethodRouter<Arc<Ledger>>,
) -> Call {
    let (method, body, statuses): (_, &[&str], &[&str]) = (Method::Get, &[], &["200"]);
    Call {
        method,
        path,
        class: Class::of(method, path),
        name,
        summary,
        query,
        body,
        waits: false,
        statuses,
        answer,
        hot: None,
        handler,
    }
}

/// A call that reads a few rows, and is made often.
pub(super) const fn hot(rests: Rests, call: Call) -> Call {
    Call { hot: Some(rests), ..call }
}

/// A call that writes.
pub(super) const fn write(
    (method, path): (Method, &'static str),
    name: &'static str,
    summary: &'static str,
    body: &'static [&'static str],
    statuses: &'static [&'static str],
    answer: &'static [&'static str],
    handler: fn() -> MethodRouter<Arc<Ledger>>,
) -> Call {
    // What may be decided later can be waited for: then it answers 200.
    let waits = statuses.len() > 1;
    Call {
        method,
        path,
        class: Class::of(method, path),
        name,
        summary,
        query: &[],
        body,
        waits,
        statuses,
        answer,
        hot: None,
        handler,
    }
}

/// The router of all calls; what it has no route for is a problem, too.
pub fn router(ledger: Arc<Ledger>, access: Arc<Access>) -> Router {
    let hot = Arc::new(Hot::default());
    let mut router = Router::new();
    for call in calls() {
        let mut handler = (call.handler)();
        if let Some(rests) = call.hot {
            handler = handler
                .route_layer(middleware::from_fn_with_state((Arc::clone(&ledger), Arc::clone(&hot), rests), again));
        }
        router = router.route(call.path, handler);
    }
    let not_found = || async { super::problem::Problem::of_status(axum::http::StatusCode::NOT_FOUND) };
    let guard = middleware::from_fn_with_state(access, guard::admit);
    router.fallback(not_found).layer(guard).layer(middleware::from_fn(edge::wrap)).with_state(ledger)
}
