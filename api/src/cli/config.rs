//! The configuration file: `orderledger.toml`, one key an option (`listen = "127.0.0.1:8080"`).

use std::path::PathBuf;

use clap::Command;

use super::Failure;

/// The file read where no other is named.
pub(super) const FILE: &str = "orderledger.toml";

/// Makes the file's values the defaults of the options they name. A missing default file is no error.
pub(super) fn defaults(command: Command) -> Result<Command, Failure> {
    let named = named_file();
    let path = named.clone().unwrap_or_else(|| PathBuf::from(FILE));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => return Ok(command),
        Err(error) => return Err(Failure::usage(format!("{}: can't be read: {error}", path.display()))),
    };
    let unreadable = |error: toml::de::Error| {
        let line = error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.split('\n').count());
        let what = error.message().replace('\n', ", ");
        Failure::usage(format!("{}: line {line}: {what}; correct it", path.display()))
    };
    let table: toml::Table = text.parse().map_err(unreadable)?;
    let mut values = Vec::new();
    for (key, value) in table {
        values.push((key.replace('_', "-"), plain(&value, &key, &path)?));
    }
    check_keys(&command, &values, &path)?;
    Ok(with_values(command, &values))
}

/// The file named by option or environment, before the options are parsed: their defaults depend on it.
fn named_file() -> Option<PathBuf> {
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(path) = argument.strip_prefix("--config=") {
            return Some(PathBuf::from(path));
        }
    }
    std::env::var_os("ORDERLEDGER_CONFIG").map(PathBuf::from)
}

fn plain(value: &toml::Value, key: &str, path: &std::path::Path) -> Result<String, Failure> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(flag) => Ok(flag.to_string()),
        _ => Err(Failure::usage(format!("{}: {key} must be a string, an integer or true/false", path.display()))),
    }
}

fn check_keys(command: &Command, values: &[(String, String)], path: &std::path::Path) -> Result<(), Failure> {
    for (key, _) in values {
        if !knows(command, key) {
            return Err(Failure::usage(format!("{}: there is no option --{key}; remove the key", path.display())));
        }
    }
    Ok(())
}

fn knows(command: &Command, option: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(option))
        || command.get_subcommands().any(|command| knows(command, option))
}

fn with_values(command: Command, values: &[(String, String)]) -> Command {
    let command = command.mut_args(|argument| {
        let value = values.iter().find(|(key, _)| argument.get_long() == Some(key));
        match value {
            Some((_, value)) => argument.default_value(value.clone()).required(false),
            None => argument,
        }
    });
    command.mut_subcommands(|command| with_values(command, values))
}
