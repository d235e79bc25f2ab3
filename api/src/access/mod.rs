//! Who may: who calls, and what that caller may do.
//!
//! - `roles`, `class`: what a role may, and what a call is
//! - `caller`: who calls, once that is known
//! - `api_keys`, `key_ring`: keys in a file, of which only digests are kept
//! - `tokens`, `verifying_keys`, `signatures`: JSON Web Tokens, the keys they are verified with, and the verifying itself
//! - `limits`: how many calls a caller may make
//! - `watched`: files that are read again when they change

pub(crate) mod api_keys;
pub(crate) mod caller;
pub(crate) mod class;
pub(crate) mod key_ring;
pub(crate) mod limits;
pub(crate) mod roles;
pub(crate) mod tokens;
pub(crate) mod verifying_keys;
pub(crate) mod watched;

mod signatures;

use std::sync::Arc;

use axum::http::{HeaderMap, header};

use self::caller::Caller;
use self::key_ring::KeyRing;
use self::limits::Limits;
use self::tokens::Tokens;
use crate::http::problem::Problem;

/// What was configured of who may. Without keys and tokens every caller has all roles.
#[derive(Default)]
pub struct Access {
    pub(crate) keys: Option<KeyRing>,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) limits: Option<Limits>,
}

impl Access {
    /// Whether a credential is asked for.
    pub(crate) const fn asks(&self) -> bool {
        self.keys.is_some() || self.tokens.is_some()
    }

    /// Who calls with these headers; 401 if that can't be told.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if !self.asks() {
            return Ok(Caller::unrestricted());
        }
        let credential = bearer(headers)?;
        let caller = if credential.starts_with(api_keys::PREFIX) {
            self.keys.as_ref().and_then(|keys| keys.caller(credential))
        } else {
            self.tokens.as_ref().and_then(|tokens| tokens.caller(credential))
        };
        caller.ok_or_else(Problem::credential_invalid)
    }
}

/// What a call came with, for calls that last: whether it is still good can be asked again.
#[derive(Clone)]
pub(crate) struct Credential {
    access: Arc<Access>,
    headers: HeaderMap,
}

impl Credential {
    /// That of these headers.
    pub(crate) fn of(access: &Arc<Access>, headers: &HeaderMap) -> Credential {
        let given = headers.get_all(header::AUTHORIZATION).iter();
        let headers = given.map(|value| (header::AUTHORIZATION, value.clone())).collect();
        Credential { access: Arc::clone(access), headers }
    }

    /// Who calls with it, if it is still good.
    pub(crate) fn caller(&self) -> Option<Caller> {
        self.access.caller(&self.headers).ok()
    }
}

/// The one credential of the headers: `Authorization: Bearer …` (RFC 6750).
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (first, further) = (given.next(), given.next());
    let first = first.ok_or_else(Problem::credential_required)?;
    let text = if further.is_none() { first.to_str().ok() } else { None };
    let (scheme, credential) = text.and_then(|text| text.split_once(' ')).ok_or_else(Problem::credential_invalid)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(credential.trim()) } else { Err(Problem::credential_invalid()) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn a_credential_is_a_bearer_and_there_once() {
        assert_eq!(bearer(&headers(&["Bearer olk_x"])).unwrap(), "olk_x");
        assert_eq!(bearer(&headers(&["bearer  olk_x "])).unwrap(), "olk_x");
        assert_eq!(bearer(&headers(&[])).unwrap_err().code, "credential-required");
        for bad in [&["olk_x"][..], &["Basic dTpw"], &["Bearer"], &["Bearer a", "Bearer b"], &[""]] {
            assert_eq!(bearer(&headers(bad)).unwrap_err().code, "credential-invalid", "{bad:?}");
        }
    }

    #[test]
    fn without_configuration_every_caller_has_all_roles() {
        let caller = Access::default().caller(&headers(&["Bearer nonsense"])).unwrap();
        assert_eq!((caller.roles(), caller.actor()), (roles::Roles::ALL, None));
    }
}
