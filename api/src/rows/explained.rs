//! Where a balance comes from.

use orderledger_domain::account::Balance;
use orderledger_domain::ids::{Asset, OrderId, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_projections::settlement::queries::Explained;
use serde::Serialize;

use super::{AdjustmentRow, Decimal};

/// So many reservations are listed.
const RESERVATIONS_MAX: usize = 1000;
/// So many adjustments are listed.
const ADJUSTMENTS_MAX: usize = 1000;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sum {
    total: Decimal<Amount>,
    available: Decimal<Amount>,
    reserved: Decimal<Amount>,
}

/// The postings of one reason.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupRow {
    reason: &'static str,
    count: u64,
    debit: Decimal<Amount>,
    credit: Decimal<Amount>,
    #[serde(flatten)]
    change: Sum,
    first_position: Position,
    last_position: Position,
    /// Where the postings themselves are listed.
    postings: String,
}

/// What one order holds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReservationRow {
    order_id: OrderId,
    reserved: Decimal<Amount>,
    first_position: Position,
    last_position: Position,
}

/// A balance, and the postings that add up to it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedRow {
    asset: Asset,
    /// The balance as it is kept.
    balance: Sum,
    /// What the groups add up to.
    sum: Sum,
    /// Whether both are the same, and the reservations add up to what is reserved.
    adds_up: bool,
    groups: Vec<GroupRow>,
    /// The oldest first, at most [`RESERVATIONS_MAX`].
    reservations: Vec<ReservationRow>,
    reservations_count: usize,
    reservations_sum: Decimal<Amount>,
    /// Operators' corrections, the oldest first, at most [`ADJUSTMENTS_MAX`].
    adjustments: Vec<AdjustmentRow>,
}

impl From<Balance> for Sum {
    fn from(balance: Balance) -> Sum {
        let Balance { available, reserved } = balance;
        Sum { total: Decimal(balance.total()), available: Decimal(available), reserved: Decimal(reserved) }
    }
}

impl ExplainedRow {
    /// `moment` are the parameters that name the same moment to other calls.
    pub(crate) fn new(
        user: &UserId,
        asset: Asset,
        balance: Balance,
        explained: &Explained,
        home: TopicPartition,
        moment: &str,
    ) -> ExplainedRow {
        let groups = explained.groups.iter().map(|(reason, group)| {
            let reason = reason.as_str();
            GroupRow {
                reason,
                count: group.count,
                debit: Decimal(group.debit),
                credit: Decimal(group.credit),
                change: group.change.into(),
                first_position: home.offset(group.first),
                last_position: home.offset(group.last),
                postings: format!("/v1/accounts/{user}/postings?asset={asset}&reason={reason}{moment}"),
            }
        });
        let reservations = explained.reservations.iter().take(RESERVATIONS_MAX).map(|one| ReservationRow {
            order_id: one.order_id.clone(),
            reserved: Decimal(one.reserved),
            first_position: home.offset(one.first),
            last_position: home.offset(one.last),
        });
        let (sum, held) = (explained.sum(), explained.held());
        ExplainedRow {
            asset,
            balance: balance.into(),
            sum: sum.into(),
            adds_up: sum == balance && held == balance.reserved,
            groups: groups.collect(),
            reservations: reservations.collect(),
            reservations_count: explained.reservations.len(),
            reservations_sum: Decimal(held),
            adjustments: explained.adjustments.iter().take(ADJUSTMENTS_MAX).cloned().map(AdjustmentRow::from).collect(),
        }
    }
}
