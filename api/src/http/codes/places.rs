//! Which calls a code can come from.

use crate::access::class::Class;
use crate::http::export;
use crate::http::routes::{Call, Method};

/// Where a code can come.
#[derive(Clone, Copy)]
pub(crate) enum At {
    /// Any call.
    Every,
    /// Calls with a parameter in their path.
    Path,
    /// Calls that write.
    Writes,
    /// Calls that take a body, or refuse one.
    Bodies,
    /// Calls with `minPosition`.
    Positions,
    /// Calls whose path begins so.
    Below(&'static str),
    /// Calls about one account.
    Account,
    /// Calls that ask who calls, where credentials are configured.
    Asks,
    /// Lists that come in other forms too.
    Lists,
    /// These, and the log: what goes out whole.
    Whole,
    /// Only what no call answers for: the router and the connection.
    Edge,
}

impl At {
    /// Whether it can come from that call.
    pub(crate) fn can_come_from(self, call: &Call) -> bool {
        let writes = call.method != Method::Get;
        match self {
            At::Every => true,
            At::Path => call.path.contains('{'),
            At::Writes | At::Bodies => writes,
            At::Positions => call.query.contains(&"minPosition"),
            At::Below(path) => call.path.starts_with(path),
            At::Account => call.path.contains("{userId}"),
            At::Asks => call.class != Class::Open,
            At::Lists => export::CALLS.contains(&call.name),
            At::Whole => export::CALLS.contains(&call.name) || call.name == "logExport",
            At::Edge => false,
        }
    }
}
