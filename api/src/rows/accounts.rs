//! Balances, fills, postings and withdrawals.

use orderledger_domain::account::Balance;
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId, WithdrawalId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::position::Position;
use orderledger_domain::reason::Rejection;
use orderledger_domain::terms::{Liquidity, Side};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::settlement::{queries, rows};
use serde::Serialize;
use uuid::Uuid;

use super::Decimal;

/// One asset of an account.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BalanceRow {
    asset: Asset,
    total: Decimal<Amount>,
    available: Decimal<Amount>,
    reserved: Decimal<Amount>,
}

impl BalanceRow {
    pub(crate) fn new(asset: Asset, balance: Balance) -> BalanceRow {
        BalanceRow {
            asset,
            total: Decimal(balance.total()),
            available: Decimal(balance.available),
            reserved: Decimal(balance.reserved),
        }
    }
}

/// One leg of one trade.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FillRow {
    trade_id: String,
    order_id: OrderId,
    symbol: Symbol,
    side: Side,
    liquidity: Liquidity,
    price: Decimal<Price>,
    quantity: Quantity,
    fee: Decimal<Amount>,
    leaves_quantity: Quantity,
    time: Timestamp,
    position: Position,
}

impl From<queries::FillRow> for FillRow {
    fn from(row: queries::FillRow) -> FillRow {
        let queries::FillRow { fill, position } = row;
        FillRow {
            trade_id: fill.trade_id,
            order_id: fill.order_id,
            symbol: fill.symbol,
            side: fill.side,
            liquidity: fill.liquidity,
            price: Decimal(fill.price),
            quantity: fill.quantity,
            fee: Decimal(fill.fee),
            leaves_quantity: fill.leaves_quantity,
            time: fill.time,
            position,
        }
    }
}

/// One line of a journal.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PostingRow {
    /// `{userId}:available` or `{userId}:reserved`.
    pub(super) account: String,
    pub(super) asset: Asset,
    pub(super) debit: Decimal<Amount>,
    pub(super) credit: Decimal<Amount>,
    pub(super) reason: &'static str,
    pub(super) trade_id: Option<String>,
    pub(super) order_id: Option<OrderId>,
    pub(super) total: Decimal<Amount>,
    pub(super) available: Decimal<Amount>,
    pub(super) reserved: Decimal<Amount>,
    pub(super) time: Timestamp,
    pub(super) position: Position,
}

impl PostingRow {
    pub(crate) fn new(user: &UserId, row: queries::PostingRow) -> PostingRow {
        let (debit, credit) =
            if row.change.is_negative() { (row.change.negated(), Amount::ZERO) } else { (Amount::ZERO, row.change) };
        PostingRow {
            account: format!("{user}:{}", row.account.as_str()),
            asset: row.asset,
            debit: Decimal(debit),
            credit: Decimal(credit),
            reason: row.reason.as_str(),
            trade_id: row.trade_id,
            order_id: row.order_id,
            total: Decimal(row.balance.total()),
            available: Decimal(row.balance.available),
            reserved: Decimal(row.balance.reserved),
            time: row.time,
            position: row.position,
        }
    }
}

/// One withdrawal.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WithdrawalRow {
    withdrawal_id: WithdrawalId,
    event_id: Uuid,
    asset: Asset,
    amount: Decimal<Amount>,
    status: &'static str,
    reason: Option<Rejection>,
    created_at: Timestamp,
    updated_at: Timestamp,
    position: Position,
}

impl From<rows::WithdrawalRow> for WithdrawalRow {
    fn from(row: rows::WithdrawalRow) -> WithdrawalRow {
        WithdrawalRow {
            event_id: row.request_id,
            asset: row.asset,
            amount: Decimal(row.amount),
            status: row.status.as_str(),
            reason: row.status.reason(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            position: row.position(),
            withdrawal_id: row.withdrawal_id,
        }
    }
}
