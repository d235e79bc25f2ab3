//! Rows as answers show them: camelCase, amounts and prices as decimal strings.

mod accounts;
mod adjustments;
mod analytics;
mod explained;
mod heads;
mod lag;
mod line;
mod markets;
mod notifications;
mod order;
mod parked;
mod record;
mod sessions;
mod statement;
mod stream;
mod table;

pub(crate) use accounts::{BalanceRow, FillRow, PostingRow, WithdrawalRow};
pub(crate) use adjustments::AdjustmentRow;
pub(crate) use analytics::{AnalyticsAccountRow, AnalyticsDayRow, AnalyticsSymbolRow};
pub(crate) use explained::ExplainedRow;
pub(crate) use heads::{HeadRow, hex};
pub(crate) use lag::{LagColumns, PaceColumns};
pub(crate) use line::{AuditLine, RecordLine};
pub(crate) use markets::{BookRow, CandleRow, MarketRow, TradeRow};
pub(crate) use notifications::{DeadLetterShown, NotificationRow, WebhookShown};
pub(crate) use order::OrderRow;
pub(crate) use parked::{ParkedEntityRow, WaitingRow};
pub(crate) use record::{AuditRow, RecordRow};
pub(crate) use sessions::SessionRow;
pub(crate) use statement::{StatementLine, StatementRow};
pub(crate) use stream::{BookChangeRow, LagRow};

use serde::{Serialize, Serializer};

/// An amount or price as a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal<T>(pub(crate) T);

impl<T: std::fmt::Display> Serialize for Decimal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
