//! Operators: they look at what is parked at some machine, have the program mended, and retry or discard.

use std::collections::BTreeMap;

use bytes::Bytes;
use orderledger_domain::envelope::write_outside;
use orderledger_domain::event::{Event, ParkedDecision};
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::market::Market;
use orderledger_projections::parking::queries::{Parked, decided, parked_entities};
use orderledger_projections::settlement::Settlement;
use orderledger_projections::worker::fold::Fold;
use orderledger_store::event_log::{Appender, AppenderKind, EventLog, NewRecord};
use orderledger_store::views::Direction;
use orderledger_tests::dice::Dice;
use uuid::Uuid;

use crate::log::SimLog;
use crate::machine::Machine;

/// After so many attempts in vain, first and retries, a record will never be applied.
const ATTEMPTS_MAX: u64 = 3;
/// At so many heads one look goes.
const HEADS_MAX: usize = 5;

/// A head of a projection.
type Head = (&'static str, Position);

pub(crate) struct Operator {
    appender: Box<dyn Appender>,
    /// What is never to be applied anywhere, by the newest decision about it that was known.
    discarded: BTreeMap<Head, (Uuid, Option<Position>)>,
    decided: u64,
}

impl Operator {
    pub(crate) fn new(log: &SimLog) -> Operator {
        let appender = log.appender(AppenderKind::Client).unwrap();
        Operator { appender, discarded: BTreeMap::new(), decided: 0 }
    }

    /// Whether some record will never be applied anywhere.
    pub(crate) fn has_discarded(&self) -> bool {
        !self.discarded.is_empty()
    }

    /// Looks at a machine, and decides about what is parked there.
    pub(crate) fn look(&mut self, machine: &Machine, log: &SimLog, dice: &mut Dice) {
        for (projection, view) in [(Settlement::NAME, &machine.views[0]), (Market::NAME, &machine.views[1])] {
            for parked in parked_entities(&view.reader().unwrap(), None, HEADS_MAX, Direction::Ascending).unwrap() {
                let after = decided(&view.reader().unwrap(), &parked.entity, parked.row.head).unwrap();
                self.decide((projection, parked.row.head), &parked, after, log, dice);
            }
        }
    }

    fn decide(&mut self, head: Head, parked: &Parked, after: Option<Position>, log: &SimLog, dice: &mut Dice) {
        if let Some((event_id, before)) = self.discarded.get(&head).copied() {
            // It is on its way, or was lost there; or another decision came first, so it must be made again.
            let event_id = if before == after {
                event_id
            } else {
                self.decided += 1;
                Uuid::from_u64_pair(11, self.decided)
            };
            self.discarded.insert(head, (event_id, after));
            return self.send(event_id, (head, after), parked, Event::ParkedDiscarded);
        }
        if parked.note.releasing {
            return;
        }
        let can_never_be = if log.is_poisoned(head.0, head.1) {
            let mended = dice.percent(70);
            if mended {
                log.mend(head.0, head.1);
            }
            !mended
        } else {
            // Not before the retries were heard: a record that one machine applies another must not discard.
            u64::from(parked.note.attempts) >= ATTEMPTS_MAX && dice.percent(50)
        };
        self.decided += 1;
        log.note(|| {
            let Parked { entity, row, note } = parked;
            format!("operator: {entity} at {head:?}, {row:?}, {note:?}: discard {can_never_be}")
        });
        let event_id = Uuid::from_u64_pair(11, self.decided);
        if can_never_be {
            self.discarded.insert(head, (event_id, after));
            self.send(event_id, (head, after), parked, Event::ParkedDiscarded);
        } else {
            self.send(event_id, (head, after), parked, Event::ParkedRetried);
        }
    }

    fn send(
        &self,
        event_id: Uuid,
        ((projection, position), after): (Head, Option<Position>),
        parked: &Parked,
        event: impl FnOnce(ParkedDecision) -> Event,
    ) {
        let event = event(ParkedDecision {
            projection: projection.to_owned(),
            position,
            reason: "simulated".to_owned(),
            actor: "operator".to_owned(),
            after,
        });
        let value = write_outside(event_id, Timestamp::from_millis(1_760_000_000_000), &event, "simulation");
        let record = NewRecord {
            to: Topic::DeadLetters.at(position.partition),
            key: Some(Bytes::from(parked.entity.to_string())),
            value: Some(Bytes::from(value)),
            headers: Vec::new(),
        };
        self.appender.append(vec![record], Box::new(drop)).unwrap();
    }
}
