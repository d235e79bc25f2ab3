//! `rebuild`: views from offset zero, offline.

use serde_json::json;

use super::progress::Bar;
use super::{Failure, LogArgs, print, print_json};
use crate::ledger::{Rebuilt, open_log, rebuild};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which view.
    #[arg(value_parser = ["settlement", "market", "audit", "all"])]
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
    let mut bar = Bar::new(0, "records");
    let rebuilt = rebuild(&data, &*log, &settings.key, &args.projection, &mut |passed| bar.set_passed(passed))?;
    bar.end();
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
            "the rebuilt {0} view differs from the live one, first at key {1}; the live one stays. If the program was \
             changed while something is parked (orderledger parked list), retry that first; else, if the log is right, \
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

pub(super) fn row(rebuilt: &Rebuilt) -> serde_json::Value {
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
