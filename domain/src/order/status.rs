//! An order's status and what may follow it: the state machine.

use serde::{Deserialize, Serialize};

/// An order's status (FIX tag 39).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Asked, not yet judged.
    PendingNew,
    /// Reserved and on its way to the book, or resting in it.
    New,
    /// Partly filled and still open.
    PartiallyFilled,
    /// Filled whole.
    Filled,
    /// Canceled by its user.
    Canceled,
    /// Not granted.
    Rejected,
    /// Ended by its own rule.
    Expired,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 7] = [
        Status::PendingNew,
        Status::New,
        Status::PartiallyFilled,
        Status::Filled,
        Status::Canceled,
        Status::Rejected,
        Status::Expired,
    ];

    /// The status as it stands in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::PendingNew => "pending_new",
            Status::New => "new",
            Status::PartiallyFilled => "partially_filled",
            Status::Filled => "filled",
            Status::Canceled => "canceled",
            Status::Rejected => "rejected",
            Status::Expired => "expired",
        }
    }

    /// Whether the order can still trade.
    pub const fn is_open(self) -> bool {
        matches!(self, Status::PendingNew | Status::New | Status::PartiallyFilled)
    }

    /// The status after a step, or why the step can't follow it.
    pub fn after(self, step: Step) -> Result<Status, Unexpected> {
        use Status::{Canceled, Expired, Filled, New, PartiallyFilled, PendingNew, Rejected};
        match (self, step) {
            (PendingNew, Step::Accepted) => Ok(New),
            (PendingNew | New, Step::Rejected) => Ok(Rejected),
            (New | PartiallyFilled, Step::Filled) => Ok(PartiallyFilled),
            (New | PartiallyFilled, Step::FilledWhole) => Ok(Filled),
            (New | PartiallyFilled, Step::Canceled) => Ok(Canceled),
            (New | PartiallyFilled, Step::Expired) => Ok(Expired),
            (New | PartiallyFilled, Step::Amended) => Ok(self),
            // Requests are granted before the book is asked, and answered after it may have closed the order.
            (PendingNew, Step::RequestAccepted) => Err(Unexpected::Step(self, step)),
            (_, Step::RequestAccepted | Step::RequestRejected) => Ok(self),
            _ => Err(Unexpected::Step(self, step)),
        }
    }
}

/// What can happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// OrderAccepted.
    Accepted,
    /// OrderRejected.
    Rejected,
    /// OrderFilled with shares still open.
    Filled,
    /// OrderFilled with none left.
    FilledWhole,
    /// OrderCanceled.
    Canceled,
    /// OrderExpired.
    Expired,
    /// CancelAccepted, AmendAccepted.
    RequestAccepted,
    /// CancelRejected, AmendRejected.
    RequestRejected,
    /// OrderAmended.
    Amended,
}

impl Step {
    /// Every step.
    pub const ALL: [Step; 9] = [
        Step::Accepted,
        Step::Rejected,
        Step::Filled,
        Step::FilledWhole,
        Step::Canceled,
        Step::Expired,
        Step::RequestAccepted,
        Step::RequestRejected,
        Step::Amended,
    ];
}

/// The log says something that the rules can't have caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unexpected {
    /// A step that can't follow the status.
    #[error("an order that is {0:?} can't be {1:?}")]
    Step(Status, Step),
    /// A fill of more shares than are open.
    #[error("a fill of more shares than the order has open")]
    Overfilled,
    /// The fee, the cumulative or the open quantity differs from the rule's.
    #[error("a fill's fee or quantities differ from what the rules give")]
    FillDiffers,
    /// More is spent or kept than is held.
    #[error("more is spent or kept than the order holds")]
    Overspent,
    /// An answer to an amend that is not pending.
    #[error("an answer to an amend that is not pending")]
    NoSuchAmend,
    /// An accepted order without a price that needs one.
    #[error("a limit order without a price")]
    NoPrice,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_allowed_or_refused_as_this_table_says() {
        // Rows: statuses; columns: the steps of Step::ALL. '.' is refused, '=' keeps the status.
        let table = [
            (Status::PendingNew, "N R . . . . . = ."),
            (Status::New, ". R P F C E = = ="),
            (Status::PartiallyFilled, ". . P F C E = = ="),
            (Status::Filled, ". . . . . . = = ."),
            (Status::Canceled, ". . . . . . = = ."),
            (Status::Rejected, ". . . . . . = = ."),
            (Status::Expired, ". . . . . . = = ."),
        ];
        for (status, row) in table {
            for (step, cell) in Step::ALL.into_iter().zip(row.split(' ')) {
                let expected = match cell {
                    "." => Err(Unexpected::Step(status, step)),
                    "=" => Ok(status),
                    "N" => Ok(Status::New),
                    "R" => Ok(Status::Rejected),
                    "P" => Ok(Status::PartiallyFilled),
                    "F" => Ok(Status::Filled),
                    "C" => Ok(Status::Canceled),
                    _ => Ok(Status::Expired),
                };
                assert_eq!(status.after(step), expected, "{status:?} {step:?}");
            }
        }
    }

    #[test]
    fn a_status_is_named_as_in_json_and_open_while_shares_are() {
        for (status, name, is_open) in [
            (Status::PendingNew, "pending_new", true),
            (Status::New, "new", true),
            (Status::PartiallyFilled, "partially_filled", true),
            (Status::Filled, "filled", false),
            (Status::Canceled, "canceled", false),
            (Status::Rejected, "rejected", false),
            (Status::Expired, "expired", false),
        ] {
            assert_eq!((status.as_str(), status.is_open()), (name, is_open));
            assert_eq!(serde_json::to_value(status).ok(), Some(name.into()));
        }
    }
}
