//! Closes of sessions, and the trading days that they end.
//!
//! A close stands in every partition, at a position of its own: together they are one moment of all accounts. A close of all symbols
//! ends a trading day, which has the name of the day of UTC on which it closed; of several on one day, the last one does.

use std::collections::BTreeMap;

use bytes::Bytes;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::timestamp::{Day, Timestamp};
use orderledger_store::Error;
use orderledger_store::keys::{self, KeyBuilder, KeyReader};
use orderledger_store::views::{Direction, ViewReader};

use super::super::SINCE_SESSIONS;
use super::super::rows::{SESSION, SessionRow};
use super::page::{Listing, Page};
use super::walk::behind;

/// One close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Where it was asked for, in partition 0 of `orders`.
    pub asked: u64,
    /// When it closed.
    pub closed_at: Timestamp,
    /// What it closed for; none: every symbol.
    pub symbols: Option<Vec<Symbol>>,
    /// Where SessionClosed stands, by partition, as far as the view has come.
    pub offsets: BTreeMap<u32, u64>,
}

impl Session {
    /// The trading day that it ends, unless a later close of that day does.
    pub fn day(&self) -> Option<Day> {
        self.symbols.is_none().then(|| self.closed_at.day())
    }

    /// Where it stands in every partition that the view knows of.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        self.offsets.iter().map(|(partition, offset)| Topic::Orders.at(*partition).offset(*offset))
    }
}

type Row = ((u64, u32), SessionRow);

/// The rows of all closes behind one, by where they were asked for and by partition. [`Error::Unavailable`] where the rows are older
/// than such rows.
fn rows(
    reader: &ViewReader,
    after: Option<u64>,
    direction: Direction,
) -> impl Iterator<Item = Result<Row, Error>> + use<> {
    let missing = reader.needs(SINCE_SESSIONS).err().map(Err);
    let all = KeyBuilder::new(keys::CONTROL).name(SESSION);
    let at = after.map(|asked| match direction {
        Direction::Ascending => all.clone().u64(asked).u32(u32::MAX).build(),
        Direction::Descending => all.clone().u64(asked).build(),
    });
    let range = behind(all.build(), at, direction);
    let rows = reader.scan_rows::<SessionRow, Bytes>(range, direction).map(|row| {
        let (key, row) = row?;
        let mut fields = KeyReader::new(keys::CONTROL, &key)?;
        fields.name()?;
        Ok(((fields.u64()?, fields.u32()?), row))
    });
    missing.into_iter().chain(rows)
}

/// Closes. A place is where one was asked for. One whose row of partition 0 is still to come isn't there yet.
pub fn sessions(reader: &ViewReader, page: &Page<u64>) -> Result<Listing<Session, u64>, Error> {
    let mut rows = rows(reader, page.after, page.direction).peekable();
    let closes = std::iter::from_fn(|| {
        let ((asked, partition), first) = match rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let mut of_close = vec![(partition, first)];
        while let Some(Ok(((_, partition), row))) =
            rows.next_if(|row| row.as_ref().is_ok_and(|((also, _), _)| *also == asked))
        {
            of_close.push((partition, row));
        }
        Some(Ok((asked, of_close)))
    });
    page.fill(closes, |asked, of_close| {
        let offsets = of_close.iter().map(|(partition, row)| (*partition, row.offset)).collect();
        let home = of_close.into_iter().find(|(partition, _)| *partition == 0);
        Ok(home.map(|(_, SessionRow { closed_at, is_whole, symbols, .. })| Session {
            asked,
            closed_at,
            symbols: (!is_whole).then_some(symbols),
            offsets,
        }))
    })
}

/// Where trading days end in a partition of `orders`, the newest first.
fn day_ends(reader: &ViewReader, partition: u32) -> impl Iterator<Item = Result<(Day, u64), Error>> + use<> {
    rows(reader, None, Direction::Descending).filter_map(move |row| match row {
        Ok(((_, of), row)) => (of == partition && row.is_whole).then(|| Ok((row.closed_at.day(), row.offset))),
        Err(error) => Some(Err(error)),
    })
}

/// The offset in a partition of `orders` of the close that ended that trading day; none if it hasn't ended there.
pub fn day_end(reader: &ViewReader, partition: u32, day: Day) -> Result<Option<u64>, Error> {
    for end in day_ends(reader, partition) {
        match end? {
            (of, offset) if of == day => return Ok(Some(offset)),
            _ => {}
        }
    }
    Ok(None)
}

/// The offset of the last close that ended a trading day before that one: the day begins behind it, or else with the log.
pub fn day_begin(reader: &ViewReader, partition: u32, day: Day) -> Result<Option<u64>, Error> {
    for end in day_ends(reader, partition) {
        match end? {
            (of, offset) if of < day => return Ok(Some(offset)),
            _ => {}
        }
    }
    Ok(None)
}
