//! `migrate`: an embedded log to Kafka, with its partitions, offsets and append times.

use std::path::PathBuf;

use serde_json::json;

use super::args::KafkaArgs;
use super::filling::{Filling, replication};
use super::{Failure, print, print_json};
use crate::export::{Origin, whole};
use crate::ledger::restore::restore_kafka;
use crate::ledger::{Settings, open_log};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The data directory whose embedded log is copied; no server may run there. It stays as it is.
    #[arg(long, env = "ORDERLEDGER_DATA", default_value = "orderledger-data", value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    kafka: KafkaArgs,
    /// How many brokers keep each record [default: 3, or as many as there are]
    #[arg(long, env = "ORDERLEDGER_REPLICATION", value_parser = replication())]
    replication: Option<i32>,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let kafka = args.kafka.settings()?;
    let (data, log) = open_log(&Settings::new(args.data.clone()), false)?;
    let stretches = whole(&*log)?;
    let records =
        stretches.iter().fold(0_u64, |sum, stretch| sum.saturating_add(stretch.to.saturating_sub(stretch.from)));
    let partitions = log.partitions();
    let mut filling = Filling::new(usize::try_from(records).unwrap_or(usize::MAX));
    let from = Origin::Log(&*log, stretches);
    let count = (partitions, args.replication);
    let copied = restore_kafka(&kafka, count, &from, &mut |step, done| filling.told(step, done));
    let copied = copied.map_err(Filling::failed_on_kafka)?;
    filling.end();
    let topics = format!("{}…", kafka.prefix);
    if args.json {
        return print_json(&json!({"topics": topics, "partitions": partitions, "records": copied, "compared": copied}));
    }
    let key = data.webhooks_key_path();
    let key = if key.exists() {
        format!(
            "The secrets of its webhooks are made from {}, unless the server names another file: copy it elsewhere and name it with \
             --webhooks-key-file, or every webhook is told nothing until its secret is rotated\n",
            key.display()
        )
    } else {
        String::new()
    };
    let prefix = if kafka.prefix.is_empty() { String::new() } else { format!(" --topic-prefix {}", kafka.prefix) };
    print(format!(
        "{copied} records copied to {partitions} partitions a topic and compared, all equal.\nGo on with a new data directory: orderledger \
         serve --log kafka --kafka-brokers {}{prefix} --data NEW\n{key}{} stays as it is; start no server on it any more\n",
        kafka.brokers,
        args.data.display()
    ))
}
