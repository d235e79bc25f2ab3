//! What the file and the environment say, before anything is done with it.

use std::ffi::OsStr;
use std::path::Path;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};

use super::file::{File, KAFKA, Value};
use super::options::{self, Of};
use super::{secrets, similar};
use crate::cli::Failure;

/// Refuses a key that is no option, a value that its option doesn't take, and a secret that everybody may read.
pub(super) fn file(command: &Command, file: &File) -> Result<(), Failure> {
    keys(command, &file.values, &file.path)?;
    values(command, &file.values, &file.path)?;
    secrets::check_file(file)
}

pub(super) fn keys(command: &Command, values: &[Value], path: &Path) -> Result<(), Failure> {
    if let Some(property) = values.iter().find(|value| value.option == options::PROPERTY) {
        // Beside the table it would be no secret, and in no list.
        let to_do = "write properties of librdkafka as a table [kafka], a line each";
        return Err(Failure::usage(format!("{}: {} is no key of the file; {to_do}", path.display(), property.key)));
    }
    let Some(unknown) = values.iter().find(|value| !options::knows(command, &value.option)) else { return Ok(()) };
    let known: Vec<String> = options::all(command).iter().map(|of| options::key(of.name)).collect();
    let meant = similar(&unknown.key, known.iter().map(String::as_str).chain([KAFKA]));
    let to_do = match meant {
        Some(meant) => format!("did you mean {meant}? Correct the key, or remove it"),
        None => "remove the key; `orderledger config show` lists all".to_owned(),
    };
    Err(Failure::usage(format!("{}: {}: there is no such option; {to_do}", path.display(), unknown.key)))
}

fn values(command: &Command, values: &[Value], path: &Path) -> Result<(), Failure> {
    let options = options::all(command);
    for value in values {
        for of in options.iter().filter(|of| of.name == value.option) {
            wrong(of, &value.values).map_or(Ok(()), |why| {
                let (path, key) = (path.display(), &value.key);
                Err(Failure::usage(format!("{path}: {key} {why}; correct it ({})", help(of))))
            })?;
        }
    }
    Ok(())
}

/// If a value that clap refuses came from the environment: the variable, what is wrong, and what to do.
pub(super) fn variable(command: &Command, error: &clap::Error) -> Option<Failure> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (named, refused) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let name = named.strip_prefix("--")?.split([' ', '=', '[']).next()?;
    let of = options::all(command).into_iter().find(|of| of.name == name)?;
    let variable = of.arg.get_env()?;
    let value = std::env::var_os(variable)?.into_string().ok().filter(|value| value == refused)?;
    let (why, variable) = (wrong(&of, &[value])?, variable.display());
    Some(Failure::usage(format!("{variable} {why}; correct the variable, or unset it ({})", help(&of))))
}

fn help(of: &Of<'_>) -> String {
    let space = if of.command.is_empty() { "" } else { " " };
    format!("see: orderledger {}{space}--help", of.command)
}

/// Why the option doesn't take these values. A secret isn't repeated, nor is what may hold one.
fn wrong(of: &Of<'_>, values: &[String]) -> Option<String> {
    let takes_many = matches!(of.arg.get_action(), ArgAction::Append);
    if values.len() != 1 && !takes_many {
        return Some("must be one value".to_owned());
    }
    let delimiter = of.arg.get_value_delimiter();
    let single = values.iter().flat_map(|value| match delimiter {
        Some(delimiter) => value.split(delimiter).collect::<Vec<_>>(),
        None => vec![value.as_str()],
    });
    let parser = of.arg.get_value_parser();
    single.into_iter().find_map(|value| {
        let why = refused(parser, value)?;
        let shown = if secrets::hides(of.name, value) { String::new() } else { format!(" \"{value}\"") };
        Some(format!("can't be{shown}: {why}"))
    })
}

