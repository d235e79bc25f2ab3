//! docs/EVENTS.md is the contract of the log: every event and every reason stands there.

use orderledger_domain::event::EventType;
use orderledger_domain::reason::{ExpireReason, RefuseReason, Rejection};
use orderledger_domain::said::Said;

use crate::sources::Workspace;
use crate::{Outcome, Problem, found, none};

const PAGE: &str = "docs/EVENTS.md";

#[test]
fn every_event_and_every_reason_is_documented() -> Outcome {
    none(&missing(&Workspace::read()?));
    Ok(())
}

fn missing(workspace: &Workspace) -> Vec<Problem> {
    let page = workspace.text(PAGE).unwrap_or_default();
    let said: Vec<&str> = page.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    names().filter(|name| !said.contains(name)).map(|name| format!("{PAGE}: says nothing of `{name}`")).collect()
}

fn names() -> impl Iterator<Item = &'static str> {
    let events = EventType::ALL.iter().map(|event| event.as_str());
    let reject = Rejection::ALL.iter().map(|reason| reason.as_str());
    let expire = ExpireReason::ALL.iter().map(|reason| reason.as_str());
    let refuse = RefuseReason::ALL.iter().map(|reason| reason.as_str());
    let said = Said::TYPES.iter().map(|(name, _)| *name);
    events.chain(said).chain(reject).chain(expire).chain(refuse)
}

#[test]
fn the_rule_can_fail() {
    let all: String = names().map(|name| format!("`{name}` ")).collect();
    none(&found(missing, &[(PAGE, &all)]));
    let without = all.replace("`OrderFilled`", "`OrderFilled2`");
    assert_eq!(found(missing, &[(PAGE, &without)]), ["docs/EVENTS.md: says nothing of `OrderFilled`"]);
}
