//! Whether a file is what was written, in constant memory: line by line, with chain and tree made anew.

use std::io::{self, BufRead, Read};

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::audit::{CHECKPOINT_EVERY, Chain};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lines::{CHECK_LEN, ExportLine, PartLine, RecordLine, Seal, VERSION, body, split};
use super::saved::Saved;
use crate::rows::HeadRow;

/// A longer line is no line of an export.
const LINE_MAX: u64 = 1 << 30;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    /// Whole partitions from offset 0 on, and chain, tree and digest are right.
    Intact,
    /// A part of a partition at least, right in itself.
    Bounded,
    /// Something differs.
    Broken,
}

/// Where something differs first, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Break {
    /// The line, from 1 on.
    pub(crate) line: u64,
    /// The position in the log at or behind which it is, if it is among records.
    pub(crate) position: Option<String>,
    /// What is wrong.
    pub(crate) detail: String,
}

/// A partition of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Part {
    /// The first offset that it is about.
    pub(crate) from: u64,
    /// The end of the partition when it was written.
    pub(crate) to: u64,
    /// Whether it begins where the partition does.
    pub(crate) whole: bool,
    /// Its head, made anew.
    pub(crate) head: HeadRow,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checked {
    pub(crate) state: State,
    /// How many partitions every topic of the log has.
    pub(crate) partitions: Option<u32>,
    pub(crate) records: u64,
    pub(crate) parts: Vec<Part>,
    /// How many saved heads were given, and how many of them the file could be compared with.
    pub(crate) heads_saved: usize,
    pub(crate) heads_equal: usize,
    /// Partitions of which a head was saved, and nothing stands in the file.
    pub(crate) missing: Vec<String>,
    pub(crate) broken: Option<Break>,
}

impl Checked {
    /// Whether no partition of the log is missing.
    pub(crate) fn holds_every_partition(&self) -> bool {
        // They are in order, each once.
        let of_topic = self.partitions.and_then(|count| usize::try_from(count).ok());
        of_topic.is_some_and(|count| count > 0 && self.parts.len() == count.saturating_mul(Topic::ALL.len()))
    }
}

/// Reads a file to its end, or to the first line that is wrong; an error is one of reading.
pub(crate) fn check(file: &mut impl BufRead, saved: &Saved) -> io::Result<Checked> {
    let mut checker = Checker {
        saved,
        seal: Seal::default(),
        partitions: None,
        open: None,
        parts: Vec::new(),
        records: 0,
        heads_equal: 0,
        ended: false,
    };
    let (mut line, mut number, mut broken) = (Vec::new(), 0_u64, None);
    while broken.is_none() {
        line.clear();
        number = number.saturating_add(1);
        Read::by_ref(file).take(LINE_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() && checker.ended {
            break;
        }
        let checked = checker.line(&line);
        broken = checked.err().map(|detail| Break { line: number, position: checker.place(), detail });
    }
    let there = |of: &TopicPartition| {
        let is = |part: &Part| part.head.topic == of.topic.name() && part.head.partition == of.partition;
        checker.parts.iter().any(is)
    };
    let missing: Vec<String> = saved.partitions().filter(|of| !there(of)).map(|of| of.to_string()).collect();
    let whole = checker.parts.iter().all(|part| part.whole) && !checker.parts.is_empty() && missing.is_empty();
    let state = match &broken {
        Some(_) => State::Broken,
        None if whole => State::Intact,
        None => State::Bounded,
    };
    let Checker { partitions, parts, records, heads_equal, .. } = checker;
    Ok(Checked { state, partitions, records, parts, heads_saved: saved.len(), heads_equal, missing, broken })
}

struct Checker<'a> {
    saved: &'a Saved,
    seal: Seal,
    partitions: Option<u32>,
    open: Option<Open>,
    parts: Vec<Part>,
    records: u64,
    heads_equal: usize,
    ended: bool,
}

/// The part that is being read.
struct Open {
    of: TopicPartition,
    line: PartLine,
    chain: Chain,
    /// The smallest offset that the next record may have.
    next: u64,
    checkpoint_due: bool,
}

