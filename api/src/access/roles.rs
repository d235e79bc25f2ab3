//! Roles: what a credential is for. One may have several.

use std::fmt;
use std::str::FromStr;

/// What a credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Role {
    /// Its own account, markets, streams of its own.
    Trader = 1,
    /// Writes and reads any account.
    Service = 2,
    /// Reads everything.
    Auditor = 4,
    /// Operating calls and the audit trail.
    Operator = 8,
}

impl Role {
    pub(crate) const ALL: [Role; 4] = [Role::Trader, Role::Service, Role::Auditor, Role::Operator];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Role::Trader => "trader",
            Role::Service => "service",
            Role::Auditor => "auditor",
            Role::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Role, &'static str> {
        let named = Role::ALL.into_iter().find(|role| role.as_str() == text);
        named.ok_or("a role is trader, service, auditor or operator")
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roles(u8);

impl Roles {
    pub(crate) const NONE: Roles = Roles(0);
    pub(crate) const ALL: Roles = Roles(0b1111);

    pub(crate) const fn has(self, role: Role) -> bool {
        self.0 & role as u8 != 0
    }

    /// Whether one of these is among them.
    pub(crate) fn has_any(self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.has(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Roles {
        Roles(roles.into_iter().fold(0, |all, role| all | role as u8))
    }
}
