//! Options that several commands share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use orderledger_store::event_log::kafka::KafkaSettings;

use super::config::secrets::check_property;
use super::{Failure, key_file};
use crate::ledger::Settings;
use crate::ledger::rebuild::memory::MEMORY_LIMIT_MIN;

/// Where the event log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogKind {
    /// One file in the data directory; no Kafka needed.
    Embedded,
    /// A Kafka cluster.
    Kafka,
}

/// Which log and which data directory.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// Where the event log is.
    #[arg(long, env = "ORDERLEDGER_LOG", value_enum, default_value = "embedded")]
    pub log: LogKind,
    /// The data directory: log, index of ids, snapshots and views.
    #[arg(long, env = "ORDERLEDGER_DATA", default_value = "orderledger-data", value_name = "DIR")]
    pub data: PathBuf,
    /// The partition count of every topic [default: what the data directory has; 12 in a new one]
    #[arg(long, env = "ORDERLEDGER_PARTITIONS", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub partitions: Option<u32>,
    /// The secret keys of the streams: a file of 32 hexadecimal digits, or of lines `ID HEX`, the key that began the log first
    #[arg(long, env = "ORDERLEDGER_STREAM_KEY_FILE", value_name = "FILE")]
    pub stream_key_file: Option<PathBuf>,
    /// Which cluster, with `--log kafka`.
    #[command(flatten)]
    pub kafka: KafkaArgs,
}

/// Properties by environment, one a line.
pub(super) const PROPERTIES: &str = "ORDERLEDGER_KAFKA_PROPERTIES";

/// Which Kafka cluster, which topics on it, and how to get there.
#[derive(Clone, Args)]
pub struct KafkaArgs {
    /// The Kafka brokers to begin with.
    #[arg(long, env = "ORDERLEDGER_KAFKA_BROKERS", default_value = "127.0.0.1:9092", value_name = "HOST:PORT[,…]")]
    pub kafka_brokers: String,
    /// What stands before every topic's and group's name on the cluster; no separator is added.
    #[arg(long, env = "ORDERLEDGER_TOPIC_PREFIX", default_value = "", hide_default_value = true)]
    pub topic_prefix: String,
    /// A property of librdkafka for every client, again for each; in the configuration file they are the table [kafka]. A
    /// password is better kept there, or in the environment [env: ORDERLEDGER_KAFKA_PROPERTIES, one a line]
    #[arg(long, value_name = "NAME=VALUE")]
    kafka_property: Vec<String>,
    /// The configuration file's table [kafka].
    #[arg(long, hide = true, hide_default_value = true)]
    kafka: Vec<String>,
}

/// Values may be secrets: only the properties' names are shown.
impl std::fmt::Debug for KafkaArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let given = self.kafka.iter().chain(&self.kafka_property);
        let names: Vec<&str> = given.filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
        let mut shown = f.debug_struct("KafkaArgs");
        shown.field("kafka_brokers", &self.kafka_brokers).field("topic_prefix", &self.topic_prefix);
        shown.field("properties", &names).finish()
    }
}

impl KafkaArgs {
    /// The settings that these options say; refused like any other misuse where no client can be made with them.
    pub fn settings(&self) -> Result<KafkaSettings, Failure> {
        let environment = std::env::var(PROPERTIES).unwrap_or_default();
        self.settings_beside(&environment)
    }

