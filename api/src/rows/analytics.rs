//! What was traded and asked for on a day: of all, of a symbol, of an account.

use orderledger_domain::ids::Symbol;
use orderledger_domain::money::{Amount, Price};
use orderledger_domain::timestamp::Day;
use orderledger_projections::analytics::rows::{AccountDay, Asked, MarketDay, Prices};
use serde::Serialize;

use super::Decimal;

/// What was asked of the ledger.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AskedColumns {
    orders: u64,
    rejected: u64,
    amendments: u64,
    cancellations: u64,
    ordered_quantity: u128,
}

impl AskedColumns {
    const fn of(asked: &Asked) -> AskedColumns {
        AskedColumns {
            orders: asked.accepted,
            rejected: asked.rejected,
            amendments: asked.amends,
            cancellations: asked.cancels,
            ordered_quantity: asked.quantity,
        }
    }
}

/// A day of all.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnalyticsDayRow {
    day: Day,
    turnover: Decimal<Amount>,
    volume: u128,
    trade_count: u64,
    active_accounts: u64,
    #[serde(flatten)]
    asked: AskedColumns,
    filled_quantity: u128,
    fees: Decimal<Amount>,
    order_to_trade_ratio: Option<Decimal<Amount>>,
    fill_ratio: Option<Decimal<Amount>>,
}

impl AnalyticsDayRow {
    pub(crate) fn new(day: Day, row: &MarketDay) -> AnalyticsDayRow {
        AnalyticsDayRow {
            day,
            turnover: Decimal(row.turnover),
            volume: row.volume,
            trade_count: row.trades,
            active_accounts: row.accounts,
            asked: AskedColumns::of(&row.asked),
            filled_quantity: row.executed,
            fees: Decimal(row.fees),
            order_to_trade_ratio: row.order_to_trade_ratio().map(Decimal),
            fill_ratio: row.fill_ratio().map(Decimal),
        }
    }
}

/// A day of a symbol.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnalyticsSymbolRow {
    symbol: Symbol,
    #[serde(flatten)]
    day: AnalyticsDayRow,
    vwap: Option<Decimal<Amount>>,
    open: Option<Decimal<Price>>,
    high: Option<Decimal<Price>>,
    low: Option<Decimal<Price>>,
    close: Option<Decimal<Price>>,
    change: Option<Decimal<Amount>>,
    change_percent: Option<Decimal<Amount>>,
    spread: Option<Decimal<Amount>>,
    spread_samples: u64,
}

impl AnalyticsSymbolRow {
    pub(crate) fn new(day: Day, symbol: Symbol, row: &MarketDay) -> AnalyticsSymbolRow {
        let prices: Option<&Prices> = row.prices.as_ref();
        AnalyticsSymbolRow {
            symbol,
            day: AnalyticsDayRow::new(day, row),
            vwap: row.vwap().map(Decimal),
            open: prices.map(|prices| Decimal(prices.open)),
            high: prices.map(|prices| Decimal(prices.high)),
            low: prices.map(|prices| Decimal(prices.low)),
            close: prices.map(|prices| Decimal(prices.close)),
            change: prices.map(|prices| Decimal(prices.change())),
            change_percent: prices.map(|prices| Decimal(prices.change_percent())),
            spread: prices.and_then(Prices::spread).map(Decimal),
            spread_samples: prices.map_or(0, |prices| prices.spread_samples),
        }
    }
}

/// A day of an account, in all or in one symbol.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnalyticsAccountRow {
    day: Day,
    symbol: Option<Symbol>,
    turnover: Decimal<Amount>,
    volume: u128,
    fills: u64,
    maker_fills: u64,
    bought: u128,
    bought_for: Decimal<Amount>,
    sold: u128,
    sold_for: Decimal<Amount>,
    /// Of one symbol alone: prices of several say nothing together.
    vwap: Option<Decimal<Amount>>,
    #[serde(flatten)]
    asked: AskedColumns,
    movements: u64,
    fees: Decimal<Amount>,
    order_to_trade_ratio: Option<Decimal<Amount>>,
    fill_ratio: Option<Decimal<Amount>>,
}

impl AnalyticsAccountRow {
    pub(crate) fn new(day: Day, symbol: Option<Symbol>, row: &AccountDay) -> AnalyticsAccountRow {
        AnalyticsAccountRow {
            day,
            symbol,
            turnover: Decimal(row.turnover()),
            volume: row.volume(),
            fills: row.fills,
            maker_fills: row.maker_fills,
            bought: row.bought,
            bought_for: Decimal(row.bought_for),
            sold: row.sold,
            sold_for: Decimal(row.sold_for),
            vwap: symbol.and_then(|_| row.vwap()).map(Decimal),
            asked: AskedColumns::of(&row.asked),
            movements: row.movements,
            fees: Decimal(row.fees),
            order_to_trade_ratio: row.order_to_trade_ratio().map(Decimal),
            fill_ratio: row.fill_ratio().map(Decimal),
        }
    }
}
