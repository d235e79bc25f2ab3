//! `config show`: every option, its value, and where that comes from.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};
use serde::Serialize;

use super::file::{self, File};
use super::options::{self, Of};
use super::{configured, secrets};
use crate::cli::args::PROPERTIES;
use crate::cli::{Failure, print, print_json};

/// What stands in the place of a secret.
const HIDDEN: &str = "(hidden)";

/// Shows what is configured.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Config {
    /// Shows every option with its value and where that comes from; secrets are hidden.
    Show(Args),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
    /// A command with its options, as in `serve --listen 127.0.0.1:9000`: only its options are shown [default: those of all commands]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    line: Vec<OsString>,
}

/// Where a value comes from, the last one winning over those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
enum Source {
    /// There is none.
    Unset,
    Default,
    File,
    Environment,
    Flag,
}

/// One option.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Row {
    /// The key of the file.
    option: String,
    /// Null if there is none, or it is hidden.
    value: Option<String>,
    source: Source,
    /// The file, the variable or the flag that says it.
    from: Option<String>,
    hidden: bool,
    /// The commands that have the option with this value.
    commands: Vec<String>,
}

#[derive(Serialize)]
struct Shown {
    /// The file that was read.
    file: Option<String>,
    options: Vec<Row>,
}

pub(in crate::cli) fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let Config::Show(args) = config;
    let shown = shown(command, &args.line)?;
    if args.json { print_json(&shown) } else { print(text(&shown)) }
}

fn shown(command: Command, line: &[OsString]) -> Result<Shown, Failure> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let file = file::read(&arguments)?;
    let mut rows: BTreeMap<(String, Source, Option<String>), Row> = BTreeMap::new();
    let mut add = |row: Row, of: String| {
        let known = rows.entry((row.option.clone(), row.source, row.value.clone())).or_insert(row);
        if !of.is_empty() {
            known.commands.push(of);
        }
    };
    let given = Given::of(command.clone(), line, &arguments)?;
    let wanted = |of: &Of<'_>| given.as_ref().is_none_or(|given| of.command.is_empty() || of.command == given.command);
    for of in options::all(&command).into_iter().filter(|of| wanted(of)) {
        let flag = given.as_ref().filter(|given| of.command == given.command).and_then(|given| given.flag(&of));
        add(row(&of, flag, file.as_ref()), of.command);
    }
    for (name, (value, source, from)) in properties(file.as_ref(), given.as_ref()) {
        let (option, value) = (format!("kafka.{name}"), secrets::shown_property(&name, &value));
        let hidden = value.is_none();
        add(Row { option, value, source, from: Some(from), hidden, commands: Vec::new() }, String::new());
    }
    Ok(Shown { file: file.map(|file| file.path.display().to_string()), options: rows.into_values().collect() })
}

/// A command line that was given to look at.
struct Given {
    command: String,
    matches: ArgMatches,
}

impl Given {
    fn of(command: Command, line: &[OsString], arguments: &[OsString]) -> Result<Option<Given>, Failure> {
        if line.is_empty() {
            return Ok(None);
        }
        let words = std::iter::once(OsString::from("orderledger")).chain(line.iter().cloned());
        let matches = configured(command, arguments)?.try_get_matches_from(words).map_err(|error| {
            let said = error.to_string();
            Failure::usage(said.lines().next().unwrap_or_default().trim_start_matches("error: "))
        })?;
        let (mut path, mut leaf) = (Vec::new(), matches);
        while let Some((name, below)) = leaf.remove_subcommand() {
            path.push(name);
            leaf = below;
        }
        Ok(Some(Given { command: path.join(" "), matches: leaf }))
    }

    /// What the command line says of an option of its command.
    fn flag(&self, of: &Of<'_>) -> Option<String> {
        let id = of.arg.get_id().as_str();
        if self.matches.value_source(id) != Some(ValueSource::CommandLine) {
            return None;
        }
        if matches!(of.arg.get_action(), ArgAction::SetTrue) {
            return Some("true".to_owned());
        }
        Some(joined(self.matches.get_raw(id)?))
    }

