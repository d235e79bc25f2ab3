//! From one log, or a file, into an empty log; and whether everything arrived as it was.

use orderledger_store::Error;
use orderledger_store::event_log::{EventLog, Record, Restoring};

use super::origin::{Origin, Piece};

/// Copies every record, and returns how many once all are acknowledged.
pub(crate) fn copy(from: &Origin<'_>, to: &mut dyn Restoring, progress: &mut dyn FnMut(usize)) -> Result<usize, Error> {
    let mut copied = 0_usize;
    from.each(&mut |piece| match piece {
        Piece::Records(of, records) => {
            copied = copied.saturating_add(records.len());
            to.take(of, records)?;
            progress(copied);
            Ok(())
        }
        Piece::End(of, at) => to.end(of, at),
    })?;
    to.sync()?;
    Ok(copied)
}

/// Reads all of it again, there and here: offsets, append times, keys, values, headers. [`Error::Corrupt`] at the first record that
/// differs, is missing or is one too many.
pub(crate) fn compare(from: &Origin<'_>, with: &dyn EventLog, progress: &mut dyn FnMut(usize)) -> Result<(), Error> {
    let (mut compared, mut next) = (0_usize, 0_u64);
    from.each(&mut |piece| match piece {
        Piece::Records(of, records) => {
            let mut expected = records.as_slice();
            while let Some(first) = expected.first() {
                let found = with.read(of, next, expected.len())?;
                let (here, rest) = expected.split_at_checked(found.len()).unwrap_or((expected, &[]));
                if found.is_empty() || here != found.as_slice() {
                    let (expected, found) = first_difference(here, &found).unwrap_or((Some(first), None));
                    let what = difference(expected, found);
                    return Err(Error::corrupt(of.offset(expected.map_or(next, |record| record.offset)), what));
                }
                next = found.last().map_or(next, |last| last.offset.saturating_add(1));
                expected = rest;
            }
            compared = compared.saturating_add(records.len());
            progress(compared);
            Ok(())
        }
        Piece::End(of, _) => {
            let more = with.read(of, std::mem::take(&mut next), 1)?;
            match more.first() {
                None => Ok(()),
                Some(record) => Err(Error::corrupt(of.offset(record.offset), difference(None, Some(record)))),
            }
        }
    })
}

type Pair<'a> = (Option<&'a Record>, Option<&'a Record>);

fn first_difference<'a>(expected: &'a [Record], found: &'a [Record]) -> Option<Pair<'a>> {
    let pairs = (0..expected.len().max(found.len())).map(|at| (expected.get(at), found.get(at)));
    pairs.into_iter().find(|(expected, found)| expected != found)
}

fn difference(expected: Option<&Record>, found: Option<&Record>) -> &'static str {
    match (expected, found) {
        (Some(expected), Some(found)) if expected.offset != found.offset => "the copy has another offset here",
        (Some(expected), Some(found)) if expected.recorded_at_ms != found.recorded_at_ms => {
            "the copy has another append time here"
        }
        (Some(_), Some(_)) => "the copy has another record here",
        (Some(_), None) => "the copy lacks this record",
        _ => "the copy has a record here that was never copied: somebody else writes to it",
    }
}

#[cfg(test)]
mod tests;
