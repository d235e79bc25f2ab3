//! `log tail`: the newest records, and those that come, from the log or from the server that has it.

mod filter;
mod from_log;
mod from_server;
mod newest;

use std::io::{ErrorKind, Write};
use std::sync::atomic::Ordering;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use orderledger_domain::event::EventType;
use orderledger_domain::ids::{Symbol, UserId};
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::said::Said;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::event_log::Record;

use self::filter::Filter;
use self::from_log::FromLog;
use self::from_server::FromServer;
use super::args::LogKind;
use super::log_dump::{Records, topics};
use super::server::InsteadArgs;
use super::{Failure, LogArgs, interrupt};
use crate::ledger::open_log_to_look;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    log: LogArgs,
    /// Goes on with the records that come, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// How many of the newest records are shown first.
    #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    lines: u32,
    /// Only the records of orders keyed by this user, in the user's partition.
    #[arg(long)]
    user: Option<UserId>,
    /// Only what names this symbol.
    #[arg(long)]
    symbol: Option<Symbol>,
    /// Only events of this type, again or with commas for several.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', hide_possible_values = true, value_parser = types())]
    types: Vec<&'static str>,
    /// One topic [default: all]
    #[arg(long, value_parser = topics())]
    topic: Option<Topic>,
    #[command(flatten)]
    server: InsteadArgs,
    /// JSON on stdout: one list; with --follow, which has no end, a value a line.
    #[arg(long)]
    json: bool,
}

/// A record and the partition it stands in.
type Seen = (TopicPartition, Record);

/// Where records come from.
trait Source {
    /// The newest that fit, at most so many, in the order they were appended; what comes later follows them.
    fn newest(&mut self, count: usize) -> Result<Vec<Seen>, Failure>;

    /// What has come since, in the order of each partition. Waits a moment if that is nothing.
    fn next(&mut self) -> Result<Vec<Seen>, Failure>;
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let interrupted = interrupt::asked()?;
    let mut source = source(args)?;
    let stdout = std::io::stdout();
    let json = args.json.then(|| Records { out: stdout.lock(), list: !args.follow, written: false });
    let mut out = match json {
        Some(json) => Out::Json(json),
        None => Out::Text(stdout.lock()),
    };
    let mut seen = source.newest(usize::try_from(args.lines).unwrap_or(usize::MAX))?;
    loop {
        match out.write(&seen) {
            // The reader has gone away: `| head`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            done => done?,
        }
        if !args.follow || interrupted.load(Ordering::Relaxed) {
            break;
        }
        seen = source.next()?;
    }
    match out.end() {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// The types of events and of what is said in `notifications`.
fn names() -> impl Iterator<Item = &'static str> {
    EventType::ALL.iter().map(|of| of.as_str()).chain(Said::TYPES.iter().map(|(name, _)| *name))
}

fn types() -> impl TypedValueParser<Value = &'static str> {
    PossibleValuesParser::new(names())
        .try_map(|name| names().find(|known| *known == name).ok_or("must be an event type such as OrderFilled"))
}

/// The log, or the server that has it.
fn source(args: &Args) -> Result<Box<dyn Source>, Failure> {
    let filter = Filter { user: args.user.clone(), symbol: args.symbol, types: args.types.clone(), topic: args.topic };
    if let (Some(_), Some(name)) = (&args.user, args.types.iter().find(|name| EventType::from_name(name).is_none())) {
        return Err(Failure::usage(format!(
            "--user shows records of orders, where no {name} stands; leave --user out"
        )));
    }
    if let Some(server) = args.server.open()? {
        return FromServer::open(server, filter, args.follow);
    }
    let data = &args.log.data;
    match open_log_to_look(&args.log.settings()?) {
        Ok(_) if args.follow && args.log.log == LogKind::Embedded => Err(Failure::failed(format!(
            "nothing can come to the log in {} while no server runs there; start it, then follow it",
            data.display()
        ))),
        Ok((data, log)) => Ok(Box::new(FromLog::new(data, log, filter)?)),
        Err(Error::InUse { .. }) => FromServer::open(args.server.of(data)?, filter, args.follow),
        Err(error) => Err(error.into()),
    }
}

/// Where records go.
enum Out<W> {
    Json(Records<W>),
    Text(W),
}

impl<W: Write> Out<W> {
    fn write(&mut self, seen: &[Seen]) -> std::io::Result<()> {
        match self {
            Out::Json(records) => {
                seen.iter().try_for_each(|(of, record)| records.write(*of, record))?;
                records.out.flush()
            }
            Out::Text(out) => {
                seen.iter().try_for_each(|(of, record)| out.write_all(text(*of, record).as_bytes()))?;
                out.flush()
            }
        }
    }

    fn end(&mut self) -> std::io::Result<()> {
        match self {
            Out::Json(records) => records.end(),
            Out::Text(out) => out.flush(),
        }
    }
}

/// When, where, whose, what, and the record itself.
fn text(of: TopicPartition, record: &Record) -> String {
    let at = Timestamp::from_millis(record.recorded_at_ms).to_string();
    let position = of.offset(record.offset).to_string();
    let one_line = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect::<String>()
    };
    let key = record.key.as_deref().map_or_else(|| "-".to_owned(), one_line);
    let kind = filter::kind(record).unwrap_or("-");
    let value = record.value.as_deref().map_or_else(|| "-".to_owned(), one_line);
    format!("{at:<24} {position:<20} {key:<16} {kind:<20} {value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_that_moves_no_terminal() {
        let record = Record {
            offset: 7,
            recorded_at_ms: 1_736_937_000_123,
            key: Some(bytes::Bytes::from_static(b"u\x1b[2J")),
            value: Some(bytes::Bytes::from_static(b"no\njson")),
            headers: Vec::new(),
        };
        insta::assert_snapshot!(text(Topic::Orders.at(3), &record), @"2025-01-15T10:30:00.123Z orders-3@7           u [2J            -                    no json");
    }
}
