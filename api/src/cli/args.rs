//! Options that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use orderledger_domain::stream::StreamKey;

use super::Failure;
use crate::ledger::Settings;

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
    /// A file of 32 hexadecimal digits: the secret of the streams' digests. The same one for the log's whole life.
    #[arg(long, env = "ORDERLEDGER_STREAM_KEY_FILE", value_name = "FILE")]
    pub stream_key_file: Option<PathBuf>,
}

impl LogArgs {
    /// The settings that these options say.
    pub fn settings(&self) -> Result<Settings, Failure> {
        if self.log == LogKind::Kafka {
            return Err(Failure::usage("this version has the embedded log alone; use --log embedded"));
        }
        let key = self.stream_key_file.as_ref().map(read_key).transpose()?.unwrap_or_default();
        Ok(Settings { partitions: self.partitions, key, ..Settings::new(self.data.clone()) })
    }
}

fn read_key(path: &PathBuf) -> Result<StreamKey, Failure> {
    let wrong = |what: &str| Failure::usage(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&format!("can't be read: {error}")))?;
    let text = text.trim();
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong("a stream key is 32 hexadecimal digits; make one with: openssl rand -hex 16"));
    }
    let key = u128::from_str_radix(text, 16).map_err(|error| wrong(&error.to_string()))?;
    Ok(StreamKey::new(key.to_be_bytes()))
}
