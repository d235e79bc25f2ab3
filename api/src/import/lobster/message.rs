//! The message file: `time,type,order id,size,price,direction`, a line for each event of the visible book.

use std::io::BufRead;

use orderledger_domain::money::{Price, Quantity};
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Timestamp;

use super::super::decimal;
use super::super::lines::{self, ImportError};

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Type 1: a new limit order.
    Submit,
    /// Type 2: a part of an order is canceled.
    Reduce,
    /// Type 3: an order is deleted.
    Delete,
    /// Type 4: a visible order is executed.
    Execute,
}

/// A message about the visible book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its line.
    pub line: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    pub kind: Kind,
    /// The exchange's number of the order.
    pub id: u64,
    /// Shares.
    pub size: Quantity,
    /// The order's price.
    pub price: Price,
    /// The side of the order that rests, also of an execution.
    pub side: Side,
}

/// Reads the message file; `None` stands for a message of type 5 to 7. `midnight` is when the file's day began.
pub fn read(text: impl BufRead, midnight: Timestamp) -> Result<Vec<Option<Message>>, ImportError> {
    let mut messages = Vec::new();
    let mut first = true;
    lines::for_each(text, |line, text| {
        let header = std::mem::take(&mut first) && lines::is_header(text);
        if !header {
            messages.push(read_message(line, text, midnight)?);
        }
        Ok(())
    })?;
    Ok(messages)
}

fn read_message(line: u64, text: &str, midnight: Timestamp) -> Result<Option<Message>, ImportError> {
    let bad = |what: &str| ImportError::line(line, format!("{what}; correct or remove the line"));
    let mut fields = text.split(',').map(str::trim);
    let mut next = || fields.next().ok_or_else(|| bad("has less than time,type,order id,size,price,direction"));
    let (time, kind, id, size, price, direction) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let kind = match kind {
        "1" => Kind::Submit,
        "2" => Kind::Reduce,
        "3" => Kind::Delete,
        "4" => Kind::Execute,
        "5" | "6" | "7" => return Ok(None),
        _ => return Err(bad("its type is none of 1 to 7")),
    };
    let time = decimal::scaled(time, 6).map_err(|_| bad("its time is no number of seconds after midnight"))?;
    let micros = i64::try_from(time.units).unwrap_or(i64::MAX);
    let id = id.parse().map_err(|_| bad("its order id is no whole number"))?;
    let size = size.parse().ok().and_then(|size| Quantity::new(size).ok()).filter(|size| !size.is_zero());
    let price = price.parse::<i64>().ok().and_then(|price| Price::from_units(i128::from(price)).ok());
    let side = match direction {
        "1" => Side::Buy,
        "-1" => Side::Sell,
        _ => return Err(bad("its direction is neither 1 nor -1")),
    };
    Ok(Some(Message {
        line,
        time: Timestamp::from_micros(midnight.micros().saturating_add(micros)),
        kind,
        id,
        size: size.ok_or_else(|| bad("its size is not between 1 and 100000000000 shares"))?,
        price: price.ok_or_else(|| bad("its price is not between 1 and 10000000000 (1/10000 dollars)"))?,
        side,
    }))
}

/// When the day began that a file's name has, as in `AAPL_2012-06-21_34200000_57600000_message_10.csv`; the files
/// themselves have seconds only. The exchange's own time is taken as UTC.
pub fn midnight_of(file_name: &str) -> Option<Timestamp> {
    file_name.split('_').find_map(|part| {
        let date = part.len() == "2012-06-21".len();
        date.then(|| Timestamp::parse(&format!("{part}T00:00:00Z"))).flatten()
    })
}
