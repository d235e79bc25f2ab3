//! Corrections by operators: never a change of what stands in the log, always an entry against it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{Asset, UserId};
use crate::money::Amount;
use crate::position::Position;
use crate::reason::Rejection;

/// Whether a correction gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// It adds to what is available.
    Credit,
    /// It takes from what is available.
    Debit,
}

impl Direction {
    /// The name in events: `credit` or `debit`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::Credit => "credit",
            Direction::Debit => "debit",
        }
    }

    /// The amount with its sign: what is taken is below zero.
    pub fn signed(self, amount: Amount) -> Amount {
        if self == Direction::Debit { amount.negated() } else { amount }
    }
}

/// AdjustmentRequested: what an operator wants corrected, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Adjustment {
    /// Whose account.
    pub user_id: UserId,
    /// Which asset.
    pub asset: Asset,
    /// Whether it gives or takes.
    pub direction: Direction,
    /// How much; shares are whole.
    #[schemars(range(min = 0.0001, max = 100_000_000_000_000_u64))]
    pub amount: Amount,
    /// Why, in words: 1 to 500 characters.
    #[schemars(length(min = 1, max = 500))]
    pub reason: String,
    /// The record whose postings it corrects, earlier in the user's partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<Position>,
}

/// AccountAdjusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", from = "Answered")]
#[schemars(!from)]
pub struct AccountAdjusted {
    /// What was asked, and booked.
    #[serde(flatten)]
    pub adjustment: Adjustment,
    /// The eventId of the request.
    pub request_id: Uuid,
}

/// AdjustmentRejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", try_from = "Answered")]
#[schemars(!try_from)]
pub struct AdjustmentRejected {
    /// What was asked.
    #[serde(flatten)]
    pub adjustment: Adjustment,
    /// Why not.
    pub rejection: Rejection,
    /// The eventId of the request.
    pub request_id: Uuid,
}

/// The flat form of an answer: exact numbers can't be read through a flattened struct.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    user_id: UserId,
    asset: Asset,
    direction: Direction,
    amount: Amount,
    reason: String,
    #[serde(default)]
    corrects: Option<Position>,
    #[serde(default)]
    rejection: Option<Rejection>,
    request_id: Uuid,
}

impl Answered {
    fn adjustment(self) -> Adjustment {
        let Answered { user_id, asset, direction, amount, reason, corrects, .. } = self;
        Adjustment { user_id, asset, direction, amount, reason, corrects }
    }
}

impl From<Answered> for AccountAdjusted {
    fn from(flat: Answered) -> AccountAdjusted {
        let request_id = flat.request_id;
        AccountAdjusted { adjustment: flat.adjustment(), request_id }
    }
}

impl TryFrom<Answered> for AdjustmentRejected {
    type Error = &'static str;
    fn try_from(flat: Answered) -> Result<Self, Self::Error> {
        let rejection = flat.rejection.ok_or("missing field `rejection`")?;
        let request_id = flat.request_id;
        Ok(AdjustmentRejected { adjustment: flat.adjustment(), rejection, request_id })
    }
}