/// Why a parser doesn't take a value, in one line.
fn refused(parser: &ValueParser, value: &str) -> Option<String> {
    const PROBE: &str = "value";
    let arg = Arg::new(PROBE).value_parser(parser.clone()).allow_hyphen_values(true);
    let probe = Command::new(PROBE).no_binary_name(true).disable_help_flag(true).arg(arg);
    let error = probe.try_get_matches_from([OsStr::new("--"), OsStr::new(value)]).err()?;
    let strings = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(strings)) => strings.join(", "),
        _ => String::new(),
    };
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    Some(match cause {
        Some(cause) => cause,
        None if strings.is_empty() => "it is none that the option takes".to_owned(),
        None => format!("it must be one of {strings}"),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::super::{file, options};
    use super::*;
    use crate::cli::{Cli, LogCommand, command};

    fn said(text: &str) -> String {
        let values = file::values(text.parse().unwrap(), Path::new("f.toml")).unwrap();
        let (command, path) = (command(), Path::new("f.toml"));
        let checked = keys(&command, &values, path).and_then(|()| super::values(&command, &values, path));
        checked.err().map(|failure| failure.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_names_file_and_key_and_says_what_to_do() {
        for (text, expected) in [
            (
                "lissten = \"x\"",
                "f.toml: lissten: there is no such option; did you mean listen? Correct the key, or remove it",
            ),
            (
                "colour = 1",
                "f.toml: colour: there is no such option; remove the key; `orderledger config show` lists all",
            ),
            (
                "listen = \"here\"",
                "f.toml: listen can't be \"here\": invalid socket address syntax; correct it (see: orderledger serve --help)",
            ),
            (
                "log = \"kafak\"",
                "f.toml: log can't be \"kafak\": it must be one of embedded, kafka; correct it (see: orderledger serve --help)",
            ),
            (
                "answer_timeout_ms = \"5 seconds\"",
                "f.toml: answer_timeout_ms can't be \"5 seconds\": invalid digit found in string; correct it (see: orderledger serve --help)",
            ),
            ("quiet_hours = \"late\"", "f.toml: quiet_hours can't be \"late\": "),
            ("rate_limit = \"100/h\"", "f.toml: rate_limit can't be \"100/h\": "),
            ("expires = \"soon\"", "f.toml: expires can't be \"soon\": write a moment such as 2027-01-01T00:00:00Z"),
            ("listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"]", "f.toml: listen must be one value; correct it"),
            ("role = [\"trader\", \"king\"]", "f.toml: role can't be \"king\": "),
            (
                "otlp_endpoint = \"ftp://ann:hunter2@host\"",
                "f.toml: otlp_endpoint can't be: write an address as in http://",
            ),
            (
                "otlp_endpoint = \"ann:hunter2@host/v1\"",
                "f.toml: otlp_endpoint can't be: write an address as in http://",
            ),
        ] {
            assert!(said(text).starts_with(expected), "{text}: {}", said(text));
        }
        for right in
            ["role = [\"trader\", \"service\"]", "role = \"trader,service\"", "json = true", "rate_limit = \"100/s\""]
        {
            assert_eq!(said(right), "", "{right}");
        }
    }

    #[test]
    fn the_example_is_right() {
        let text = include_str!("../../../../docs/orderledger.example.toml");
        assert_eq!(said(text), "");
        let values = file::values(text.parse().unwrap(), Path::new("f.toml")).unwrap();
        let command = options::with_defaults(command(), &values);
        let cli =
            Cli::from_arg_matches(&command.try_get_matches_from(["orderledger", "log", "dump"]).unwrap()).unwrap();
        let crate::cli::Command::Log(LogCommand::Dump(args)) = cli.command else { unreachable!() };
        let settings = args.log.kafka.settings().unwrap();
        assert_eq!((settings.prefix.as_str(), settings.properties.len()), ("trading.", 5));
        // Everything that a server is configured by is in it.
        let command = Cli::command();
        let set: Vec<&str> = values.iter().map(|value| value.option.as_str()).collect();
        let missing: Vec<&str> = options::all(&command)
            .into_iter()
            .filter(|of| of.command == "serve" || of.arg.get_env().is_some())
            .map(|of| of.name)
            .filter(|name| !set.contains(name) && *name != "config")
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
