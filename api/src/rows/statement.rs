//! Statements: what an account had, what was posted, what it had then.

use orderledger_domain::account::Balance;
use orderledger_domain::ids::{Asset, OrderId, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::settlement::queries::{self, AssetPeriod, Period, Statement};
use serde::Serialize;

use super::explained::Sum;
use super::{Decimal, PostingRow};

/// One asset of the period.
#[derive(Clone, Debug, Serialize)]
struct StatementBalance {
    asset: Asset,
    opening: Sum,
    debit: Decimal<Amount>,
    credit: Decimal<Amount>,
    closing: Sum,
}

/// What all of the period's postings come to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Totals {
    balances: Vec<StatementBalance>,
    /// Whether opening balances and postings make the closing balances.
    adds_up: bool,
}

/// A page of a statement; the first has the balances.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatementRow {
    user_id: UserId,
    /// As they were asked for.
    from: Option<String>,
    to: Option<String>,
    /// The last position before the period; null: it begins with the log.
    opening_position: Option<Position>,
    /// The last position of the period; null: it ends before the log begins.
    closing_position: Option<Position>,
    #[serde(flatten)]
    totals: Option<Totals>,
    data: Vec<PostingRow>,
    next_cursor: Option<String>,
}

impl StatementRow {
    pub(crate) fn new(
        user: &UserId,
        (from, to): (Option<String>, Option<String>),
        (home, period): (TopicPartition, Period),
        statement: Option<&Statement>,
        (postings, next_cursor): (Vec<queries::PostingRow>, Option<String>),
    ) -> StatementRow {
        let last = |end: u64| end.checked_sub(1).map(|offset| home.offset(offset));
        StatementRow {
            user_id: user.clone(),
            from,
            to,
            opening_position: last(period.from),
            closing_position: last(period.end),
            totals: statement.map(Totals::of),
            data: postings.into_iter().map(|row| PostingRow::new(user, row)).collect(),
            next_cursor,
        }
    }
}

impl Totals {
    fn of(statement: &Statement) -> Totals {
        let row = |(asset, period): (&Asset, &AssetPeriod)| StatementBalance {
            asset: *asset,
            opening: period.opening.into(),
            debit: Decimal(period.debit),
            credit: Decimal(period.credit),
            closing: period.closing.into(),
        };
        Totals { balances: statement.assets.iter().map(row).collect(), adds_up: statement.adds_up() }
    }
}

/// A line of a statement that goes out whole.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatementLine {
    /// `opening`, `posting` or `closing`.
    line: &'static str,
    account: Option<String>,
    asset: Asset,
    debit: Option<Decimal<Amount>>,
    credit: Option<Decimal<Amount>>,
    reason: Option<&'static str>,
    trade_id: Option<String>,
    order_id: Option<OrderId>,
    total: Decimal<Amount>,
    available: Decimal<Amount>,
    reserved: Decimal<Amount>,
    time: Option<Timestamp>,
    position: Option<Position>,
}

impl StatementLine {
    /// What there is of an asset before the period (`opening`) or at its end (`closing`), and where that is.
    pub(crate) fn of_balance(
        line: &'static str,
        asset: Asset,
        balance: Balance,
        position: Option<Position>,
    ) -> StatementLine {
        StatementLine {
            line,
            account: None,
            asset,
            debit: None,
            credit: None,
            reason: None,
            trade_id: None,
            order_id: None,
            total: Decimal(balance.total()),
            available: Decimal(balance.available),
            reserved: Decimal(balance.reserved),
            time: None,
            position,
        }
    }

    /// One posting.
    pub(crate) fn of_posting(user: &UserId, row: queries::PostingRow) -> StatementLine {
        let posting = PostingRow::new(user, row);
        StatementLine {
            line: "posting",
            account: Some(posting.account),
            asset: posting.asset,
            debit: Some(posting.debit),
            credit: Some(posting.credit),
            reason: Some(posting.reason),
            trade_id: posting.trade_id,
            order_id: posting.order_id,
            total: posting.total,
            available: posting.available,
            reserved: posting.reserved,
            time: Some(posting.time),
            position: Some(posting.position),
        }
    }
}
