//! Webhooks, all together: how many are in which state, what waits, and what was given up.

use std::fmt;
use std::sync::atomic::Ordering;

use orderledger_projections::notifications::queries;
use orderledger_store::Error;

use super::text::{NO_LABELS, Text, number};
use crate::ledger::Ledger;
use crate::webhooks::{Calls, STATES};

/// What is gathered of them.
#[derive(Debug)]
pub(super) struct OfWebhooks {
    /// By state.
    states: [(&'static str, u64); STATES.len()],
    waiting: u64,
    dead_letters: u64,
    calls: [(&'static str, u64); 2],
}

impl OfWebhooks {
    /// As they are now. Fails while the view has no rows.
    pub(super) fn of(ledger: &Ledger) -> Result<OfWebhooks, Error> {
        let Calls { taken, failed } = &ledger.webhooks.calls;
        let calls =
            [("taken", taken), ("failed", failed)].map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)));
        let mut all = OfWebhooks { states: STATES.map(|state| (state, 0)), waiting: 0, dead_letters: 0, calls };
        for (id, row) in queries::webhooks(&ledger.notifications.reader()?)? {
            if row.is_deleted {
                continue;
            }
            let standing = ledger.webhooks.standing(id);
            let is = standing.state(ledger.webhooks.knows_key_of(&row));
            for (state, count) in &mut all.states {
                *count = count.saturating_add(u64::from(*state == is));
            }
            all.waiting = all.waiting.saturating_add(u64::try_from(standing.waiting).unwrap_or(u64::MAX));
            all.dead_letters = all.dead_letters.saturating_add(row.dead_letters);
        }
        Ok(all)
    }
}

/// No sample where nothing is known.
pub(super) fn write(text: &mut Text<'_>, all: Option<&OfWebhooks>) -> fmt::Result {
    let states = all.into_iter().flat_map(|all| all.states.iter());
    let states = states.map(|(state, count)| ([("state", *state)], number(*count)));
    text.gauges("orderledger_webhooks", "Webhooks that are in a state", states)?;
    let calls = all.into_iter().flat_map(|all| all.calls.iter());
    let calls = calls.map(|(outcome, count)| ([("outcome", *outcome)], *count));
    text.counters("orderledger_webhook_calls", "Calls of webhooks, by what became of them", calls)?;
    let one = |value: fn(&OfWebhooks) -> u64| all.map(|all| (NO_LABELS, number(value(all))));
    let help = "Deliveries to webhooks that wait or are on their way";
    text.gauges("orderledger_webhook_deliveries_waiting", help, one(|all| all.waiting))?;
    let help = "Deliveries to webhooks that were given up and not asked for again";
    text.gauges("orderledger_webhook_dead_letters", help, one(|all| all.dead_letters))
}
