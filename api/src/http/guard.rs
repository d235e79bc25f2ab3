//! Who may make a call, decided in this one place, after routing and before any handler: who calls, how often, and whether
//! a role of the caller has such calls and, for a trader, such an account.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{self, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use orderledger_domain::ids::UserId;

use super::calls::calls;
use super::problem::Problem;
use super::routes::Method;
use crate::access::caller::Caller;
use crate::access::class::Class;
use crate::access::limits::{Allowance, Standing, Whose};
use crate::access::roles::Role;
use crate::access::{Access, Credential};

/// Where a call comes from; an extension of every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Lets the call through with its [`Caller`], or answers it.
pub(crate) async fn admit(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let method = method(&parts.method);
    let class = parts.extensions.get::<MatchedPath>().map(|matched| class_of(method, matched.as_str()));
    let (admitted, mut standing) = decide(&access, &mut parts, method, class).await;
    let mut allowance = None;
    let mut response = match admitted {
        Ok(caller) => {
            if class == Some(Class::Streams) {
                parts.extensions.insert(Credential::of(&access, &parts.headers));
            }
            if standing.is_some() && (method, class) == (Method::Post, Some(Class::Orders)) {
                let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
                let own = Allowance::new(&access, Whose::of(Some(&caller), peer));
                parts.extensions.insert(own.clone());
                allowance = Some(own);
            }
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => refused(problem),
    };
    if let Some(since) = allowance.as_ref().and_then(Allowance::standing) {
        standing = Some(since.clone());
    }
    if let Some(standing) = standing {
        standing.tell(&mut response);
    }
    if let (Some(class), false) = (class, response.headers().contains_key(header::CACHE_CONTROL))
        && !response.status().is_client_error()
    {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(class.cache_control()));
    }
    response
}

/// The caller, if the call is admitted, and how it stands with its limit.
async fn decide(
    access: &Access,
    parts: &mut Parts,
    method: Method,
    class: Option<Class>,
) -> (Result<Caller, Problem>, Option<Standing>) {
    if class == Some(Class::Open) {
        let caller = if access.asks() { Caller::nobody() } else { Caller::unrestricted() };
        return (Ok(caller), None);
    }
    let caller = access.caller(&parts.headers);
    let mut standing = None;
    if let Some(limits) = &access.limits {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let (taken, left) = limits.take(Whose::of(caller.as_ref().ok(), peer));
        standing = Some(left);
        if let Err(problem) = taken {
            return (Err(problem), standing);
        }
    }
    let admitted = match caller {
        Ok(caller) => may(&caller, parts, method, class).await.map(|()| caller),
        Err(problem) => Err(problem),
    };
    (admitted, standing)
}

/// Whether a role of the caller has such calls, and whether the account in the path is one it may know of. Where there is no
/// route, there is nothing to keep from anybody.
async fn may(caller: &Caller, parts: &mut Parts, method: Method, class: Option<Class>) -> Result<(), Problem> {
    let Some(class) = class else { return Ok(()) };
    let roles = caller.roles();
    if !class.admits(method, roles) {
        return Err(Problem::forbidden());
    }
    if class != Class::Account || roles.has(Role::Service) {
        return Ok(());
    }
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Problem::unknown_account())?;
    let named = params.iter().find(|(name, _)| *name == "userId").map(|(_, value)| value).unwrap_or_default();
    let may = match UserId::new(named) {
        Ok(user) if method == Method::Get => caller.may_read_account(&user),
        Ok(user) => caller.may_write_account(&user),
        // Who sees every account is told what is wrong with the name.
        Err(_) => caller.confined_to().is_none(),
    };
    // Nothing is looked up: another's account and one that doesn't exist go the same way.
    if may { Ok(()) } else { Err(Problem::unknown_account()) }
}

/// What kind of call that is. One that the table doesn't have is of the kind that follows from its method and path.
fn class_of(method: Method, path: &str) -> Class {
    static CLASSES: LazyLock<HashMap<&str, Vec<(Method, Class)>>> = LazyLock::new(|| {
        let mut classes: HashMap<&str, Vec<(Method, Class)>> = HashMap::new();
        for call in calls() {
            classes.entry(call.path).or_default().push((call.method, call.class));
        }
        classes
    });
    let known = CLASSES.get(path).and_then(|calls| calls.iter().find(|(of, _)| *of == method));
    known.map_or_else(|| Class::of(method, path), |(_, class)| *class)
}

fn refused(problem: Problem) -> Response {
    let challenge = match (problem.status, problem.code) {
        (StatusCode::UNAUTHORIZED, "credential-required") => Some("Bearer realm=\"orderledger\""),
        (StatusCode::UNAUTHORIZED, _) => Some("Bearer realm=\"orderledger\", error=\"invalid_token\""),
        (StatusCode::FORBIDDEN, _) => Some("Bearer realm=\"orderledger\", error=\"insufficient_scope\""),
        _ => None,
    };
    let mut response = problem.into_response();
    if let Some(challenge) = challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// HEAD is a GET without its body; what the table has no word for writes, as far as rights go.
fn method(method: &http::Method) -> Method {
    match *method {
        http::Method::GET | http::Method::HEAD => Method::Get,
        http::Method::PUT => Method::Put,
        http::Method::PATCH => Method::Patch,
        http::Method::DELETE => Method::Delete,
        _ => Method::Post,
    }
}
