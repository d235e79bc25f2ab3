//! `log dump`: records as JSON lines.

use std::io::{BufWriter, ErrorKind, Write};

use orderledger_domain::ids::UserId;
use orderledger_domain::partition::of_key;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::{EventLog, Record};
use serde::Serialize;

use super::{Failure, LogArgs};
use crate::ledger::open_log_to_look;

/// How many records are read at once.
const CHUNK: usize = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) log: LogArgs,
    /// One topic: orders, books, trades, dead-letters or notifications [default: all]
    #[arg(long)]
    topic: Option<Topic>,
    /// One partition from an offset on: 3@1842 with --topic, or orders-3@1842.
    #[arg(long, value_name = "P@O")]
    from: Option<String>,
    /// Only the records of orders keyed by this user, in the user's partition.
    #[arg(long)]
    user: Option<UserId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    topic: &'static str,
    partition: u32,
    offset: u64,
    recorded_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let (_data, log) = open_log_to_look(&args.log.settings()?)?;
    let from = start(args.topic, args.from.as_deref())?;
    if let Some(from) = from.filter(|from| from.partition >= log.partitions()) {
        let count = log.partitions();
        return Err(Failure::usage(format!(
            "--from {from}: every topic of this log has {count} partitions, from 0 on"
        )));
    }
    let wanted = |partition: &TopicPartition| {
        let home = args.user.as_ref().map(|user| of_key(user.as_str().as_bytes(), log.partitions()));
        args.topic.is_none_or(|topic| topic == partition.topic)
            && home.is_none_or(|home| *partition == Topic::Orders.at(home))
            && from.is_none_or(|from| from.topic_partition() == *partition)
    };
    let all = Topic::ALL.into_iter().flat_map(|topic| (0..log.partitions()).map(move |p| topic.at(p)));
    let mut out = BufWriter::new(std::io::stdout().lock());
    for partition in all.filter(wanted) {
        let first = from.map_or(0, |from| from.offset);
        match dump(&*log, partition, first, args.user.as_ref(), &mut out) {
            // The reader has gone away: `| head`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            done => done?,
        }
    }
    match out.flush() {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// Where `--from` begins.
pub(super) fn start(topic: Option<Topic>, from: Option<&str>) -> Result<Option<Position>, Failure> {
    let Some(text) = from else { return Ok(None) };
    let qualified = match topic {
        Some(topic) if text.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) => format!("{topic}-{text}"),
        _ => text.to_owned(),
    };
    let position: Position = qualified
        .parse()
        .map_err(|error| Failure::usage(format!("--from {text}: {error}, or 3@1842 together with --topic")))?;
    if topic.is_some_and(|topic| topic != position.topic) {
        return Err(Failure::usage(format!("--from {text} is not in the topic that --topic names")));
    }
    Ok(Some(position))
}

fn dump(
    log: &dyn EventLog,
    partition: TopicPartition,
    first: u64,
    user: Option<&UserId>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let mut from = first.max(log.first_offset(partition).map_err(std::io::Error::other)?);
    loop {
        let records = log.read(partition, from, CHUNK).map_err(std::io::Error::other)?;
        let Some(last) = records.last() else { return Ok(()) };
        from = last.offset.saturating_add(1);
        for record in &records {
            if user.is_none_or(|user| record.key.as_deref() == Some(user.as_str().as_bytes())) {
                serde_json::to_writer(&mut *out, &line(partition, record))?;
                out.write_all(b"\n")?;
            }
        }
    }
}

fn line(partition: TopicPartition, record: &Record) -> Line<'_> {
    let (key, key_base64) = text_or_base64(record.key.as_deref());
    let (value, value_base64) = text_or_base64(record.value.as_deref());
    Line {
        topic: partition.topic.name(),
        partition: partition.partition,
        offset: record.offset,
        recorded_at: Timestamp::from_millis(record.recorded_at_ms),
        key,
        key_base64,
        value,
        value_base64,
    }
}

fn text_or_base64(bytes: Option<&[u8]>) -> (Option<&str>, Option<String>) {
    use base64::Engine;
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => (None, None),
        Some((Ok(text), _)) => (Some(text), None),
        Some((Err(_), bytes)) => (None, Some(base64::engine::general_purpose::STANDARD.encode(bytes))),
    }
}
