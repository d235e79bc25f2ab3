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
    /// Since the start, by outcome.
    calls: [(&'static str, u64); 2],
    /// Nothing while the view has no rows.
    standing: Option<Standing>,
}

/// What the view says of them, and what their threads do.
#[derive(Debug)]
struct Standing {
    /// By state.
    states: [(&'static str, u64); STATES.len()],
    waiting: u64,
    dead_letters: u64,
}

impl OfWebhooks {
    /// As they are now.
    pub(super) fn of(ledger: &Ledger) -> OfWebhooks {
        let Calls { taken, failed } = &ledger.webhooks.calls;
        let calls =
            [("taken", taken), ("failed", failed)].map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)));
        OfWebhooks { calls, standing: Standing::of(ledger).ok() }
    }
}

impl Standing {
    fn of(ledger: &Ledger) -> Result<Standing, Error> {
        let mut all = Standing { states: STATES.map(|state| (state, 0)), waiting: 0, dead_letters: 0 };
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
pub(super) fn write(text: &mut Text<'_>, of: &OfWebhooks) -> fmt::Result {
    let OfWebhooks { calls, standing } = of;
    let states = standing.iter().flat_map(|all| all.states.iter());
    let states = states.map(|(state, count)| ([("state", *state)], number(*count)));
    text.gauges("orderledger_webhooks", "Webhooks that are in a state", states)?;
    let calls = calls.iter().map(|(outcome, count)| ([("outcome", *outcome)], *count));
    text.counters("orderledger_webhook_calls", "Calls of webhooks, by what became of them", calls)?;
    let one = |value: fn(&Standing) -> u64| standing.as_ref().map(|all| (NO_LABELS, number(value(all))));
    let help = "Deliveries to webhooks that wait or are on their way";
    text.gauges("orderledger_webhook_deliveries_waiting", help, one(|all| all.waiting))?;
    let help = "Deliveries to webhooks that were given up and not asked for again";
    text.gauges("orderledger_webhook_dead_letters", help, one(|all| all.dead_letters))
}
