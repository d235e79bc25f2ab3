//! The configuration file: `orderledger.toml`, one key an option (`listen = "127.0.0.1:8080"`), and a table `[kafka]` of
//! librdkafka's properties.

use std::path::{Path, PathBuf};

use clap::Command;

use super::Failure;

/// The file read where no other is named.
pub(super) const FILE: &str = "orderledger.toml";
/// The table of librdkafka's properties.
const KAFKA: &str = "kafka";

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
    let values = values(table, &path)?;
    check_keys(&command, &values, &path)?;
    Ok(with_values(command, &values))
}

/// The options and their values; the table of Kafka's properties becomes `name=value` each.
fn values(table: toml::Table, path: &Path) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let mut values = Vec::new();
    for (key, value) in table {
        let option = key.replace('_', "-");
        let value = match value {
            toml::Value::Table(properties) if option == KAFKA => pairs("", properties, path)?,
            value => vec![plain(&value, &key, path)?],
        };
        values.push((option, value));
    }
    Ok(values)
}

/// `"sasl.mechanism" = "PLAIN"` and `sasl.mechanism = "PLAIN"` say the same.
fn pairs(above: &str, table: toml::Table, path: &Path) -> Result<Vec<String>, Failure> {
    let mut pairs = Vec::new();
    for (key, value) in table {
        let name = format!("{above}{key}");
        match value {
            toml::Value::Table(below) => pairs.extend(self::pairs(&format!("{name}."), below, path)?),
            value => pairs.push(format!("{name}={}", plain(&value, &name, path)?)),
        }
    }
    Ok(pairs)
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

fn plain(value: &toml::Value, key: &str, path: &Path) -> Result<String, Failure> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(flag) => Ok(flag.to_string()),
        _ => Err(Failure::usage(format!("{}: {key} must be a string, an integer or true/false", path.display()))),
    }
}

fn check_keys(command: &Command, values: &[(String, Vec<String>)], path: &Path) -> Result<(), Failure> {
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

fn with_values(command: Command, values: &[(String, Vec<String>)]) -> Command {
    let command = command.mut_args(|argument| {
        let value = values.iter().find(|(key, _)| argument.get_long() == Some(key));
        match value {
            Some((_, value)) => argument.default_values(value.clone()).required(false),
            None => argument,
        }
    });
    command.mut_subcommands(|command| with_values(command, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Vec<String>)>, String> {
        let table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        values(table, Path::new("f.toml")).map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn the_table_of_kafka_takes_quoted_and_dotted_names() {
        let text = "listen = \"127.0.0.1:1\"\nanswer_timeout_ms = 7\n[kafka]\n\"security.protocol\" = \"ssl\"\n\
                    sasl.mechanism = \"PLAIN\"\nlinger.ms = 5\n\"socket.keepalive.enable\" = true\n";
        let one = |name: &str, value: &str| (name.to_owned(), vec![value.to_owned()]);
        let mut values = read(text).unwrap_or_default();
        values.iter_mut().for_each(|(_, value)| value.sort());
        values.sort();
        let pairs = ["linger.ms=5", "sasl.mechanism=PLAIN", "security.protocol=ssl", "socket.keepalive.enable=true"];
        let kafka = ("kafka".to_owned(), pairs.map(str::to_owned).to_vec());
        assert_eq!(values, [one("answer-timeout-ms", "7"), kafka, one("listen", "127.0.0.1:1")]);
    }

    #[test]
    fn the_example_is_right() -> Result<(), String> {
        use clap::{CommandFactory, FromArgMatches};

        let text = include_str!("../../../docs/orderledger.example.toml");
        let (values, command) = (read(text)?, crate::cli::Cli::command());
        check_keys(&command, &values, Path::new("f.toml")).map_err(|failure| format!("{failure:?}"))?;
        let command = with_values(command, &values);
        let parsed = command.try_get_matches_from(["orderledger", "log", "dump"]).map_err(|error| error.to_string())?;
        let cli = crate::cli::Cli::from_arg_matches(&parsed).map_err(|error| error.to_string())?;
        let crate::cli::Command::Log(crate::cli::LogCommand::Dump(args)) = cli.command else {
            return Err("another command".to_owned());
        };
        let settings = args.log.kafka.settings().map_err(|failure| format!("{failure:?}"))?;
        assert_eq!((settings.prefix.as_str(), settings.properties.len()), ("trading.", 5));
        // Everything that can be set is in it.
        let mut options: Vec<String> = values.into_iter().map(|(option, _)| option).collect();
        options.extend(NOT_IN_THE_EXAMPLE.map(str::to_owned));
        let missing = left_out(&crate::cli::Cli::command(), &options);
        assert!(missing.is_empty(), "{missing:?}");
        Ok(())
    }

    /// What makes no sense in a file, or is there under another name.
    const NOT_IN_THE_EXAMPLE: [&str; 4] = ["config", "kafka-property", "help", "version"];

    /// The options with an environment variable, and those of `serve`, that are not among these.
    fn left_out(command: &Command, known: &[String]) -> Vec<String> {
        let serves = command.get_name() == "serve";
        let own = command.get_arguments().filter(|argument| serves || argument.get_env().is_some());
        let own = own.filter_map(|argument| argument.get_long().map(str::to_owned));
        let below = command.get_subcommands().flat_map(|command| left_out(command, known));
        own.filter(|option| !known.contains(option)).chain(below).collect()
    }

    #[test]
    fn what_is_no_plain_value_is_refused_without_repeating_it() {
        for text in ["[kafka]\n\"sasl.password\" = [\"hunter2\"]", "[listen]\na = \"hunter2\"", "data = 1.5"] {
            let refused = read(text).err().unwrap_or_default();
            assert!(refused.contains("must be a string, an integer or true/false") && !refused.contains("hunter2"));
        }
    }
}
