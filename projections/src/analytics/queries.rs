//! What HTTP reads.

use std::cmp::Ordering;
use std::ops::Bound;

use bytes::Bytes;
use orderledger_domain::ids::{Symbol, UserId};
use orderledger_domain::timestamp::Day;
use orderledger_store::Error;
use orderledger_store::keys::{self, KeyBuilder};
use orderledger_store::views::{Direction, ViewReader};

use super::rows::{self, AccountDay, MarketDay, Prices};

/// Some days, both ends included, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub from: Day,
    /// The last.
    pub to: Day,
    /// Oldest or newest first.
    pub direction: Direction,
}

/// Rows of a list, and behind which place it goes on.
pub type Page<K, R> = (Vec<(K, R)>, Option<K>);

impl Days {
    /// One after the other.
    fn each(self) -> impl Iterator<Item = Day> {
        let (first, last) = (self.from.number(), self.to.number());
        (0..=last.saturating_sub(first)).filter_map(move |step| match self.direction {
            Direction::Ascending => Day::from_number(first.saturating_add(step)),
            Direction::Descending => Day::from_number(last.saturating_sub(step)),
        })
    }

    /// What is left of them behind a place on that day.
    fn left(self, after: Option<Day>) -> Days {
        match (after, self.direction) {
            (None, _) => self,
            (Some(day), Direction::Ascending) => Days { from: day.max(self.from), ..self },
            (Some(day), Direction::Descending) => Days { to: day.min(self.to), ..self },
        }
    }

    /// The keys of their rows: a row of a day begins with the prefix and the day.
    fn keys(self, prefix: u8, after: Option<Bytes>) -> (Bound<Bytes>, Bound<Bytes>) {
        let begin = |day: i64| KeyBuilder::new(prefix).i64(day).build();
        let low = Bound::Included(begin(self.from.number()));
        let high = Bound::Excluded(begin(self.to.number().saturating_add(1)));
        match (after, self.direction) {
            (None, _) => (low, high),
            (Some(after), Direction::Ascending) => (Bound::Excluded(after), high),
            (Some(after), Direction::Descending) => (low, Bound::Excluded(after)),
        }
    }
}

/// The days on which something happened.
pub fn days(reader: &ViewReader, days: Days, after: Option<Day>, limit: usize) -> Result<Page<Day, MarketDay>, Error> {
    let keys = days.keys(keys::ANALYTICS_DAY, after.map(rows::day_key));
    let all = reader.scan_rows::<MarketDay, Bytes>(keys, days.direction).map(|row| {
        let (key, row) = row?;
        Ok((rows::day_of(&key)?, row))
    });
    page(all, limit)
}

/// The next day behind that one on which anything happened: what was traded or asked for, or what any account was paid.
pub fn next_day(reader: &ViewReader, after: Day) -> Result<Option<Day>, Error> {
    let first = |prefix: u8| {
        let begin = Bound::Included(KeyBuilder::new(prefix).i64(after.number().saturating_add(1)).build());
        let end = keys::after_prefix(&[prefix]).map_or(Bound::Unbounded, |end| Bound::Excluded(Bytes::from(end)));
        reader.scan::<Bytes>((begin, end), Direction::Ascending).next().transpose()
    };
    let of_all = first(keys::ANALYTICS_DAY)?.map(|(key, _)| rows::day_of(&key)).transpose()?;
    let of_accounts = first(keys::ANALYTICS_ACCOUNT)?.map(|(key, _)| rows::account_of(&key)).transpose()?;
    Ok([of_all, of_accounts.map(|(day, ..)| day)].into_iter().flatten().min())
}

