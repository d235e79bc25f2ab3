//! Whether the topics are still those that they were: one that was deleted and made anew has the same name.
//!
//! No topic's id is to be had through the client's wrapper. But a topic that was made anew begins with a later record, or
//! with none: a partition whose first record was appended at some time has no later one at or before that record's offset.
//! Where and when each partition begins is kept beside the data; the question is one request to each broker.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use orderledger_domain::position::{Topic, TopicPartition};
use rdkafka::topic_partition_list::Offset;

use super::queries::Queries;
use crate::{At, Error, atomic_file};

/// How often a running log is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How often a finding must come in a row: a broker that has just become leader, or come back, may be a moment behind.
const LOOKS: u32 = 2;
/// How long the first look is repeated while there is no answer.
const START_WITHIN: Duration = Duration::from_secs(10);
/// How many first records one look reads.
const NEW_AT_ONCE: usize = 8;

const TO_DO: &str =
    "restore it from a copy, or begin with fresh topics (orderledger topics create) and another data directory";

/// Looks at the topics until it is dropped.
pub(super) struct Watch {
    _stop: Sender<()>,
}

impl Watch {
    /// Compares the topics with what the file says of them, and goes on doing so. [`Error::Refused`] if they are others.
    pub(super) fn start(queries: Arc<Queries>, kept: PathBuf) -> Result<Watch, Error> {
        let topics = SameTopics { firsts: read(&kept), queries, kept };
        for (of, first) in &topics.firsts {
            topics.queries.watching().known.found(*of, first.offset, first.appended_ms);
        }
        let begun = Instant::now();
        while let Err(error) = topics.look_twice(|| std::thread::sleep(Duration::from_secs(1))) {
            if matches!(error, Error::Refused { .. }) || begun.elapsed() >= START_WITHIN {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let (_stop, stopped) = channel();
        let watch = std::thread::Builder::new().name("same topics".to_owned()).spawn(move || topics.run(&stopped));
        watch.map_err(|error| {
            Error::unavailable(At::Log, "the system gives no thread to watch the topics").with_source(error)
        })?;
        Ok(Watch { _stop })
    }
}

/// Where a partition begins, and when that record was appended, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct First {
    offset: u64,
    appended_ms: i64,
}

struct SameTopics {
    queries: Arc<Queries>,
    firsts: BTreeMap<TopicPartition, First>,
    kept: PathBuf,
}

impl SameTopics {
    fn run(mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            match self.look_twice(|| wait(stopped)) {
                Err(error @ Error::Refused { .. }) => {
                    tracing::error!("{error}");
                    self.queries.watching().refuse(error);
                    return;
                }
                // What is away is told by others; the next look may find it.
                Err(error) => tracing::debug!(%error, "the topics were not looked at"),
                Ok(ends) => self.keep_new(&ends),
            }
        }
    }

    fn look_twice(&self, pause: impl Fn()) -> Result<BTreeMap<TopicPartition, u64>, Error> {
        let mut looks = 1;
        loop {
            match self.look().map_err(|error| self.whether_gone(error)) {
                Err(Error::Refused { .. }) if looks < LOOKS => pause(),
                looked => return looked,
            }
            looks += 1;
        }
    }

    /// Where the cluster gives no answer about a topic because it has none of that name, that is what is wrong.
    fn whether_gone(&self, error: Error) -> Error {
        if !matches!(error, Error::Unavailable { .. }) {
            return error;
        }
        match self.queries.missing_now().unwrap_or_default().first() {
            Some(topic) => {
                let name = self.queries.watching().names.name(*topic);
                Error::refused(At::Log, format!("topic {name} is gone from the cluster; {TO_DO}"))
            }
            None => error,
        }
    }

