//! The file: `orderledger.toml`, one key an option (`listen = "127.0.0.1:8080"`), and a table `[kafka]` of librdkafka's properties.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cli::Failure;

/// The file read where no other is named.
pub(in crate::cli) const FILE: &str = "orderledger.toml";
/// The table of librdkafka's properties.
pub(super) const KAFKA: &str = "kafka";

/// What the file says of one option.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Value {
    /// The key as it stands there.
    pub(super) key: String,
    /// The option's long name.
    pub(super) option: String,
    /// One value, or those of a list; `name=value` for each property of Kafka's.
    pub(super) values: Vec<String>,
}

impl Value {
    /// Its values as a variable says them.
    pub(super) fn joined(&self) -> String {
        self.values.join(",")
    }
}

/// A file that was read.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) values: Vec<Value>,
}

impl File {
    /// Its properties of librdkafka, as `name=value`.
    pub(super) fn properties(&self) -> &[String] {
        self.values.iter().find(|value| value.option == KAFKA).map_or(&[], |value| &value.values)
    }
}

/// The file that this process reads.
pub(in crate::cli) fn in_use() -> Option<PathBuf> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let path = named_file(&arguments).unwrap_or_else(|| PathBuf::from(FILE));
    path.exists().then_some(path)
}

/// Reads the file that these arguments or the environment name. A missing default file is none.
pub(super) fn read(arguments: &[OsString]) -> Result<Option<File>, Failure> {
    let named = named_file(arguments);
    let path = named.clone().unwrap_or_else(|| PathBuf::from(FILE));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => return Ok(None),
        Err(error) => {
            let what = format!("can't be read: {error}; name another file with --config");
            return Err(Failure::usage(format!("{}: {what}", path.display())));
        }
    };
    let unreadable = |error: toml::de::Error| {
        let line = error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.split('\n').count());
        let what = error.message().replace('\n', ", ");
        Failure::usage(format!("{}: line {line}: {what}; correct it", path.display()))
    };
    let table: toml::Table = text.parse().map_err(unreadable)?;
    let values = values(table, &path)?;
    Ok(Some(File { path, values }))
}

/// The options and their values; the table of Kafka's properties becomes `name=value` each. A key that stands there in both of its
/// spellings is refused: one of them would be in force, and nobody knew which.
pub(super) fn values(table: toml::Table, path: &Path) -> Result<Vec<Value>, Failure> {
    let mut values: Vec<Value> = Vec::new();
    for (key, value) in table {
        let option = key.replace('_', "-");
        if let Some(other) = values.iter().find(|value| value.option == option) {
            let what = format!("{} and {key} are one key; remove one of them", other.key);
            return Err(Failure::usage(format!("{}: {what}", path.display())));
        }
        let of_key = match value {
            toml::Value::Table(properties) if option == KAFKA => pairs("", properties, path)?,
            toml::Value::Array(list) => {
                list.iter().map(|value| plain(value, &key, path)).collect::<Result<Vec<String>, Failure>>()?
            }
            value => vec![plain(&value, &key, path)?],
        };
        values.push(Value { key, option, values: of_key });
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

/// The file named by option or variable, before the options are parsed: their defaults depend on it.
fn named_file(arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments = arguments.iter().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(path) = argument.to_str().and_then(|argument| argument.strip_prefix("--config=")) {
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
        _ => {
            let what = "must be a string, an integer or true/false; correct it";
            Err(Failure::usage(format!("{}: {key} {what}", path.display())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Value>, String> {
        let table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        values(table, Path::new("f.toml")).map_err(|failure| format!("{failure:?}"))
    }

    fn value(key: &str, option: &str, values: &[&str]) -> Value {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Value { key: key.to_owned(), option: option.to_owned(), values }
    }

    #[test]
    fn the_table_of_kafka_takes_quoted_and_dotted_names() {
        let text = "listen = \"127.0.0.1:1\"\nanswer_timeout_ms = 7\nrole = [\"trader\", \"service\"]\n[kafka]\n\
                    \"security.protocol\" = \"ssl\"\nsasl.mechanism = \"PLAIN\"\nlinger.ms = 5\n\
                    \"socket.keepalive.enable\" = true\n";
        let mut values = read(text).unwrap_or_default();
        values.iter_mut().filter(|value| value.option == KAFKA).for_each(|value| value.values.sort());
        values.sort();
        let pairs = ["linger.ms=5", "sasl.mechanism=PLAIN", "security.protocol=ssl", "socket.keepalive.enable=true"];
        assert_eq!(
            values,
            [
                value("answer_timeout_ms", "answer-timeout-ms", &["7"]),
                value("kafka", "kafka", &pairs),
                value("listen", "listen", &["127.0.0.1:1"]),
                value("role", "role", &["trader", "service"]),
            ]
        );
    }

    #[test]
    fn one_key_in_two_spellings_is_refused() {
        let refused = read("answer-timeout-ms = 5\nanswer_timeout_ms = 7").err().unwrap_or_default();
        assert!(refused.contains("answer-timeout-ms and answer_timeout_ms are one key"), "{refused}");
        assert_eq!(read("answer-timeout-ms = 5\nview_growth = 7").map(|values| values.len()), Ok(2));
    }

    #[test]
    fn what_is_no_plain_value_is_refused_without_repeating_it() {
        for text in ["[kafka]\n\"sasl.password\" = [\"hunter2\"]", "[listen]\na = \"hunter2\"", "data = 1.5"] {
            let refused = read(text).err().unwrap_or_default();
            assert!(refused.contains("must be a string, an integer or true/false") && !refused.contains("hunter2"));
        }
    }
}
