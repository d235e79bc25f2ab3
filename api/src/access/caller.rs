//! Who calls, once that is known: every call that is answered has one.

use std::sync::{Arc, LazyLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use orderledger_domain::ids::UserId;

use super::roles::{Role, Roles};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::http::values;

/// Who calls. A handler takes it as an argument.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Who>);

#[derive(Debug)]
struct Who {
    roles: Roles,
    account: Option<UserId>,
    actor: Option<String>,
    id: String,
}

impl Caller {
    /// Every caller where no authentication is configured.
    pub(crate) fn unrestricted() -> Caller {
        static EVERYBODY: LazyLock<Caller> = LazyLock::new(|| {
            Caller(Arc::new(Who { roles: Roles::ALL, account: None, actor: None, id: String::new() }))
        });
        EVERYBODY.clone()
    }

    /// A caller of whom nothing is known, of a call that asks nobody.
    pub(crate) fn nobody() -> Caller {
        static NOBODY: LazyLock<Caller> = LazyLock::new(|| {
            Caller(Arc::new(Who { roles: Roles::NONE, account: None, actor: None, id: String::new() }))
        });
        NOBODY.clone()
    }

    /// Who has a credential: `id` tells it from all others, `actor` is what it is called in the log.
    pub(crate) fn known(roles: Roles, account: Option<UserId>, id: String, actor: String) -> Caller {
        Caller(Arc::new(Who { roles, account, actor: Some(actor), id }))
    }

    pub(crate) fn roles(&self) -> Roles {
        self.0.roles
    }

    /// What tells this credential from all others.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// Whom the log names as the one who decided; none where no credential is asked for.
    pub(crate) fn actor(&self) -> Option<&str> {
        self.0.actor.as_deref()
    }

    /// Whether the caller may see that account; if not, it is to it as an account that no event names.
    pub(crate) fn may_read_account(&self, user: &UserId) -> bool {
        self.0.roles.has_any(&[Role::Service, Role::Auditor]) || self.owns(user.as_str())
    }

    /// Whether the caller may write in that account's name.
    pub(crate) fn may_write_account(&self, user: &UserId) -> bool {
        self.0.roles.has(Role::Service) || self.owns(user.as_str())
    }

    /// Whether the caller is the trader whose account that is.
    fn owns(&self, user: &str) -> bool {
        self.0.roles.has(Role::Trader) && self.0.account.as_ref().is_some_and(|own| own.as_str() == user)
    }

    /// What the caller can see of all accounts: one, at most, or (none here) every one.
    pub(crate) fn confined_to(&self) -> Option<Option<&UserId>> {
        if self.0.roles.has_any(&[Role::Service, Role::Auditor]) {
            return None;
        }
        Some(self.0.account.as_ref().filter(|_| self.0.roles.has(Role::Trader)))
    }

    /// Who decides: the body's `actor`, unless the credential says who that is; a body can't claim to be somebody else.
    pub(crate) fn actor_of(&self, fields: &mut Fields<'_>, otherwise: &str) -> String {
        let said = fields.optional("actor", |raw| values::said(raw, 64));
        let Some(actor) = self.actor() else { return said.unwrap_or_else(|| otherwise.to_owned()) };
        if said.is_some_and(|said| said != actor) {
            fields.refuse("actor", &format!("must be left out, or be {actor}: the credential says who decides"));
        }
        actor.to_owned()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Problem> {
        // Without the guard there is no caller, and without a caller nothing is answered.
        parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::internal)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn caller(roles: &[Role], account: Option<&str>) -> Caller {
        Caller::known(roles.iter().copied().collect(), account.map(user), "id".to_owned(), "ann".to_owned())
    }

    #[test]
    fn a_trader_has_its_own_account_alone() {
        let trader = caller(&[Role::Trader], Some("u1"));
        assert!(trader.may_read_account(&user("u1")) && trader.may_write_account(&user("u1")));
        assert!(!trader.may_read_account(&user("u2")) && !trader.may_write_account(&user("u2")));
        assert_eq!(trader.confined_to(), Some(Some(&user("u1"))));
        // An account alone gives nothing.
        let operator = caller(&[Role::Operator], Some("u1"));
        assert!(!operator.may_read_account(&user("u1")));
        assert_eq!(operator.confined_to(), Some(None));
    }

    #[test]
    fn an_auditor_reads_any_account_and_writes_none_and_a_service_does_both() {
        let (auditor, service) = (caller(&[Role::Auditor], None), caller(&[Role::Trader, Role::Service], Some("u1")));
        assert!(auditor.may_read_account(&user("u2")) && !auditor.may_write_account(&user("u2")));
        assert!(service.may_read_account(&user("u2")) && service.may_write_account(&user("u2")));
        assert_eq!((auditor.confined_to(), service.confined_to()), (None, None));
    }

    #[test]
    fn nobody_decides_under_a_name_that_is_not_the_credentials() {
        let actor = |caller: &Caller, text: &str| {
            let mut fields = Fields::of(text.as_bytes()).unwrap();
            let actor = caller.actor_of(&mut fields, "operator");
            fields.finish(Some(actor))
        };
        let (ann, everybody) = (caller(&[Role::Operator], None), Caller::unrestricted());
        assert_eq!(actor(&ann, "{}").unwrap(), "ann");
        assert_eq!(actor(&ann, r#"{"actor":"ann"}"#).unwrap(), "ann");
        assert_eq!(actor(&ann, r#"{"actor":"bob"}"#).unwrap_err().status.as_u16(), 422);
        assert_eq!(actor(&everybody, r#"{"actor":"bob"}"#).unwrap(), "bob");
        assert_eq!(actor(&everybody, "{}").unwrap(), "operator");
    }
}
