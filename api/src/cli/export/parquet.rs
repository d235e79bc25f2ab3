//! `export parquet`: day after day, what isn't there whole yet.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use orderledger_domain::timestamp::Day;
use serde_json::json;

use super::day::{Written, leftovers, names, read_lines, stands, write};
use super::table::{KINDS, Table};
use crate::cli::server::ServerArgs;
use crate::cli::{Failure, print, print_json};

/// How long a server may take to decide and show all that it took on a day that is over.
const SHOWN_WITHIN_MS: u32 = 10_000;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The directory of the files: DIR/trades/day=2025-01-15/part-0.parquet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The first day of UTC, as in 2025-01-15.
    #[arg(long, value_name = "DAY")]
    from: String,
    /// The last day of UTC.
    #[arg(long, value_name = "DAY")]
    to: String,
    /// What of the days.
    #[arg(long, value_delimiter = ',', value_parser = kinds(), default_value = "trades,orders,postings")]
    kind: Vec<&'static Table>,
    /// The day that is still running, too, as far as it is; a later export writes it anew.
    #[arg(long)]
    running: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// The option is another one's name, too, which may be configured: what it says is looked at here.
fn day(option: &str, text: &str) -> Result<Day, Failure> {
    Day::parse(text).ok_or_else(|| {
        Failure::usage(format!("{option} {text}: a day is written like 2025-01-15; name the day with {option}"))
    })
}

fn kinds() -> impl TypedValueParser<Value = &'static Table> {
    PossibleValuesParser::new(KINDS.iter().map(|table| table.name))
        .try_map(|name| KINDS.iter().find(|table| table.name == name).ok_or("no such kind"))
}

/// What an export came to.
#[derive(Debug, Default)]
struct Outcome {
    written: u64,
    rows: u64,
    skipped: u64,
    /// The first day that was left out, for it is still running.
    running: Option<Day>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let (from, to) = (day("--from", &args.from)?, day("--to", &args.to)?);
    if to < from {
        return Err(Failure::usage("--to lies before --from: turn them round"));
    }
    let server = args.server.open()?;
    let mut outcome = Outcome::default();
    let days = (from.number()..=to.number()).filter_map(Day::from_number);
    // Between these two nothing happened, said the server.
    let mut quiet = (from, from);
    'days: for day in days {
        let is_quiet = quiet.0 < day && day < quiet.1;
        for table in &args.kind {
            let (directory, file) = names(&args.out, table, day);
            if stands(&file, table)? {
                outcome.skipped = outcome.skipped.saturating_add(1);
                continue;
            }
            if is_quiet {
                leftovers(&directory)?;
                write(table, (&directory, &file), true, std::iter::empty())?;
                outcome.written = outcome.written.saturating_add(1);
                continue;
            }
            let path = format!("/v1/analytics/export/{}?day={day}&waitMs={SHOWN_WITHIN_MS}", table.name);
            let ([said, next], body) = server.stream_saying(&path, ["ledger-day", "ledger-next-day"])?;
            let is_over = said.as_deref() == Some("over");
            if let Some(next) = next.as_deref().and_then(Day::parse) {
                quiet = (day, next);
            }
            if !is_over && !args.running {
                outcome.running = Some(day);
                break 'days;
            }
            leftovers(&directory)?;
            let Written { rows } = write(table, (&directory, &file), is_over, read_lines(body, server.url()))?;
            outcome.rows = outcome.rows.saturating_add(rows);
            outcome.written = outcome.written.saturating_add(1);
            if !is_over {
                outcome.running = Some(day);
            }
        }
        // What comes after the day that is running has not begun.
        if outcome.running.is_some() {
            break;
        }
    }
    tell(args, &outcome)
}

fn tell(args: &Args, outcome: &Outcome) -> Result<(), Failure> {
    let Outcome { written, rows, skipped, running } = outcome;
    let out = args.out.display();
    if args.json {
        let running = running.map(|day| day.to_string());
        return print_json(
            &json!({"out": out.to_string(), "files": written, "rows": rows, "skipped": skipped, "running": running}),
        );
    }
    let ends = match running {
        Some(day) if args.running => format!("; {day} is still running: a later export writes it anew"),
        Some(day) => format!("; {day} is still running and is left out: --running takes it as far as it is"),
        None => String::new(),
    };
    print(format!("{rows} rows in {written} files in {out}; {skipped} were there already{ends}\n"))
}
