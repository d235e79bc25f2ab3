//! The order book file: a row for each message, the book after it, `ask price,ask size,bid price,bid size` a level.

use std::io::BufRead;

use orderledger_domain::money::{Price, Quantity};

use super::super::lines::{self, ImportError};

/// A price and the shares that rest there.
pub type Level = (Price, u64);

/// The book after a message, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Bids, none where the book had fewer than the file's levels.
    pub bids: Vec<Level>,
    /// Asks, likewise.
    pub asks: Vec<Level>,
    /// How many levels a side the file has.
    pub depth: usize,
}

/// Reads the order book file.
pub fn read(text: impl BufRead) -> Result<Vec<Row>, ImportError> {
    let mut rows = Vec::new();
    let mut first = true;
    lines::for_each(text, |line, text| {
        let header = std::mem::take(&mut first) && lines::is_header(text);
        if !header {
            rows.push(read_row(line, text)?);
        }
        Ok(())
    })?;
    Ok(rows)
}

fn read_row(line: u64, text: &str) -> Result<Row, ImportError> {
    let bad = |what: &str| ImportError::line(line, format!("{what}; correct the line"));
    let fields = text.split(',').map(|field| field.trim().parse::<i64>());
    let numbers = fields.collect::<Result<Vec<i64>, _>>().map_err(|_| bad("has a field that is no whole number"))?;
    let (levels, []) = numbers.as_chunks::<4>() else {
        return Err(bad("has not ask price,ask size,bid price,bid size for every level"));
    };
    let mut row = Row { depth: levels.len(), ..Row::default() };
    for &[ask, ask_size, bid, bid_size] in levels {
        for (side, price, size) in [(&mut row.asks, ask, ask_size), (&mut row.bids, bid, bid_size)] {
            // An empty level has no size, and a price that is none.
            if size != 0 {
                let price = Price::from_units(i128::from(price)).map_err(|_| bad("has a price out of bounds"))?;
                let size = u64::try_from(size).ok().and_then(|size| Quantity::new(size).ok());
                side.push((price, size.ok_or_else(|| bad("has a size out of bounds"))?.shares()));
            }
        }
    }
    let falling = row.bids.is_sorted_by(|a, b| a.0 > b.0);
    let rising = row.asks.is_sorted_by(|a, b| a.0 < b.0);
    let apart = row.bids.first().zip(row.asks.first()).is_none_or(|(bid, ask)| bid.0 < ask.0);
    if falling && rising && apart { Ok(row) } else { Err(bad("is not the book of one moment, best level first")) }
}
