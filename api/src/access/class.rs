//! What kind of call a route is, and which roles may make it.

use super::roles::Role::{self, Auditor, Operator, Service, Trader};
use super::roles::Roles;
use crate::http::routes::Method;

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Probes and the documents of this program: nobody is asked who calls.
    Open,
    /// Prices, and the terms on which everybody trades: every role.
    Market,
    /// One account, which the path names.
    Account,
    /// Orders of accounts that the path doesn't name: the call looks only at what its caller may see.
    Orders,
    /// Channels that the query names: the call looks at each of them.
    Streams,
    /// The log itself.
    Audit,
    /// How the ledger is run.
    Operating,
}

impl Class {
    /// The class that follows from method and path. What nobody thought of is for operators.
    pub(crate) const fn of(method: Method, path: &str) -> Class {
        let path = path.as_bytes();
        let reads = matches!(method, Method::Get);
        if begins(path, b"/livez")
            || begins(path, b"/readyz")
            || begins(path, b"/openapi.json")
            || begins(path, b"/docs")
        {
            Class::Open
        } else if begins(path, b"/v1/markets/{symbol}/transactions") {
            // Records of everybody who named the symbol.
            Class::Audit
        } else if begins(path, b"/v1/markets")
            || begins(path, b"/v1/analytics/days")
            || begins(path, b"/v1/analytics/symbols")
            || begins(path, b"/v1/analytics/movers")
            || (reads && (begins(path, b"/v1/fees") || begins(path, b"/v1/sessions")))
        {
            Class::Market
        } else if !reads && begins(path, b"/v1/accounts/{userId}/adjustments") {
            // What an operator corrects no user may.
            Class::Operating
        } else if begins(path, b"/v1/analytics/export") {
            // Everybody's.
            Class::Audit
        } else if begins(path, b"/v1/accounts/{userId}") || begins(path, b"/v1/analytics/accounts/{userId}") {
            Class::Account
        } else if begins(path, b"/v1/orders") || begins(path, b"/v1/bulk/orders") {
            Class::Orders
        } else if begins(path, b"/v1/stream") && !begins(path, b"/v1/stream-key") {
            Class::Streams
        } else if begins(path, b"/v1/audit") {
            Class::Audit
        } else {
            Class::Operating
        }
    }

    /// Whether one of these roles may make such a call. Whose account it is is another question.
    pub(crate) fn admits(self, method: Method, roles: Roles) -> bool {
        let reads = method == Method::Get;
        let admitted: &[Role] = match self {
            Class::Open => return true,
            Class::Market | Class::Streams if reads => &Role::ALL,
            Class::Account | Class::Orders if reads => &[Trader, Service, Auditor],
            Class::Account | Class::Orders => &[Trader, Service],
            Class::Audit | Class::Operating if reads => &[Auditor, Operator],
            Class::Audit | Class::Operating | Class::Market | Class::Streams => &[Operator],
        };
        roles.has_any(admitted)
    }

    /// The roles that may make such a call.
    pub(crate) fn roles(self, method: Method) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.admits(method, [*role].into_iter().collect()))
    }

    /// What caches may do with an answer that doesn't say so itself.
    pub(crate) const fn cache_control(self) -> &'static str {
        match self {
            Class::Open | Class::Market => "no-cache",
            Class::Account | Class::Orders | Class::Streams | Class::Audit | Class::Operating => "no-store",
        }
    }
}

const fn begins(path: &[u8], with: &[u8]) -> bool {
    match (path, with) {
        (_, []) => true,
        ([a, path @ ..], [b, with @ ..]) if *a == *b => begins(path, with),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_follows_from_method_and_path() {
        for (method, path, expected) in [
            (Method::Get, "/livez", Class::Open),
            (Method::Get, "/docs/errors/{code}", Class::Open),
            (Method::Get, "/metrics", Class::Operating),
            (Method::Get, "/v1/markets/{symbol}/book", Class::Market),
            (Method::Get, "/v1/markets/{symbol}/transactions", Class::Audit),
            (Method::Get, "/v1/analytics/days", Class::Market),
            (Method::Get, "/v1/analytics/movers", Class::Market),
            (Method::Get, "/v1/analytics/accounts/{userId}", Class::Account),
            (Method::Get, "/v1/analytics/export/{kind}", Class::Audit),
            (Method::Get, "/v1/fees", Class::Market),
            (Method::Put, "/v1/fees", Class::Operating),
            (Method::Post, "/v1/accounts/{userId}/adjustments", Class::Operating),
            (Method::Get, "/v1/accounts/{userId}/adjustments", Class::Account),
            (Method::Get, "/v1/sessions", Class::Market),
            (Method::Post, "/v1/sessions/close", Class::Operating),
            (Method::Post, "/v1/accounts/{userId}/orders", Class::Account),
            (Method::Get, "/v1/orders/{orderId}/transactions", Class::Orders),
            (Method::Post, "/v1/bulk/orders", Class::Orders),
            (Method::Get, "/v1/stream", Class::Streams),
            (Method::Put, "/v1/stream-key", Class::Operating),
            (Method::Get, "/v1/audit/events/{topic}/{partition}/{offset}/proof", Class::Audit),
            (Method::Get, "/v1/parked", Class::Operating),
            (Method::Get, "/v1/what-nobody-thought-of", Class::Operating),
        ] {
            assert_eq!(Class::of(method, path), expected, "{method:?} {path}");
        }
    }

    #[test]
    fn a_role_may_what_it_is_for() {
        let may = |class: Class, method| class.roles(method).map(Role::as_str).collect::<Vec<_>>().join(" ");
        assert_eq!(may(Class::Market, Method::Get), "trader service auditor operator");
        assert_eq!(may(Class::Account, Method::Get), "trader service auditor");
        assert_eq!(may(Class::Account, Method::Post), "trader service");
        assert_eq!(may(Class::Audit, Method::Get), "auditor operator");
        assert_eq!(may(Class::Operating, Method::Get), "auditor operator");
        assert_eq!(may(Class::Operating, Method::Put), "operator");
        assert!(Class::Open.admits(Method::Get, Roles::NONE) && !Class::Market.admits(Method::Get, Roles::NONE));
    }
}
