//! What can be listened to, and its name.

use std::fmt;
use std::str::FromStr;

use orderledger_domain::ids::{Symbol, UserId};
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::market::interval::Interval;

use crate::ledger::Ledger;

/// How many channels one stream has at most.
const CHANNELS_MAX: usize = 64;

/// One channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel {
    /// An account's balances.
    Balances(UserId),
    /// A symbol's book.
    Book(Symbol),
    /// A symbol's current candle.
    Candles(Symbol, Interval),
    /// How far every worker is behind the log.
    Lag,
    /// What a user is told.
    Notifications(UserId),
    /// Every change of an account's orders.
    Orders(UserId),
    /// Every trade of a symbol.
    Trades(Symbol),
}

impl Channel {
    /// Whether its messages can be resumed; the others begin with a snapshot.
    pub(super) const fn resumes(&self) -> bool {
        matches!(self, Channel::Notifications(_) | Channel::Orders(_) | Channel::Trades(_))
    }

    /// The partition in which its messages have their places.
    pub(crate) fn home(&self, ledger: &Ledger) -> Option<TopicPartition> {
        match self {
            Channel::Balances(user) | Channel::Notifications(user) | Channel::Orders(user) => {
                Some(ledger.orders_of(user.as_str()))
            }
            Channel::Book(symbol) => Some(ledger.partition_of_symbol(Topic::Books, symbol.as_str())),
            Channel::Candles(symbol, _) | Channel::Trades(symbol) => {
                Some(ledger.partition_of_symbol(Topic::Trades, symbol.as_str()))
            }
            Channel::Lag => None,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Channel::Balances(user) => write!(f, "balances:{user}"),
            Channel::Book(symbol) => write!(f, "book:{symbol}"),
            Channel::Candles(symbol, interval) => write!(f, "candles:{symbol}:{interval}"),
            Channel::Lag => f.write_str("lag"),
            Channel::Notifications(user) => write!(f, "notifications:{user}"),
            Channel::Orders(user) => write!(f, "orders:{user}"),
            Channel::Trades(symbol) => write!(f, "trades:{symbol}"),
        }
    }
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(text: &str) -> Result<Channel, String> {
        let unknown = || {
            "must name channels: trades:{symbol}, book:{symbol}, candles:{symbol}:{interval}, orders:{userId}, \
             balances:{userId}, notifications:{userId} or lag"
                .to_owned()
        };
        if text == "lag" {
            return Ok(Channel::Lag);
        }
        let (kind, of) = text.split_once(':').ok_or_else(unknown)?;
        let symbol =
            |of: &str| Symbol::new(of).map_err(|error| format!("names the channel {kind}, whose symbol {error}"));
        let user =
            |of: &str| UserId::new(of).map_err(|error| format!("names the channel {kind}, whose userId {error}"));
        match kind {
            "trades" => symbol(of).map(Channel::Trades),
            "book" => symbol(of).map(Channel::Book),
            "notifications" => user(of).map(Channel::Notifications),
            "orders" => user(of).map(Channel::Orders),
            "balances" => user(of).map(Channel::Balances),
            "candles" => {
                let (of, interval) = of.split_once(':').unwrap_or((of, "1m"));
                let interval = interval.parse::<Interval>().map_err(|error| error.to_string())?;
                Ok(Channel::Candles(symbol(of)?, interval))
            }
            _ => Err(unknown()),
        }
    }
}

/// Channels with commas between them, in the order of their kinds and names.
pub(crate) fn read_channels(text: &str) -> Result<Vec<Channel>, String> {
    if text.split(',').count() > CHANNELS_MAX {
        return Err(format!("must name at most {CHANNELS_MAX} channels"));
    }
    let mut channels = text.split(',').map(Channel::from_str).collect::<Result<Vec<_>, _>>()?;
    let named = channels.len();
    channels.sort_unstable();
    channels.dedup();
    if channels.len() < named {
        return Err("names a channel twice".to_owned());
    }
    Ok(channels)
}

/// The accounts that these channels tell about.
pub(crate) fn accounts(channels: &[Channel]) -> impl Iterator<Item = &UserId> {
    channels.iter().filter_map(|channel| match channel {
        Channel::Balances(user) | Channel::Notifications(user) | Channel::Orders(user) => Some(user),
        Channel::Book(_) | Channel::Candles(..) | Channel::Lag | Channel::Trades(_) => None,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn channels_have_their_names_and_one_order() {
        let text = "trades:AAPL,lag,notifications:u1,orders:u1,candles:AAPL:5m,book:AAPL,balances:u1,candles:AAPL";
        let channels = read_channels(text).unwrap();
        let names: Vec<String> = channels.iter().map(Channel::to_string).collect();
        let expected = [
            "balances:u1",
            "book:AAPL",
            "candles:AAPL:1m",
            "candles:AAPL:5m",
            "lag",
            "notifications:u1",
            "orders:u1",
            "trades:AAPL",
        ];
        assert_eq!(names, expected);
        assert_eq!(accounts(&channels).map(UserId::as_str).collect::<Vec<_>>(), ["u1", "u1", "u1"]);
    }

    #[test]
    fn what_is_no_channel_is_refused() {
        let many: Vec<String> = (0..=CHANNELS_MAX).map(|number| format!("trades:S{number}")).collect();
        let bad =
            ["", "trades", "trades:", "trades:aapl", "trades:USD", "orders:a b", "lag:1", "lag,lag", "candles:A:2m"];
        for text in bad.into_iter().chain(["x:AAPL", "trades:A,", &many.join(",")]) {
            assert!(read_channels(text).is_err(), "{text}");
        }
        let most: Vec<&str> = many.iter().take(CHANNELS_MAX).map(String::as_str).collect();
        assert!(read_channels(&most.join(",")).is_ok());
    }
}
