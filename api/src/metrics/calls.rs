//! Calls, counted by route, method and kind of status. All places are there from the start: one for every route of the table,
//! one for all paths without a route; a caller makes none.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};

use super::histogram::Histogram;
use super::text::Text;
use crate::http::calls::calls;

/// The label of all paths that have no route.
const NO_ROUTE: &str = "none";
/// The methods that are told apart; all others are one.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The calls of one route by one method.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    by_status: [AtomicU64; STATUSES.len()],
    took: Histogram,
}

impl Seen {
    /// One was answered. What it took is the time to the answer's head: a stream or an export goes on after it.
    pub(crate) fn count(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.by_status.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.took.observe(took);
    }
}

type OfRoute = [Seen; METHODS.len()];

/// The places of all calls.
struct Calls {
    by_route: HashMap<&'static str, OfRoute>,
    elsewhere: OfRoute,
}

static SEEN: LazyLock<Calls> = LazyLock::new(|| {
    let by_route = calls().map(|call| (call.path, OfRoute::default())).collect();
    Calls { by_route, elsewhere: OfRoute::default() }
});

/// Where a call is counted, by the template of its route, if it has one.
pub(crate) fn seen(method: &Method, route: Option<&str>) -> &'static Seen {
    let calls = &*SEEN;
    let of_route = route.and_then(|route| calls.by_route.get(route)).unwrap_or(&calls.elsewhere);
    let [get, head, post, put, patch, delete, options, other] = of_route;
    match *method {
        Method::GET => get,
        Method::HEAD => head,
        Method::POST => post,
        Method::PUT => put,
        Method::PATCH => patch,
        Method::DELETE => delete,
        Method::OPTIONS => options,
        _ => other,
    }
}

/// Writes what was counted so far; of routes that were never called nothing.
pub(super) fn write(text: &mut Text<'_>) -> fmt::Result {
    let calls = &*SEEN;
    let mut routes: Vec<(&str, &OfRoute)> = calls.by_route.iter().map(|(route, of)| (*route, of)).collect();
    routes.push((NO_ROUTE, &calls.elsewhere));
    routes.sort_by_key(|(route, _)| *route);
    let (mut requests, mut durations) = (Vec::new(), Vec::new());
    for (route, of_route) in routes {
        for (method, seen) in METHODS.iter().zip(of_route) {
            let counted = seen.took.counted();
            if counted.count > 0 {
                durations.push(([("route", route), ("method", *method)], counted));
            }
            for (status, count) in STATUSES.iter().zip(&seen.by_status) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    requests.push(([("route", route), ("method", *method), ("status", *status)], count));
                }
            }
        }
    }
    text.counters("orderledger_http_requests", "Calls answered, by route, method and kind of status", requests)?;
    let help = "From a call's head to its answer's head; streams and exports go on after it";
    text.histograms("orderledger_http_request_duration_seconds", help, durations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_makes_up_is_counted_in_one_place() {
        let at = |method: &str, route| {
            std::ptr::from_ref(seen(&Method::from_bytes(method.as_bytes()).unwrap_or_default(), route))
        };
        assert_eq!(at("BREW", None), at("MAKE-UP", Some("/not/of/the/table")));
        assert_eq!(at("GET", None), at("GET", Some("/v1/accounts/u1/orders")));
        assert_ne!(at("GET", None), at("GET", Some("/livez")));
        assert_ne!(at("HEAD", Some("/livez")), at("GET", Some("/livez")));
    }
}
