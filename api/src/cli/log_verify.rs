//! `log verify`: whether an export is what the log held, without the log.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::{Failure, print, print_json};
use crate::export::{Checked, Saved, State, check};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The export.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A saved answer of GET /v1/audit/proof, /v1/audit/checkpoints or a record's proof, whose heads the file must have;
    /// again for each.
    #[arg(long, visible_alias = "checkpoint", value_name = "FILE")]
    proof: Vec<PathBuf>,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut saved = Saved::default();
    for path in &args.proof {
        let text =
            std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        saved.take(&text).map_err(|what| Failure::usage(format!("{}: {what}", path.display())))?;
    }
    let checked = check_file(&args.file, &saved)?;
    if args.json {
        print_json(&checked)?;
    } else {
        print(table(&checked))?;
    }
    if let Some(broken) = &checked.broken {
        let at = broken.position.clone().map_or_else(String::new, |position| format!(" at {position}"));
        return Err(Failure::difference(format!("broken{at}, line {}: {}", broken.line, broken.detail)));
    }
    if !args.proof.is_empty() && checked.heads_equal == 0 {
        return Err(Failure::failed("none of the saved heads is one that the file could be compared with"));
    }
    Ok(())
}

/// What a file is.
pub(super) fn check_file(path: &Path, saved: &Saved) -> Result<Checked, Failure> {
    let unreadable = |error: std::io::Error| Failure::failed(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    check(&mut BufReader::with_capacity(1 << 20, file), saved).map_err(unreadable)
}

fn table(checked: &Checked) -> String {
    let mut text = String::new();
    for part in &checked.parts {
        let head = &part.head;
        let name = format!("{}-{}", head.topic, head.partition);
        let whole = if part.whole { "whole".to_owned() } else { format!("from {} on", part.from) };
        text.push_str(&format!("{name:<16} {whole:<14} {:>10} records  {}\n", head.count, head.sha256));
    }
    let (equal, saved) = (checked.heads_equal, checked.heads_saved);
    if saved > 0 && checked.broken.is_none() {
        text.push_str(&format!("{equal} of {saved} saved heads compared, all equal\n"));
    }
    if !checked.missing.is_empty() {
        text.push_str(&format!("saved heads of {}: the file holds nothing of it\n", checked.missing.join(", ")));
    }
    text.push_str(match checked.state {
        State::Intact => {
            "intact: every record of these partitions from offset 0 on; keys and values, chain, tree and digest as they were \
             written\n"
        }
        State::Bounded => {
            "bounded: right in itself. It can't say what stood before a part that begins later, nor of partitions that it \
             doesn't hold; that a part goes on from there needs a head saved elsewhere (--proof)\n"
        }
        State::Broken => "broken\n",
    });
    text
}