    /// An option wins over the environment, and this over the file, property by property.
    fn settings_beside(&self, environment: &str) -> Result<KafkaSettings, Failure> {
        let lines = environment.lines().filter(|line| !line.trim().is_empty());
        let given = self.kafka.iter().map(|pair| (pair.as_str(), "[kafka]"));
        let given = given.chain(lines.map(|line| (line, PROPERTIES)));
        let given = given.chain(self.kafka_property.iter().map(|pair| (pair.as_str(), "--kafka-property")));
        let mut properties = BTreeMap::new();
        for (pair, from) in given {
            // The pair is not repeated: it may be a secret.
            let (name, value) =
                pair.split_once('=').ok_or_else(|| Failure::usage(format!("{from}: write NAME=VALUE")))?;
            properties.insert(name.trim().to_owned(), (value.to_owned(), from));
        }
        for (name, (value, from)) in &properties {
            check_property(name, value, from).map_err(Failure::usage)?;
        }
        let properties = properties.into_iter().map(|(name, (value, _))| (name, value)).collect();
        let (brokers, prefix) = (self.kafka_brokers.clone(), self.topic_prefix.clone());
        let settings = KafkaSettings { brokers, prefix, properties, ..KafkaSettings::default() };
        settings.check().map_err(Failure::usage)?;
        Ok(settings)
    }
}

impl LogArgs {
    /// The settings that these options say.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let key = self.stream_key_file.as_deref().map(key_file::read).transpose()?.unwrap_or_default();
        let kafka = match self.log {
            LogKind::Embedded => None,
            LogKind::Kafka => Some(self.kafka.settings()?),
        };
        Ok(Settings { partitions: self.partitions, key, kafka, ..Settings::new(self.data.clone()) })
    }
}

/// How much a rebuild may hold in memory.
#[derive(Clone, Copy, Debug, Args)]
#[group(skip)]
pub(super) struct MemoryArgs {
    /// What a rebuild may hold in memory, records fetched ahead included; rows beyond it go into files meanwhile
    #[arg(id = "memory-limit", long = "memory-limit", env = "ORDERLEDGER_MEMORY_LIMIT", default_value = "4GiB", value_name = "SIZE", value_parser = memory_limit)]
    pub(super) limit: u64,
}

fn memory_limit(text: &str) -> Result<u64, String> {
    let limit = text.parse::<ByteSize>().map_err(|_| "write a size as in 1GiB or 768MiB".to_owned())?.as_u64();
    if limit < MEMORY_LIMIT_MIN {
        return Err(format!("at least {} are needed", ByteSize(MEMORY_LIMIT_MIN)));
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kafka(file: &[&str], options: &[&str]) -> KafkaArgs {
        let owned = |pairs: &[&str]| pairs.iter().map(|pair| (*pair).to_owned()).collect();
        KafkaArgs {
            kafka_brokers: "127.0.0.1:9092".to_owned(),
            topic_prefix: String::new(),
            kafka_property: owned(options),
            kafka: owned(file),
        }
    }

    fn properties(args: &KafkaArgs, environment: &str) -> Vec<String> {
        let settings = args.settings_beside(environment);
        let pairs = settings.map(|settings| settings.properties.into_iter().map(|(name, value)| name + "=" + &value));
        pairs.map_or_else(|failure| vec![format!("{failure:?}")], Iterator::collect)
    }

    #[test]
    fn an_option_wins_over_the_environment_and_this_over_the_file() {
        let args = kafka(&["linger.ms=1", "client.id=file", "socket.timeout.ms=9000"], &["client.id=a=b"]);
        let environment = "\nlinger.ms=2\nclient.id=environment\n";
        assert_eq!(properties(&args, environment), ["client.id=a=b", "linger.ms=2", "socket.timeout.ms=9000"]);
    }

    #[test]
    fn no_secret_is_shown() {
        let secret = "hunter2";
        let args = kafka(&["sasl.password=hunter2"], &["sasl.pasword=hunter2"]);
        let shown =
            [format!("{args:?}"), properties(&args, "").concat(), properties(&kafka(&[], &[secret]), "").concat()];
        assert!(shown.iter().all(|text| !text.contains(secret)), "{shown:?}");
        assert!(shown.concat().contains("sasl.pasword"), "{shown:?}");
    }

    #[test]
    fn what_the_design_fixes_is_bad_usage() {
        let refused = properties(&kafka(&["acks=1"], &[]), "").concat();
        assert!(refused.contains("code: 2") && refused.contains("the Kafka property acks can't be set"), "{refused}");
    }
}