    /// The ends; refused where the log begins or ends otherwise than it did.
    fn look(&self) -> Result<BTreeMap<TopicPartition, u64>, Error> {
        let watching = self.queries.watching();
        let all: Vec<TopicPartition> = watching.names.all().collect();
        let known: Vec<u64> = all.iter().map(|of| watching.known.end(*of)).collect();
        let ends = self.queries.offsets_now(&all, |_| Offset::End)?;
        for (of, known) in all.iter().zip(known) {
            let silent = || Error::unavailable(*of, "the cluster doesn't say where it ends");
            let end = ends.get(of).copied().flatten().ok_or_else(silent)?;
            let first = self.firsts.get(of).map_or(0, |first| first.offset.saturating_add(1));
            if end < known.max(first) {
                let name = watching.names.name(of.topic);
                let what = format!(
                    "topic {name} ends at offset {end} there and had {} records: it was made anew, or records that were \
                     acknowledged are lost; {TO_DO}",
                    known.max(first)
                );
                return Err(Error::refused(*of, what));
            }
        }
        let begun: Vec<TopicPartition> = self.firsts.keys().copied().collect();
        let after = |of: TopicPartition| {
            let appended_ms = self.firsts.get(&of).map_or(0, |first| first.appended_ms);
            Offset::Offset(appended_ms.saturating_add(1))
        };
        let later = self.queries.offsets_now(&begun, after)?;
        for (of, first) in &self.firsts {
            if later.get(of).copied().flatten().is_some_and(|later| later <= first.offset) {
                let name = watching.names.name(of.topic);
                let what = format!("topic {name} was deleted and made anew: it begins with another record; {TO_DO}");
                return Err(Error::refused(*of, what));
            }
        }
        Ok(ends.into_iter().filter_map(|(of, end)| Some((of, end?))).collect())
    }

    /// Keeps where partitions begin that have begun since.
    fn keep_new(&mut self, ends: &BTreeMap<TopicPartition, u64>) {
        let begun = ends.iter().filter(|(of, end)| **end > 0 && !self.firsts.contains_key(of)).map(|(of, _)| *of);
        let begun: Vec<TopicPartition> = begun.take(NEW_AT_ONCE).collect();
        let known = self.firsts.len();
        for of in begun {
            let first = self.queries.firsts(&[of]).map(|firsts| firsts.get(&of).copied().unwrap_or(0));
            if let Ok(Some(record)) = first.and_then(|first| Ok(self.queries.read(of, first, 1)?.into_iter().next())) {
                self.firsts.insert(of, First { offset: record.offset, appended_ms: record.recorded_at_ms });
            }
        }
        if self.firsts.len() > known
            && let Err(error) = atomic_file::replace(&self.kept, &[text(&self.firsts).as_bytes()])
        {
            tracing::warn!(%error, path = %self.kept.display(), "where the topics begin is not kept");
        }
    }
}

/// Waits for the next look, or for the end.
fn wait(stopped: &Receiver<()>) {
    // Either way the next look is the last thing before the loop's own question.
    let _ = stopped.recv_timeout(LOOK_EVERY);
}

fn text(firsts: &BTreeMap<TopicPartition, First>) -> String {
    let line = |(of, first): (&TopicPartition, &First)| {
        format!("{} {} {} {}\n", of.topic.name(), of.partition, first.offset, first.appended_ms)
    };
    firsts.iter().map(line).collect()
}

/// What the file says; nothing where there is none, or of lines that nobody understands.
fn read(path: &Path) -> BTreeMap<TopicPartition, First> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next()?;
        let topic = Topic::ALL.into_iter().find(|topic| topic.name() == name)?;
        let of = topic.at(words.next()?.parse().ok()?);
        let first = First { offset: words.next()?.parse().ok()?, appended_ms: words.next()?.parse().ok()? };
        words.next().is_none().then_some((of, first))
    };
    match std::fs::read_to_string(path) {
        Ok(text) => text.lines().filter_map(line).collect(),
        Err(error) => {
            tracing::debug!(%error, path = %path.display(), "it isn't known where the topics begin");
            BTreeMap::new()
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let first = |offset, appended_ms| First { offset, appended_ms };
        let firsts = BTreeMap::from([
            (Topic::Orders.at(3), first(0, 1_790_000_000_000)),
            (Topic::DeadLetters.at(11), first(7, -1)),
        ]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("first-records");
        assert_eq!(read(&path), BTreeMap::new());
        std::fs::write(&path, text(&firsts) + "nonsense\norders x 1 1\n").unwrap();
        assert_eq!(read(&path), firsts);
    }
}
