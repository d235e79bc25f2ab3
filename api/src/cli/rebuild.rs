//! `rebuild`: views from offset zero, offline.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use orderledger_projections::rebuild::Passed;
use serde_json::json;

use super::{Failure, LogArgs, print, print_json};
use crate::ledger::{Rebuilt, open_log, rebuild};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// settlement, market, audit or all.
    projection: String,
    #[command(flatten)]
    log: LogArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let settings = args.log.settings()?;
    let (data, log) = open_log(&settings, false)?;
    let mut shown = Shown::new();
    let rebuilt = rebuild(&data, &*log, &settings.key, &args.projection, &mut |passed| shown.show(passed))?;
    shown.bar.finish_and_clear();
    if args.json {
        print_json(&rebuilt.iter().map(row).collect::<Vec<_>>())?;
    } else {
        for rebuilt in &rebuilt {
            print(line(rebuilt))?;
        }
    }
    match rebuilt.iter().find(|rebuilt| !rebuilt.is_equal()) {
        None => Ok(()),
        Some(differs) => Err(Failure::difference(format!(
            "the rebuilt {0} view differs from the live one, first at key {1}; the live one stays: if the log is right, \
             remove the folder views/{0} of the data directory and start again",
            differs.projection,
            differs.first_difference.as_deref().unwrap_or("unknown")
        ))),
    }
}

/// A table line about one rebuilt projection.
pub(crate) fn line(rebuilt: &Rebuilt) -> String {
    let verdict = if rebuilt.is_equal() { "equal" } else { "DIFFERENT" };
    format!(
        "{:<10} generation {} -> {}  {} rows  digest {} ({verdict})\n",
        rebuilt.projection, rebuilt.from_generation, rebuilt.to_generation, rebuilt.rows, rebuilt.rebuilt_digest
    )
}

fn row(rebuilt: &Rebuilt) -> serde_json::Value {
    json!({
        "projection": rebuilt.projection,
        "fromGeneration": rebuilt.from_generation,
        "generation": rebuilt.to_generation,
        "rows": rebuilt.rows,
        "records": rebuilt.records,
        "foldingMs": u64::try_from(rebuilt.folding.as_millis()).unwrap_or(u64::MAX),
        "liveDigest": rebuilt.live_digest,
        "digest": rebuilt.rebuilt_digest,
        "equal": rebuilt.is_equal(),
        "firstDifference": rebuilt.first_difference,
    })
}

/// Progress on stderr: a bar with rate and ETA on a terminal, plain lines elsewhere.
pub(crate) struct Shown {
    pub(crate) bar: ProgressBar,
    plain: Option<Instant>,
}

impl Shown {
    pub(crate) fn new() -> Shown {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = "{bar:40} {pos}/{len} records  {per_sec}  ETA {eta}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Shown { bar, plain: (!terminal).then(Instant::now) }
    }

    pub(crate) fn show(&mut self, passed: Passed) {
        self.bar.set_length(passed.records.saturating_add(passed.left));
        self.bar.set_position(passed.records);
        let Some(said) = &mut self.plain else { return };
        if said.elapsed() >= Duration::from_secs(2) {
            *said = Instant::now();
            tracing::warn!(records = passed.records, left = passed.left, "reading the log");
        }
    }
}