    /// The properties of librdkafka that it names.
    fn properties(&self) -> Vec<String> {
        let named = self.matches.try_get_many::<String>("kafka_property").ok().flatten();
        named.into_iter().flatten().cloned().collect()
    }
}

fn joined<'a>(values: impl IntoIterator<Item = &'a OsStr>) -> String {
    values.into_iter().map(OsStr::to_string_lossy).collect::<Vec<_>>().join(",")
}

fn row(of: &Of<'_>, flag: Option<String>, file: Option<&File>) -> Row {
    let variable = of.arg.get_env().unwrap_or_default();
    let in_environment = || {
        let value = std::env::var_os(variable)?;
        Some((value.to_string_lossy().into_owned(), Source::Environment, Some(variable.to_string_lossy().into_owned())))
    };
    let in_file = || {
        let file = file?;
        let value = file.values.iter().find(|value| value.option == of.name)?;
        Some((value.joined(), Source::File, Some(file.path.display().to_string())))
    };
    let by_default = || {
        let values = of.arg.get_default_values();
        let flag = matches!(of.arg.get_action(), ArgAction::SetTrue).then(|| "false".to_owned());
        let value = if values.is_empty() { flag? } else { joined(values.iter().map(|value| value.as_os_str())) };
        Some((value, Source::Default, None))
    };
    let by_flag = flag.map(|value| (value, Source::Flag, Some(format!("--{}", of.name))));
    let found = by_flag.or_else(in_environment).or_else(in_file).or_else(by_default);
    let (value, source, from) = match found {
        Some((value, source, from)) => (secrets::shown(of.name, &value), source, from),
        None => (None, Source::Unset, None),
    };
    let hidden = value.is_none() && source != Source::Unset;
    Row { option: options::key(of.name), value, source, from, hidden, commands: Vec::new() }
}

/// The properties of librdkafka, each from where it wins.
fn properties(file: Option<&File>, given: Option<&Given>) -> BTreeMap<String, (String, Source, String)> {
    let path = file.map(|file| file.path.display().to_string()).unwrap_or_default();
    let lines = std::env::var(PROPERTIES).unwrap_or_default();
    let in_file = file.map_or(&[][..], File::properties).iter().map(|pair| (pair.clone(), Source::File, path.clone()));
    let in_environment = lines.lines().map(|line| (line.to_owned(), Source::Environment, PROPERTIES.to_owned()));
    let flags = given.map(Given::properties).unwrap_or_default();
    let by_flag = flags.into_iter().map(|pair| (pair, Source::Flag, "--kafka-property".to_owned()));
    let all = in_file.chain(in_environment).chain(by_flag);
    let named = all.filter_map(|(pair, source, from)| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim().to_owned(), (value.to_owned(), source, from)))
    });
    named.collect()
}

/// A line an option; the commands only where the others have another value.
fn text(shown: &Shown) -> String {
    let mut text = match &shown.file {
        Some(file) => format!("# {file}\n"),
        None => format!("# no {}: nothing is read from a file\n", file::FILE),
    };
    let width = shown.options.iter().map(|row| row.option.len()).max().unwrap_or(0);
    for row in &shown.options {
        let value = match (&row.value, row.hidden) {
            (_, true) => HIDDEN,
            (Some(value), _) => value,
            (None, _) => "-",
        };
        let source = match row.source {
            Source::Unset => "not set",
            Source::Default => "default",
            Source::File => "file",
            Source::Environment => "environment",
            Source::Flag => "flag",
        };
        let from = row
            .from
            .as_ref()
            .filter(|_| row.source != Source::File)
            .map_or_else(String::new, |from| format!(" {from}"));
        let several = shown.options.iter().filter(|other| other.option == row.option).count() > 1;
        let commands = if several { format!(" ({})", row.commands.join(", ")) } else { String::new() };
        text.push_str(&format!("{:<width$}  {value:<24}  {source}{from}{commands}\n", row.option));
    }
    text
}
