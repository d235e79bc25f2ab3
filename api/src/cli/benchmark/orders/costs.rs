//! Where the time goes: the server's processor time by kind of thread, and the records and bytes that an order makes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use orderledger_domain::position::Topic;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;

/// How many records one look into the log reads.
const CHUNK: usize = 4096;

/// Processor time and system calls of a process so far, by the name of its threads.
#[derive(Clone, Debug, Default)]
pub(super) struct Threads(BTreeMap<String, Spent>);

/// What threads of one name spent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Processor time in microseconds.
    pub(super) micros: u64,
    /// How often such a thread slept and was woken.
    pub(super) wakes: u64,
}

impl Threads {
    /// As they are now, of a process of that number; nothing where the system doesn't tell (it does on Linux).
    pub(super) fn of(pid: u32) -> Threads {
        let mut threads = Threads::default();
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return threads };
        for task in tasks.flatten() {
            if let Some((name, spent)) = spent(task.path()) {
                let sum = threads.0.entry(name).or_default();
                sum.micros = sum.micros.saturating_add(spent.micros);
                sum.wakes = sum.wakes.saturating_add(spent.wakes);
            }
        }
        threads
    }

    /// What was spent since then, most first.
    pub(super) fn since(&self, before: &Threads) -> Vec<(String, Spent)> {
        let spent = |(name, now): (&String, &Spent)| {
            let before = before.0.get(name).copied().unwrap_or_default();
            let micros = now.micros.saturating_sub(before.micros);
            (name.clone(), Spent { micros, wakes: now.wakes.saturating_sub(before.wakes) })
        };
        let mut all: Vec<(String, Spent)> = self.0.iter().map(spent).filter(|(_, spent)| spent.micros > 0).collect();
        all.sort_by_key(|(_, spent)| std::cmp::Reverse(spent.micros));
        all
    }
}

/// A thread's name and what it spent: `schedstat` begins with nanoseconds on a processor.
fn spent(task: PathBuf) -> Option<(String, Spent)> {
    let read = |file: &str| std::fs::read_to_string(task.join(file)).ok();
    let nanos: u64 = read("schedstat")?.split_whitespace().next()?.parse().ok()?;
    let status = read("status")?;
    let wakes = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()?;
    Some((read("comm")?.trim().to_owned(), Spent { micros: nanos / 1000, wakes }))
}

/// What a topic holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) records: u64,
    /// Of keys and values.
    pub(super) bytes: u64,
}

/// What each topic of a log holds.
pub(super) fn held(log: &dyn EventLog) -> Result<Vec<(Topic, Held)>, Error> {
    let mut all = Vec::new();
    for topic in Topic::ALL {
        let mut held = Held::default();
        for partition in (0..log.partitions()).map(|partition| topic.at(partition)) {
            let mut from = log.first_offset(partition)?;
            loop {
                let records = log.read(partition, from, CHUNK)?;
                let Some(last) = records.last() else { break };
                from = last.offset.saturating_add(1);
                let of = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
                let bytes: usize = records.iter().map(|record| of(&record.key).saturating_add(of(&record.value))).sum();
                held.records = held.records.saturating_add(u64::try_from(records.len()).unwrap_or(u64::MAX));
                held.bytes = held.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            }
        }
        all.push((topic, held));
    }
    Ok(all)
}
