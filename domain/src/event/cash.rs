//! Assets that come in and go out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{Asset, UserId, WithdrawalId};
use crate::money::Amount;
use crate::reason::Rejection;

/// DepositMade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deposit {
    /// Whose account.
    pub user_id: UserId,
    /// `USD` is cash, any other asset is shares.
    pub asset: Asset,
    /// How much; shares are whole.
    #[schemars(range(min = 0.0001, max = 100_000_000_000_000_u64))]
    pub amount: Amount,
}

/// AccountCredited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountCredited {
    /// Whose account.
    pub user_id: UserId,
    /// Which asset.
    pub asset: Asset,
    /// How much was booked.
    pub amount: Amount,
    /// The eventId of the deposit.
    pub request_id: Uuid,
}

/// WithdrawalRequested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawalRequested {
    /// Whose account.
    pub user_id: UserId,
    /// Which asset.
    pub asset: Asset,
    /// How much is wanted.
    #[schemars(range(min = 0.0001, max = 100_000_000_000_000_u64))]
    pub amount: Amount,
    /// The withdrawal's id; without one it is the eventId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal_id: Option<WithdrawalId>,
}

/// AccountDebited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawalDecided {
    /// Whose account.
    pub user_id: UserId,
    /// The withdrawal.
    pub withdrawal_id: WithdrawalId,
    /// Which asset.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// The eventId of the request.
    pub request_id: Uuid,
}

/// WithdrawalRejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawalRejected {
    /// Whose account.
    pub user_id: UserId,
    /// The withdrawal.
    pub withdrawal_id: WithdrawalId,
    /// Which asset.
    pub asset: Asset,
    /// How much was wanted.
    pub amount: Amount,
    /// Why not.
    pub reason: Rejection,
    /// The eventId of the request.
    pub request_id: Uuid,
}
