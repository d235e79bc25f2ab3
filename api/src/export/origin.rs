//! Where records come from that another log is to take: a log, or a file that was exported from one.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::Error;
use orderledger_store::event_log::{EventLog, Record};

use super::lines::{CHECK_LEN, PartLine, RecordLine, split};
use super::write::Stretch;

/// How many records are taken at once.
const CHUNK: usize = 1000;

/// Where records come from.
pub(crate) enum Origin<'a> {
    /// A log, up to these ends.
    Log(&'a dyn EventLog, Vec<Stretch>),
    /// An export that was found intact.
    File(PathBuf),
}

/// What comes from there: one partition after another, each in offset order, then its end.
pub(super) enum Piece {
    Records(TopicPartition, Vec<Record>),
    End(TopicPartition, u64),
}

impl Origin<'_> {
    /// Gives every piece.
    pub(super) fn each(&self, take: &mut dyn FnMut(Piece) -> Result<(), Error>) -> Result<(), Error> {
        match self {
            Origin::Log(log, stretches) => stretches.iter().try_for_each(|stretch| of_log(*log, *stretch, take)),
            Origin::File(path) => {
                let unreadable = |error: io::Error| Error::unavailable(path, "can't read it").with_source(error);
                let file = File::open(path).map_err(unreadable)?;
                of_file(&mut BufReader::with_capacity(1 << 20, file), take, &|number, error| match error {
                    Some(error) => unreadable(error),
                    None => {
                        Error::corrupt(path, format!("line {number} is none of an export; check it with log verify"))
                    }
                })
            }
        }
    }
}

fn of_log(
    log: &dyn EventLog,
    Stretch { of, from, to }: Stretch,
    take: &mut dyn FnMut(Piece) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut next = from;
    while next < to {
        let mut records = log.read(of, next, CHUNK)?;
        records.retain(|record| record.offset < to);
        let Some(last) = records.last() else { break };
        next = last.offset.saturating_add(1);
        take(Piece::Records(of, records))?;
    }
    take(Piece::End(of, to))
}

fn of_file(
    file: &mut impl BufRead,
    take: &mut dyn FnMut(Piece) -> Result<(), Error>,
    wrong: &dyn Fn(u64, Option<io::Error>) -> Error,
) -> Result<(), Error> {
    let (mut line, mut number) = (Vec::new(), 0_u64);
    let mut part: Option<(TopicPartition, u64)> = None;
    let mut records = Vec::new();
    loop {
        line.clear();
        number = number.saturating_add(1);
        file.read_until(b'\n', &mut line).map_err(|error| wrong(number, Some(error)))?;
        let body = line.get(..line.len().saturating_sub(CHECK_LEN)).unwrap_or_default();
        match split(body) {
            Some(("part", row)) => {
                let line: PartLine = serde_json::from_slice(row).map_err(|_| wrong(number, None))?;
                let topic: Topic = line.topic.parse().map_err(|_| wrong(number, None))?;
                part = Some((topic.at(line.partition), line.to));
            }
            Some(("record", row)) => {
                let record: Option<RecordLine> = serde_json::from_slice(row).ok();
                records.push(record.and_then(|line| line.record()).ok_or_else(|| wrong(number, None))?);
            }
            Some(("head", _)) => {}
            // The last line has no check, the others nothing that a log takes.
            _ if line.is_empty() || line.starts_with(b"{\"end\":") => return Ok(()),
            _ => continue,
        }
        let ends = matches!(split(body), Some(("head", _)));
        let Some((of, to)) = part else { return Err(wrong(number, None)) };
        if !records.is_empty() && (ends || records.len() >= CHUNK) {
            take(Piece::Records(of, std::mem::take(&mut records)))?;
        }
        if ends {
            take(Piece::End(of, to))?;
            part = None;
        }
    }
}
