//! `candles:{symbol}:{interval}`: the newest candle, then each time it changes or another opens.

use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Topic;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::market::interval::Interval;
use orderledger_projections::market::queries::{Page, Within, candles, market};
use orderledger_projections::market::rows::Candle;
use orderledger_store::Error;
use orderledger_store::views::Direction;

use super::channel::Channel;
use super::hub::Present;
use super::look::Look;
use super::message::Message;
use crate::rows::CandleRow;

/// The candles of one symbol and interval as their readers know them.
pub(super) struct Candles {
    symbol: Symbol,
    interval: Interval,
    /// How many trades there were.
    trades: u64,
    newest: Option<(Timestamp, Candle)>,
    told: Option<Message>,
}

impl Candles {
    pub(super) const fn new(symbol: Symbol, interval: Interval) -> Candles {
        Candles { symbol, interval, trades: 0, newest: None, told: None }
    }
}

impl Present for Candles {
    fn advance(&mut self, look: &Look<'_>) -> Result<Vec<Message>, Error> {
        let reader = &look.market()?.reader;
        let Some(market) = market(reader, self.symbol)? else { return Ok(Vec::new()) };
        // A look may be older than the one before it.
        if market.trade_count <= self.trades {
            return Ok(Vec::new());
        }
        // From the last one told on: it may have changed before the next opened.
        let within = Within { from: self.newest.map(|(open, _)| open), to: None };
        let (direction, limit) = match within.from {
            Some(_) => (Direction::Ascending, usize::MAX),
            None => (Direction::Descending, 1),
        };
        let listed = candles(reader, self.symbol, self.interval, within, Page { direction, after: None, limit })?;
        self.trades = market.trade_count;
        let place = Some(Topic::Trades.at(market.partition).offset(market.last_offset));
        let channel = Channel::Candles(self.symbol, self.interval);
        let mut messages = Vec::new();
        for candle in listed.rows {
            if self.newest != Some(candle) {
                messages.extend(Message::new(&channel, &CandleRow::new(candle.0, &candle.1), place));
                self.newest = Some(candle);
            }
        }
        self.told = messages.last().cloned().or(self.told.take());
        Ok(messages)
    }

    fn snapshot(&self) -> Vec<Message> {
        self.told.iter().cloned().collect()
    }
}
