//! What analytics must say of each day: of all, of a symbol, of an account, of an account in a symbol.

use std::collections::{BTreeMap, BTreeSet};

use orderledger_domain::event::Event;
use orderledger_domain::ids::{Symbol, UserId};
use orderledger_domain::position::Topic;
use orderledger_domain::timestamp::{Day, Timestamp};
use orderledger_store::Error;

use super::compare::missing;
use super::money::decimal;
use super::report::{Check, Report};
use super::rows::{DayFigures, ViewRows};

type Place = (Day, Option<UserId>, Option<Symbol>);

/// All of it, summed while the log is read.
#[derive(Debug, Default)]
pub(super) struct Days {
    sums: BTreeMap<Place, DayFigures>,
    /// Who did something, in which symbol.
    active: BTreeSet<(Day, Symbol, UserId)>,
}

impl Days {
    pub(super) fn add(&mut self, topic: Topic, time: Timestamp, event: &Event) {
        let is_the_ledgers_own = event.user_id().is_some_and(|user| user.as_str().starts_with("ledger.canary-"))
            || event.symbol().is_some_and(|symbol| symbol.as_str() == "LEDGER.CANARY");
        if is_the_ledgers_own {
            return;
        }
        let (day, user, symbol) = (time.day(), event.user_id(), event.symbol());
        let mut one = DayFigures::default();
        match (topic, event) {
            (Topic::Trades, Event::TradeExecuted(trade)) => {
                let cash = i128::from(trade.price.units()) * i128::from(trade.quantity.shares());
                let of_trade = DayFigures { trades: 1, turnover: cash, ..one };
                self.sum((day, None, None), &of_trade);
                self.sum((day, None, symbol), &of_trade);
                return;
            }
            (Topic::Orders, Event::OrderAccepted(accepted)) => {
                (one.messages, one.ordered) = (1, u128::from(accepted.terms.quantity.shares()));
            }
            (Topic::Orders, Event::AmendAccepted(_) | Event::CancelAccepted(_)) => one.messages = 1,
            (Topic::Orders, Event::OrderRejected(_)) => one.rejected = 1,
            (Topic::Orders, Event::OrderFilled(fill)) => {
                (one.filled, one.fees) = (u128::from(fill.quantity.shares()), fill.fee.units());
            }
            _ => return,
        }
        let (Some(user), Some(symbol)) = (user, symbol) else { return };
        self.active.insert((day, symbol, user.clone()));
        self.sum((day, None, None), &one);
        self.sum((day, None, Some(symbol)), &one);
        if let Event::OrderFilled(fill) = event {
            // Of an account, its fills are its trades.
            one.trades = 1;
            one.turnover = i128::from(fill.price.units()) * i128::from(fill.quantity.shares());
        }
        self.sum((day, Some(user.clone()), None), &one);
        self.sum((day, Some(user.clone()), Some(symbol)), &one);
    }

    fn sum(&mut self, of: Place, one: &DayFigures) {
        let sum = self.sums.entry(of).or_default();
        sum.messages += one.messages;
        sum.rejected += one.rejected;
        sum.ordered += one.ordered;
        sum.filled += one.filled;
        sum.trades += one.trades;
        sum.turnover += one.turnover;
        sum.fees += one.fees;
    }

    /// Compares them with the rows of the analytics view.
    pub(super) fn compare(mut self, rows: &dyn ViewRows, report: &mut Report) -> Result<(), Error> {
        let mut of_day: BTreeSet<(Day, UserId)> = BTreeSet::new();
        for (day, symbol, user) in std::mem::take(&mut self.active) {
            self.sums.entry((day, None, Some(symbol))).or_default().accounts += 1;
            if of_day.insert((day, user)) {
                self.sums.entry((day, None, None)).or_default().accounts += 1;
            }
        }
        for row in rows.days() {
            let row = row?;
            let expected = self.sums.remove(&(row.day, row.user.clone(), row.symbol)).unwrap_or_default();
            report.compare(Check::Days, name(&(row.day, row.user, row.symbol)), &expected, &row.figures, text);
        }
        for (of, figures) in self.sums {
            missing(report, Check::Days, name(&of), text(&figures));
        }
        Ok(())
    }
}

fn name((day, user, symbol): &Place) -> String {
    let user = user.as_ref().map_or(String::new(), |user| format!(" of {user}"));
    let symbol = symbol.map_or(String::new(), |symbol| format!(" in {symbol}"));
    format!("{day}{user}{symbol}")
}

fn text(of: &DayFigures) -> String {
    let DayFigures { messages, rejected, ordered, filled, trades, turnover, fees, accounts } = of;
    let (turnover, fees) = (decimal(turnover), decimal(fees));
    format!(
        "{messages} messages, {rejected} rejected, {ordered} shares ordered, {filled} filled, {trades} trades for \
         {turnover}, fees {fees}, {accounts} accounts"
    )
}