/// What happened in symbols, day by day, or in one.
pub fn symbols(
    reader: &ViewReader,
    days: Days,
    symbol: Option<Symbol>,
    after: Option<(Day, Symbol)>,
    limit: usize,
) -> Result<Page<(Day, Symbol), MarketDay>, Error> {
    if let Some(symbol) = symbol {
        let left = days.left(after.map(|(day, _)| day)).each().filter(|day| after.is_none_or(|(last, _)| *day != last));
        let rows = left.filter_map(|day| {
            let row = reader.get_row::<MarketDay>(&rows::symbol_key(day, symbol)).transpose()?;
            Some(row.map(|row| ((day, symbol), row)))
        });
        return page(rows, limit);
    }
    let keys = days.keys(keys::ANALYTICS_SYMBOL, after.map(|(day, symbol)| rows::symbol_key(day, symbol)));
    let all = reader.scan_rows::<MarketDay, Bytes>(keys, days.direction).map(|row| {
        let (key, row) = row?;
        Ok((rows::symbol_of(&key)?, row))
    });
    page(all, limit)
}

/// A place in an account's list: the day, and the symbol unless it is the row of all.
pub type AccountPlace = (Day, Option<Symbol>);

/// What an account did, day by day: the row of all, then one for each symbol (descending: the other way round).
pub fn account(
    reader: &ViewReader,
    days: Days,
    user: &UserId,
    symbol: Option<Symbol>,
    after: Option<AccountPlace>,
    limit: usize,
) -> Result<Page<AccountPlace, AccountDay>, Error> {
    let direction = days.direction;
    let rows = days.left(after.map(|(day, _)| day)).each().flat_map(move |day| {
        let prefix = KeyBuilder::new(keys::ANALYTICS_ACCOUNT).i64(day.number()).name(user.as_str()).build();
        reader.scan_prefix_rows::<AccountDay>(&prefix, direction)
    });
    let rows = rows.map(|row| {
        let (key, row) = row?;
        let (day, _, symbol) = rows::account_of(&key)?;
        Ok(((day, symbol), row))
    });
    let is_behind = move |place: &AccountPlace| match (after, direction) {
        (None, _) => true,
        (Some(after), Direction::Ascending) => *place > after,
        (Some(after), Direction::Descending) => *place < after,
    };
    let is_wanted = move |place: &AccountPlace| symbol.is_none_or(|symbol| place.1 == Some(symbol));
    let rows = rows.filter(move |row: &Result<(AccountPlace, AccountDay), Error>| {
        row.as_ref().map_or(true, |(place, _)| is_behind(place) && is_wanted(place))
    });
    page(rows, limit)
}

/// Every account that something happened to on a day, with its row of all, by name.
pub fn accounts(
    reader: &ViewReader,
    day: Day,
    after: Option<&UserId>,
) -> impl Iterator<Item = Result<(UserId, AccountDay), Error>> + use<> {
    let of_day = KeyBuilder::new(keys::ANALYTICS_ACCOUNT).i64(day.number());
    let end = KeyBuilder::new(keys::ANALYTICS_ACCOUNT).i64(day.number().saturating_add(1)).build();
    // Behind all rows of that account.
    let begin = match after {
        Some(user) => keys::after_prefix(of_day.name(user.as_str()).as_slice()).map(Bytes::from).unwrap_or_default(),
        None => of_day.build(),
    };
    let rows =
        reader.scan_rows::<AccountDay, Bytes>((Bound::Included(begin), Bound::Excluded(end)), Direction::Ascending);
    rows.filter_map(|row| {
        let named = row.and_then(|(key, row)| Ok((rows::account_of(&key)?, row)));
        match named {
            Ok(((_, user, None), row)) => Some(Ok((user, row))),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    })
}

/// Every day of all, then every day of each symbol.
pub fn every_market_day(
    reader: &ViewReader,
) -> impl Iterator<Item = Result<((Day, Option<Symbol>), MarketDay), Error>> + use<> {
    let days = reader.scan_prefix_rows::<MarketDay>(&[keys::ANALYTICS_DAY], Direction::Ascending).map(|row| {
        let (key, row) = row?;
        Ok(((rows::day_of(&key)?, None), row))
    });
    let symbols = reader.scan_prefix_rows::<MarketDay>(&[keys::ANALYTICS_SYMBOL], Direction::Ascending).map(|row| {
        let (key, row) = row?;
        let (day, symbol) = rows::symbol_of(&key)?;
        Ok(((day, Some(symbol)), row))
    });
    days.chain(symbols)
}

/// A day of an account, in one symbol or in all.
pub type EveryPlace = (Day, UserId, Option<Symbol>);

/// Every day of each account, and of each of its symbols.
pub fn every_account_day(reader: &ViewReader) -> impl Iterator<Item = Result<(EveryPlace, AccountDay), Error>> + use<> {
    reader.scan_prefix_rows::<AccountDay>(&[keys::ANALYTICS_ACCOUNT], Direction::Ascending).map(|row| {
        let (key, row) = row?;
        Ok((rows::account_of(&key)?, row))
    })
}

/// By what symbols are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// The largest change in proportion, whichever way.
    Change,
    /// The largest rise in proportion.
    Gainers,
    /// The largest fall in proportion.
    Losers,
    /// The largest turnover.
    Turnover,
    /// The most shares.
    Volume,
    /// The most trades.
    Trades,
}

