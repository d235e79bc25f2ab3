//! What users are told, by user: where each event stands, and of which type it is.

use std::collections::{BTreeMap, VecDeque};

use orderledger_domain::event::EventType;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::Position;
use orderledger_store::Error;

use super::compare::missing;
use super::report::{Check, Report};
use super::rows::{NotificationRow, ViewRows};

/// All that users are told of in the log; a user's stand in one partition, in order.
#[derive(Debug, Default)]
pub(super) struct Inboxes(BTreeMap<UserId, VecDeque<(Position, EventType)>>);

impl Inboxes {
    pub(super) fn add(&mut self, at: Position, user: &UserId, of: EventType) {
        use EventType::{
            AccountAdjusted, AccountCredited, AccountDebited, AmendRejected, CancelRejected, OrderAmended,
            OrderCanceled, OrderExpired, OrderFilled, OrderRejected, WithdrawalRejected,
        };
        let is_told = matches!(
            of,
            AccountCredited
                | AccountDebited
                | WithdrawalRejected
                | OrderRejected
                | OrderCanceled
                | CancelRejected
                | OrderAmended
                | AmendRejected
                | OrderFilled
                | OrderExpired
                | AccountAdjusted
        );
        if is_told {
            self.0.entry(user.clone()).or_default().push_back((at, of));
        }
    }

    /// Compares them with the rows of the notifications view.
    pub(super) fn compare(mut self, rows: &dyn ViewRows, report: &mut Report) -> Result<(), Error> {
        for row in rows.notifications() {
            let NotificationRow { user, offset, event_type } = row?;
            let mut none = VecDeque::new();
            let told = self.0.get_mut(&user).unwrap_or(&mut none);
            while let Some((position, of)) = told.pop_front_if(|(position, _)| position.offset < offset) {
                missing(report, Check::Inboxes, format!("inbox of {user}"), format!("{} at {position}", of.as_str()));
            }
            let expected = told.pop_front_if(|(position, _)| position.offset == offset).map(|(_, of)| of);
            let text = |of: &Option<EventType>| of.map_or("nothing", EventType::as_str).to_owned();
            let at = format!("inbox of {user} at offset {offset}");
            report.compare(Check::Inboxes, at, &expected, &Some(event_type), text);
        }
        for (user, told) in self.0 {
            for (position, of) in told {
                missing(report, Check::Inboxes, format!("inbox of {user}"), format!("{} at {position}", of.as_str()));
            }
        }
        Ok(())
    }
}
