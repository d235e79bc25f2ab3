//! What answers until the ledger is open, and hands over to its calls then.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::middleware;
use axum::response::Response;
use axum::routing::get;

use super::edge;
use super::problem::Problem;
use crate::access::Access;
use crate::ops::livez;

/// Answers calls: `livez` from the first moment, everything else with 503 and a reason until the ledger is open.
#[derive(Clone)]
pub struct Front {
    answering: Arc<ArcSwap<Router>>,
    closed: Arc<ArcSwap<Closed>>,
    access: Arc<Access>,
}

/// Why the ledger isn't open.
struct Closed {
    code: &'static str,
    /// What `readyz` says, for the operator.
    why: String,
}

impl Default for Front {
    fn default() -> Front {
        Front::with(Access::default())
    }
}

impl Front {
    /// One whose calls are for these callers, once they are the ledger's.
    pub fn with(access: Access) -> Front {
        let closed = Closed { code: "starting", why: "the ledger is being opened".to_owned() };
        let closed = Arc::new(ArcSwap::from_pointee(closed));
        let not_yet = |State(closed): State<Arc<ArcSwap<Closed>>>| async move { closed.load().to_callers() };
        let not_ready = |State(closed): State<Arc<ArcSwap<Closed>>>| async move { closed.load().to_operators() };
        let waiting = Router::new()
            .route("/livez", get(livez::get))
            .route("/readyz", get(not_ready))
            .fallback(not_yet)
            .method_not_allowed_fallback(not_yet)
            .layer(middleware::from_fn(edge::wrap))
            .with_state(Arc::clone(&closed));
        Front { answering: Arc::new(ArcSwap::from_pointee(waiting)), closed, access: Arc::new(access) }
    }

    /// Who may make its calls.
    pub(crate) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }

    /// The log can't be reached; `why` says which log and what is wrong.
    pub fn log_unreachable(&self, why: String) {
        self.closed.store(Arc::new(Closed { code: "log-unreachable", why }));
    }

    /// From now on these routes answer; calls that run end as they began.
    pub fn open(&self, router: Router) {
        self.answering.store(Arc::new(router));
    }

    /// What answers now.
    pub(super) fn router(&self) -> Router {
        Router::clone(&self.answering.load())
    }
}

impl Closed {
    fn to_operators(&self) -> Result<Response, Problem> {
        Err(Problem::unavailable(self.code, self.why.clone()))
    }

    /// Names of machines are no callers' business.
    fn to_callers(&self) -> Result<Response, Problem> {
        let detail = match self.code {
            "log-unreachable" => "the event log can't be reached yet; nothing was written",
            _ => "the ledger is being opened; nothing was written",
        };
        Err(Problem::unavailable(self.code, detail))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(front: &Front, method: &str, path: &str) -> Result<(StatusCode, String), Box<dyn std::error::Error>> {
        let request = Request::builder().method(method).uri(path).body(Body::empty())?;
        let answer = front.router().oneshot(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    #[tokio::test]
    async fn until_it_is_open_only_livez_says_yes() -> Result<(), Box<dyn std::error::Error>> {
        let front = Front::default();
        assert_eq!(ask(&front, "GET", "/livez").await?.0, StatusCode::OK);
        let calls =
            [("GET", "/readyz"), ("GET", "/v1/markets"), ("POST", "/v1/accounts/u/orders"), ("POST", "/readyz")];
        for (method, path) in calls {
            let (status, body) = ask(&front, method, path).await?;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{method} {path}");
            assert!(body.contains("/docs/errors/starting"), "{body}");
        }
        front.log_unreachable("no Kafka broker answers at b:9092".to_owned());
        let (_, body) = ask(&front, "GET", "/readyz").await?;
        assert!(body.contains("/docs/errors/log-unreachable") && body.contains("b:9092"), "{body}");
        let (_, body) = ask(&front, "GET", "/v1/markets").await?;
        assert!(body.contains("/docs/errors/log-unreachable") && !body.contains("b:9092"), "{body}");
        front.open(Router::new().route("/readyz", get(|| async { "ready" })));
        assert_eq!(ask(&front, "GET", "/readyz").await?, (StatusCode::OK, "ready".to_owned()));
        Ok(())
    }
}
