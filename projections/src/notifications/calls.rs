//! Calls that were made under an id, once each: what a retry is known by.

use orderledger_domain::ids::UserId;
use orderledger_domain::position::Position;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rows::Muted;

/// So many calls are known of a user, of each kind, and of a webhook; an older one that is made again counts as a new one.
pub const CALLS_KEPT: usize = 32;

/// The newest calls, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls(Vec<Call>);

/// A call that was made under an id, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The id.
    pub event_id: Uuid,
    /// Where it stands.
    pub at: Position,
    /// What it asked for: the same id for something else is no retry.
    pub asked: Asked,
}

/// What a call asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// Everything up to there is read.
    Read(Position),
    /// These are not told.
    Mute(Muted),
    /// A webhook is registered, as its row says.
    Register,
    /// It has another secret.
    Rotate,
    /// It is deleted.
    Delete,
    /// A stretch is sent again.
    Resend {
        /// Whose events alone.
        user_id: Option<UserId>,
        /// From here on,
        from: Position,
        /// up to here, both included.
        to: Position,
    },
}

impl Calls {
    /// The call of that id.
    pub fn find(&self, event_id: Uuid) -> Option<&Call> {
        self.0.iter().rev().find(|call| call.event_id == event_id)
    }

    /// The newest one.
    pub fn newest(&self) -> Option<&Call> {
        self.0.last()
    }

    /// Takes one more, and forgets the oldest if they are too many.
    pub(super) fn push(&mut self, call: Call) {
        self.0.push(call);
        if self.0.len() > CALLS_KEPT {
            self.0.remove(0);
        }
    }
}
