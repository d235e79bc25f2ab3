//! `verify`: everything once more from the log, by other code, compared with the log itself and with the views.

use orderledger_projections::verify::{Check, Compared};
use serde_json::json;

use super::progress::Bar;
use super::{Failure, LogArgs, print, print_json};
use crate::ledger::{Verified, open_log, verify};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
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
    let verified = verify(&data, &*log, &settings.key, &mut |passed| bar.set_passed(passed))?;
    bar.end();
    if args.json {
        print_json(&row(&verified))?
    } else {
        print(table(&verified))?
    }
    if verified.report.is_equal() {
        return Ok(());
    }
    let named = verified.report.checks().filter(|(_, compared)| compared.differences > 0);
    let named: Vec<&str> = named.map(|(check, _)| check.as_str()).collect();
    Err(Failure::difference(format!(
        "differences in {}; a view can be rebuilt with `orderledger rebuild`, a difference in the log itself needs a copy of the log",
        named.join(", ")
    )))
}

pub(super) fn row(verified: &Verified) -> serde_json::Value {
    let report = &verified.report;
    let checks = report.checks().map(|(check, compared)| {
        json!({
            "check": check,
            "compared": compared.compared,
            "differences": compared.differences,
            "first": compared.first,
            "whatToDo": what_to_do(check, &compared),
        })
    });
    json!({
        "equal": report.is_equal(),
        "records": report.records,
        "unanswered": report.unanswered,
        "pending": report.pending,
        "checks": checks.collect::<Vec<_>>(),
    })
}

/// A line a check, and the first differences below it.
pub(crate) fn table(verified: &Verified) -> String {
    let report = &verified.report;
    let mut text = format!(
        "{} records read; {} outside records not answered yet, {} records still to be written\n",
        report.records, report.unanswered, report.pending
    );
    for (check, compared) in report.checks() {
        let verdict =
            if compared.differences == 0 { "equal".to_owned() } else { format!("{} DIFFER", compared.differences) };
        text.push_str(&format!("{:<18} {:>10} compared  {verdict}\n", check.as_str(), compared.compared));
        for difference in &compared.first {
            text.push_str(&format!(
                "    {}: expected {}, found {}\n",
                difference.at, difference.expected, difference.found
            ));
        }
        if let Some(what) = what_to_do(check, &compared) {
            text.push_str(&format!("    {what}\n"));
        }
    }
    text
}

/// What is to be done about differences of which nothing else says it.
fn what_to_do(check: Check, compared: &Compared) -> Option<&'static str> {
    (check == Check::Digests && compared.differences > 0).then_some(
        "expected is of the rows as they are, found is what the view keeps; whether its rows are right, the other checks say. \
         Make the view anew without the server: orderledger rebuild NAME",
    )
}
