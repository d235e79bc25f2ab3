//! From a log into a file, a chunk of records at a time.

use std::io::{self, Write};

use orderledger_domain::position::TopicPartition;
use orderledger_projections::audit::{CHECKPOINT_EVERY, Chain};
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use serde::Serialize;

use super::cut::consistent_ends;
use super::lines::{ExportLine, PartLine, RecordLine, Seal, StartLine, VERSION, body};
use crate::rows::HeadRow;

/// How many records are read at once.
const CHUNK: usize = 1000;

/// The records of a partition from an offset on, up to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The partition.
    pub(crate) of: TopicPartition,
    /// From this offset on. Those before are read as well: the chain begins with them.
    pub(crate) from: u64,
    /// Up to this one, exclusive.
    pub(crate) to: u64,
}

/// All partitions from their first record on, up to where they may end together.
pub(crate) fn whole(log: &dyn EventLog) -> Result<Vec<Stretch>, Error> {
    Ok(consistent_ends(log)?.into_iter().map(|(of, to)| Stretch { of, from: 0, to }).collect())
}

/// Writes these stretches, which stand in the order of their partitions; how many records they have.
pub(crate) fn export(
    log: &dyn EventLog,
    stretches: &[Stretch],
    out: &mut impl Write,
    progress: &mut dyn FnMut(usize),
) -> io::Result<u64> {
    let mut file = Sealed { out, seal: Seal::default(), records: 0 };
    file.line("export", &ExportLine { version: VERSION, partitions: log.partitions() })?;
    let mut read = 0;
    for stretch in stretches {
        file.stretch(log, *stretch, &mut |records| {
            read += records;
            progress(read);
        })?;
    }
    let end = file.seal.end(stretches.len(), file.records);
    file.out.write_all(end.as_bytes())?;
    Ok(file.records)
}

struct Sealed<'a, W> {
    out: &'a mut W,
    seal: Seal,
    records: u64,
}

impl<W: Write> Sealed<'_, W> {
    fn line(&mut self, kind: &str, row: &impl Serialize) -> io::Result<()> {
        let body = body(kind, row)?;
        let check = self.seal.check(&body);
        self.out.write_all(&body)?;
        self.out.write_all(check.as_bytes())
    }

    fn stretch(
        &mut self,
        log: &dyn EventLog,
        Stretch { of, from, to }: Stretch,
        progress: &mut dyn FnMut(usize),
    ) -> io::Result<()> {
        let first_offset = log.first_offset(of).map_err(io::Error::other)?;
        let part = |chain: &Chain| PartLine {
            topic: of.topic.name().to_owned(),
            partition: of.partition,
            first_offset,
            from,
            to,
            start: StartLine::of(chain),
        };
        let (mut chain, mut next, mut begun) = (Chain::default(), first_offset, false);
        loop {
            let records = log.read(of, next, CHUNK).map_err(io::Error::other)?;
            for record in records.iter().take_while(|record| record.offset < to) {
                let wanted = record.offset >= from;
                if wanted && !begun {
                    self.line("part", &part(&chain))?;
                    begun = true;
                }
                chain.take(record.offset, record.key.as_deref(), record.value.as_deref(), |_, _| ());
                if wanted {
                    self.records = self.records.saturating_add(1);
                    self.line("record", &RecordLine::of(of, record))?;
                    if chain.count().is_multiple_of(CHECKPOINT_EVERY) {
                        self.line("checkpoint", &HeadRow::of_chain(of, &chain))?;
                    }
                }
            }
            progress(records.len());
            match records.last().map(|last| last.offset.saturating_add(1)) {
                Some(behind) if behind < to => next = behind,
                _ => break,
            }
        }
        if !begun {
            self.line("part", &part(&chain))?;
        }
        self.line("head", &HeadRow::of_chain(of, &chain))
    }
}