impl Checker<'_> {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if self.ended {
            return Err("something stands behind the last line".to_owned());
        }
        if line.last() != Some(&b'\n') {
            return Err("the file ends too early".to_owned());
        }
        if line.starts_with(b"{\"end\":") {
            return self.end(line);
        }
        let at = line.len().saturating_sub(CHECK_LEN);
        let (body, check) = line.split_at_checked(at).unwrap_or_default();
        if self.seal.check(body).as_bytes() != check {
            return Err("the line is not the one that was written".to_owned());
        }
        let (kind, row) = split(body).ok_or("not a line of an export")?;
        match kind {
            "export" => self.begin(body, row),
            "part" => self.part(body, row),
            "record" => self.record(body, row),
            "checkpoint" | "head" => self.head(kind, body),
            _ => Err("a line of an unknown kind".to_owned()),
        }
    }

    fn begin(&mut self, body: &[u8], row: &[u8]) -> Result<(), String> {
        let line: ExportLine = parse("export", body, row)?;
        if line.version != VERSION {
            return Err(format!("format {} of an export, this program knows {VERSION}", line.version));
        }
        match self.partitions.replace(line.partitions) {
            None => Ok(()),
            Some(_) => Err("the first line stands here again".to_owned()),
        }
    }

    fn part(&mut self, body: &[u8], row: &[u8]) -> Result<(), String> {
        let line: PartLine = parse("part", body, row)?;
        let topic = line.topic.parse::<Topic>().map_err(|_| "an unknown topic")?;
        let of = topic.at(line.partition);
        let partitions = self.partitions.ok_or("the first line is missing")?;
        if self.open.is_some() || line.partition >= partitions {
            return Err("a part stands where none can".to_owned());
        }
        let before =
            self.parts.last().and_then(|part| Some((part.head.topic.parse::<Topic>().ok()?, part.head.partition)));
        if before.is_some_and(|(topic, partition)| topic.at(partition) >= of) {
            return Err("the parts are not in order".to_owned());
        }
        let chain = line.start.chain().ok_or("no chain can begin like this")?;
        if chain.count() > 0 && chain.last_offset >= line.from {
            return Err("the part begins before its chain ends".to_owned());
        }
        self.heads_equal += usize::from(self.saved.compare(of, &chain)?);
        let next = line.from.max(line.first_offset);
        self.open = Some(Open { of, line, chain, next, checkpoint_due: false });
        Ok(())
    }

    fn record(&mut self, body: &[u8], row: &[u8]) -> Result<(), String> {
        let line: RecordLine = parse("record", body, row)?;
        let open = self.open.as_mut().ok_or("a record stands outside of a part")?;
        if open.checkpoint_due {
            return Err("a checkpoint is missing".to_owned());
        }
        let is_here = line.position().is_some_and(|position| position.topic_partition() == open.of);
        if !is_here || line.offset < open.next || line.offset >= open.line.to {
            return Err("the record does not belong here".to_owned());
        }
        let [key, value] = line.key_and_value().ok_or("key or value can't be read")?;
        open.chain.take(line.offset, key.as_deref(), value.as_deref(), |_, _| ());
        self.heads_equal += usize::from(self.saved.compare(open.of, &open.chain)?);
        open.next = line.offset.saturating_add(1);
        open.checkpoint_due = open.chain.count().is_multiple_of(CHECKPOINT_EVERY);
        self.records = self.records.saturating_add(1);
        Ok(())
    }

    fn head(&mut self, kind: &str, body: &[u8]) -> Result<(), String> {
        let open = self.open.as_mut().ok_or("a head stands outside of a part")?;
        let expected = if open.checkpoint_due { "checkpoint" } else { "head" };
        let head = HeadRow::of_chain(open.of, &open.chain);
        if kind != expected || self::body(kind, &head).ok().as_deref() != Some(body) {
            return Err(format!("the records up to here give another {expected}"));
        }
        open.checkpoint_due = false;
        if kind == "head" {
            self.close(head)?;
        }
        Ok(())
    }

    fn close(&mut self, head: HeadRow) -> Result<(), String> {
        let Some(open) = &self.open else { return Ok(()) };
        if let Some(saved) = self.saved.largest(open.of).filter(|saved| *saved > head.count) {
            return Err(format!("a saved head counts {saved} records, the file ends after {}", head.count));
        }
        let whole = open.line.from == 0 && open.line.first_offset == 0 && open.line.start.count == 0;
        self.parts.push(Part { from: open.line.from, to: open.line.to, whole, head });
        self.open = None;
        Ok(())
    }

    fn end(&mut self, line: &[u8]) -> Result<(), String> {
        if self.open.is_some() || self.partitions.is_none() {
            return Err("the file ends too early".to_owned());
        }
        if self.seal.end(self.parts.len(), self.records).as_bytes() != line {
            return Err("the digest of the whole file is another".to_owned());
        }
        self.ended = true;
        Ok(())
    }

    /// The first position in the log that is not known to be right.
    fn place(&self) -> Option<String> {
        self.open.as_ref().map(|open| open.of.offset(open.next).to_string())
    }
}

/// The row of a line, which has one form only.
fn parse<T: DeserializeOwned + Serialize>(kind: &str, body: &[u8], row: &[u8]) -> Result<T, String> {
    let line: T = serde_json::from_slice(row).map_err(|error| format!("a line that can't be read: {error}"))?;
    let same = self::body(kind, &line).is_ok_and(|again| again == body);
    if same { Ok(line) } else { Err("a line in another form than it is written".to_owned()) }
}