impl Rank {
    /// All of them, as requests name them.
    pub const ALL: [(&'static str, Rank); 6] = [
        ("change", Rank::Change),
        ("gainers", Rank::Gainers),
        ("losers", Rank::Losers),
        ("turnover", Rank::Turnover),
        ("volume", Rank::Volume),
        ("trades", Rank::Trades),
    ];

    /// Which comes first.
    fn cmp(self, (a, of_a): &(&MarketDay, &Prices), (b, of_b): &(&MarketDay, &Prices)) -> Ordering {
        match self {
            Rank::Change => of_b.cmp_move(of_a),
            Rank::Gainers => of_b.cmp_change(of_a),
            Rank::Losers => of_a.cmp_change(of_b),
            Rank::Turnover => b.turnover.cmp(&a.turnover),
            Rank::Volume => b.volume.cmp(&a.volume),
            Rank::Trades => b.trades.cmp(&a.trades),
        }
    }

    /// Whether it is one of those at all: what fell is no gainer.
    fn has(self, prices: &Prices) -> bool {
        match self {
            Rank::Gainers => prices.change() > orderledger_domain::money::Amount::ZERO,
            Rank::Losers => prices.change().is_negative(),
            _ => true,
        }
    }
}

/// The first symbols of a day that traded, ranked; of equals by name.
pub fn movers(reader: &ViewReader, day: Day, by: Rank, limit: usize) -> Result<Vec<(Symbol, MarketDay)>, Error> {
    let keep = limit.saturating_mul(4).max(1024);
    let one = Days { from: day, to: day, direction: Direction::Ascending };
    let mut best: Vec<(Symbol, MarketDay, Prices)> = Vec::new();
    let sort = |best: &mut Vec<(Symbol, MarketDay, Prices)>| {
        best.sort_by(|a, b| by.cmp(&(&a.1, &a.2), &(&b.1, &b.2)).then_with(|| a.0.cmp(&b.0)));
        best.truncate(limit);
    };
    for row in reader.scan_rows::<MarketDay, Bytes>(one.keys(keys::ANALYTICS_SYMBOL, None), one.direction) {
        let (key, row) = row?;
        let Some(prices) = row.prices.filter(|prices| by.has(prices)) else { continue };
        best.push((rows::symbol_of(&key)?.1, row, prices));
        if best.len() >= keep {
            sort(&mut best);
        }
    }
    sort(&mut best);
    Ok(best.into_iter().map(|(symbol, row, _)| (symbol, row)).collect())
}

/// Up to so many rows, and the last one's place if there are more.
fn page<K: Copy, R>(mut rows: impl Iterator<Item = Result<(K, R), Error>>, limit: usize) -> Result<Page<K, R>, Error> {
    let mut given: Vec<(K, R)> = rows.by_ref().take(limit).collect::<Result<_, _>>()?;
    given.shrink_to_fit();
    let is_more = given.len() == limit && rows.next().transpose()?.is_some();
    let next = given.last().map(|(place, _)| *place).filter(|_| is_more);
    Ok((given, next))
}
