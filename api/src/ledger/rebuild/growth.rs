//! Views whose files have outgrown their rows are made anew in a quiet hour: rows of sled that were
//! replaced stay there, and a rebuild writes every row once, in key order.

use std::fmt;
use std::ops::Bound;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{Timelike, Utc};
use orderledger_store::Error;
use orderledger_store::views::Direction;

use super::job::Asked;
use super::live::{NotBegun, begin};
use crate::ledger::{Ledger, ViewHandle};

/// How often it is looked whether the hour is quiet.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A view is looked at once in so long.
const AGAIN_AFTER: Duration = Duration::from_secs(20 * 3600);
/// Rows that are counted between two pauses.
const ROWS_AT_ONCE: usize = 2048;
/// Smaller files are left as they are; not by the program of tests.
const SMALL: u64 = if cfg!(feature = "faults") { 1 << 20 } else { 64 << 20 };

/// When views that have grown too much are made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tidying {
    /// It is begun within these hours.
    pub hours: QuietHours,
    /// When the files take so many times the bytes of the rows; at least [`GROWTH_MIN`].
    pub growth: u32,
}

/// A view just made takes about the bytes of its rows, and merging its files as much again for a while.
pub const GROWTH_MIN: u32 = 3;

/// Hours of the day in UTC, from one on and until another, written `2-4`; over midnight `22-4`, always `0-24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: u32,
    to: u32,
}

/// The text names no hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hours are written FROM-TO, from 0 to 24 in UTC, as in 2-4 or 22-4")]
pub struct NoHours;

impl Default for QuietHours {
    fn default() -> QuietHours {
        QuietHours { from: 2, to: 4 }
    }
}

impl QuietHours {
    fn include(self, hour: u32) -> bool {
        if self.from < self.to { (self.from..self.to).contains(&hour) } else { hour >= self.from || hour < self.to }
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

impl FromStr for QuietHours {
    type Err = NoHours;
    fn from_str(text: &str) -> Result<QuietHours, NoHours> {
        let (from, to) = text.split_once('-').ok_or(NoHours)?;
        let hour = |text: &str| text.parse().ok().filter(|hour| *hour <= 24).ok_or(NoHours);
        let (from, to) = (hour(from)?, hour(to)?);
        if from == to || from == 24 { Err(NoHours) } else { Ok(QuietHours { from, to }) }
    }
}

/// Looks at every view once a day, in a quiet hour, one after another, as long as the program runs.
pub(crate) fn tidy(ledger: &Arc<Ledger>, tidying: Tidying) -> Result<(), Error> {
    let of = Arc::clone(ledger);
    ledger.rebuilds.spawn("rebuild", move || {
        let mut looked = of.views().map(|_| None::<Instant>);
        while !of.conditions.stop.is_set() {
            for (handle, looked) in of.views().into_iter().zip(&mut looked) {
                let is_due = looked.is_none_or(|at| at.elapsed() >= AGAIN_AFTER);
                // One at a time: each may take all the memory and the whole share that rebuilds have.
                let is_free = of.views().iter().all(|handle| !handle.job().is_some_and(|job| job.runs()));
                if is_due && is_free && tidying.hours.include(Utc::now().hour()) {
                    *looked = Some(Instant::now());
                    look(&of, handle, tidying.growth);
                }
            }
            of.conditions.stop.sleep(LOOK_EVERY);
        }
    })
}

fn look(ledger: &Arc<Ledger>, handle: &Arc<ViewHandle>, growth: u32) {
    let name = handle.name;
    let begun = match sizes(ledger, handle) {
        Ok(Some((files, rows))) if is_overgrown(files, rows, growth) => {
            tracing::info!(projection = name, files, rows, "the view's files have outgrown its rows: it is made anew");
            begin(ledger, &[handle], &Asked::Rebuild(None), None).map(drop)
        }
        Ok(_) => Ok(()),
        // It is damaged, which others see to.
        Err(error) => Err(NotBegun::Store(error)),
    };
    if let Err(why) = begun {
        tracing::warn!(projection = name, ?why, "a view that may have grown is not made anew today");
    }
}

fn is_overgrown(files: u64, rows: u64, growth: u32) -> bool {
    files > SMALL && files > rows.saturating_mul(u64::from(growth))
}

/// The bytes of the live view's files, and of all its keys and values, counted in pieces; none if the program ends meanwhile or
/// another generation takes its place. Rows that come behind the counting are left out.
fn sizes(ledger: &Ledger, handle: &ViewHandle) -> Result<Option<(u64, u64)>, Error> {
    let number = handle.live.load().number;
    let (mut bytes, mut from) = (0_u64, Bound::Unbounded::<Bytes>);
    loop {
        let begun = Instant::now();
        // Taken anew for every piece: a view that is kept can't be replaced, and a reader keeps files that were merged.
        let live = handle.live.load_full();
        if live.number != number {
            return Ok(None);
        }
        let piece = live.view.reader()?.scan((from, Bound::Unbounded), Direction::Ascending).take(ROWS_AT_ONCE);
        let mut last = None;
        for row in piece {
            let (key, value) = row?;
            bytes = bytes.saturating_add(u64::try_from(key.len().saturating_add(value.len())).unwrap_or(u64::MAX));
            last = Some(key);
        }
        let Some(last) = last else { return Ok(Some((live.view.sizes()?.disk_bytes, bytes))) };
        drop(live);
        from = Bound::Excluded(last);
        if ledger.conditions.stop.is_set() {
            return Ok(None);
        }
        ledger.conditions.stop.sleep(ledger.pause_of_share(begun.elapsed(), ledger.rebuild_share));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_and_include_what_lies_between_them() {
        let within = |text: &str| -> Vec<u32> {
            let hours: QuietHours = text.parse().unwrap_or(QuietHours { from: 25, to: 25 });
            (0..24).filter(|hour| hours.include(*hour)).collect()
        };
        assert_eq!(within("2-4"), [2, 3]);
        assert_eq!(within("22-2"), [0, 1, 22, 23]);
        assert_eq!(within("0-24").len(), 24);
        for wrong in ["", "2", "2-", "2-25", "3-3", "24-2", "-1-3", "2-4-6"] {
            assert_eq!(wrong.parse::<QuietHours>(), Err(NoHours), "{wrong}");
        }
        assert_eq!("22-4".parse().map(|hours: QuietHours| hours.to_string()), Ok("22-4".to_owned()));
    }

    #[test]
    fn a_view_is_overgrown_where_its_files_are_large_and_its_rows_are_not() {
        let large = 100 << 20;
        assert!(is_overgrown(large + 1, large / 6, 6) && !is_overgrown(large, large / 6 + 1, 6));
        assert!(!is_overgrown(SMALL, 0, 6));
    }
}
