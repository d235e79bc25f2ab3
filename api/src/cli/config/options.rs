//! Every option of every command.

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Command};

use super::file::{KAFKA, Value};
use crate::cli::args::PROPERTIES;

/// What every variable's name begins with.
pub(in crate::cli) const PREFIX: &str = "ORDERLEDGER_";

/// Options that are variables of another name, or of none: the file's table is none itself, and each property stands in a line of
/// its own variable.
const OTHERWISE: [&str; 4] = [KAFKA, PROPERTY, "help", "version"];
/// The option that gives one property of librdkafka.
pub(super) const PROPERTY: &str = "kafka-property";

/// An option of one command.
pub(super) struct Of<'a> {
    /// The command, as in `log dump`; empty for all.
    pub(super) command: String,
    /// Its long name.
    pub(super) name: &'a str,
    pub(super) arg: &'a Arg,
}

/// Every option of the command and of those below it that can be configured.
pub(super) fn all(command: &Command) -> Vec<Of<'_>> {
    fn gather<'a>(command: &'a Command, path: &str, into: &mut Vec<Of<'a>>) {
        for arg in command.get_arguments() {
            if let Some(name) = arg.get_long().filter(|name| !OTHERWISE.contains(name)) {
                into.push(Of { command: path.to_owned(), name, arg });
            }
        }
        for below in command.get_subcommands() {
            let name = below.get_name();
            let path = if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
            gather(below, &path, into);
        }
    }
    let mut options = Vec::new();
    gather(command, "", &mut options);
    options
}

/// Whether the command or one below it has the option, one that isn't a variable included.
pub(super) fn knows(command: &Command, name: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some(name))
        || command.get_subcommands().any(|of| knows(of, name))
}

/// The variable that says the option.
pub(super) fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('-', "_").to_uppercase())
}

/// Every variable that says something, and that of librdkafka's properties.
pub(in crate::cli) fn variables(command: &Command) -> Vec<String> {
    let of_options = all(command).into_iter().map(|of| variable(of.name));
    of_options.chain([PROPERTIES.to_owned()]).collect()
}

/// The key of the file that says the option.
pub(super) fn key(name: &str) -> String {
    name.replace('-', "_")
}

/// Every option can be said by its variable too.
pub(in crate::cli) fn with_variables(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let Some(name) = arg.get_long().filter(|name| !OTHERWISE.contains(name)) else { return arg };
        let variable = variable(name);
        let arg = if arg.get_env().is_none() { arg.env(variable) } else { arg };
        // A flag without a value can be switched off again there.
        if matches!(arg.get_action(), ArgAction::SetTrue) { arg.value_parser(BoolishValueParser::new()) } else { arg }
    });
    command.mut_subcommands(with_variables)
}

/// The file's values are the defaults of the options that they name.
pub(super) fn with_defaults(command: Command, values: &[Value]) -> Command {
    let command = command.mut_args(|arg| {
        let value = values.iter().find(|value| arg.get_long() == Some(&value.option));
        match value {
            Some(value) => arg.default_values(value.values.clone()).required(false),
            None => arg,
        }
    });
    command.mut_subcommands(|command| with_defaults(command, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn every_option_has_the_variable_of_its_name() {
        let command = command();
        let all = all(&command);
        assert!(all.len() > 100, "{}", all.len());
        for Of { command, name, arg } in all {
            assert_eq!(arg.get_env().and_then(|name| name.to_str()), Some(&*variable(name)), "{command} --{name}");
        }
    }
}
