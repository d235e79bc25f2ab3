//! Records on their way to the log: in batches, their order kept, never more than a window of them unjudged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use orderledger_store::event_log::NewRecord;
use orderledger_store::{At, Error};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use crate::latencies::Latencies;
use crate::ledger::Ledger;

/// How long an acknowledgement or a judgement may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends records and watches until intake has judged them.
pub struct Feed {
    ledger: Arc<Ledger>,
    runtime: Handle,
    batch: usize,
    window: Arc<Semaphore>,
    batches: u32,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    judged: Latencies,
    failed: Option<Error>,
}

impl Feed {
    /// Batches of that many records, so many of them under way at once.
    pub fn new(ledger: &Arc<Ledger>, runtime: &Handle, batch: usize, batches: u32) -> Feed {
        Feed {
            ledger: Arc::clone(ledger),
            runtime: runtime.clone(),
            batch: batch.max(1),
            window: Arc::new(Semaphore::new(usize::try_from(batches).unwrap_or(1))),
            batches,
            seen: Arc::default(),
        }
    }

    /// Sends all of them, waits until they are judged, and gives the latencies of the batches: from the append to the
    /// judgement of their last record. Calls `on_sent` with the number sent so far.
    pub fn send(
        &self,
        records: impl IntoIterator<Item = NewRecord>,
        mut on_sent: impl FnMut(usize),
    ) -> Result<Latencies, Error> {
        let (mut records, mut sent) = (records.into_iter(), 0_usize);
        loop {
            let batch: Vec<NewRecord> = records.by_ref().take(self.batch).collect();
            if batch.is_empty() {
                break;
            }
            sent = sent.saturating_add(batch.len());
            self.send_batch(batch)?;
            on_sent(sent);
        }
        drop(self.places(self.batches)?);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.failed.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut seen.judged)),
        }
    }

    /// Waits for that many free places in the window, and for a reason to stop.
    fn places(&self, count: u32) -> Result<tokio::sync::OwnedSemaphorePermit, Error> {
        let places = self.runtime.block_on(Arc::clone(&self.window).acquire_many_owned(count));
        places.map_err(|error| Error::closed(At::Log, error.to_string()))
    }

    fn send_batch(&self, batch: Vec<NewRecord>) -> Result<(), Error> {
        let place = self.places(1)?;
        if let Some(error) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).failed.take() {
            return Err(error);
        }
        let partitions: Vec<u32> = batch.iter().map(|record| record.to.partition).collect();
        let (acknowledge, acknowledged) = oneshot::channel();
        let begun = Instant::now();
        // Nobody listens any more only if the runtime has ended.
        self.ledger.appender.append(batch, Box::new(move |offsets| drop(acknowledge.send(offsets))))?;
        let (ledger, seen) = (Arc::clone(&self.ledger), Arc::clone(&self.seen));
        self.runtime.spawn(async move {
            let judged = tokio::time::timeout(PATIENCE, judged(&ledger, &partitions, acknowledged)).await;
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            match judged {
                Ok(Ok(())) => seen.judged.record(begun.elapsed()),
                Ok(Err(error)) => seen.failed = Some(error),
                Err(_) => seen.failed = Some(Error::unavailable(At::Log, "intake doesn't judge what was sent")),
            }
            drop(place);
        });
        Ok(())
    }
}

/// Waits until the last record in every partition is judged; then all before it are.
async fn judged(
    ledger: &Ledger,
    partitions: &[u32],
    acknowledged: oneshot::Receiver<Result<Vec<u64>, Error>>,
) -> Result<(), Error> {
    let ended = |_| Error::closed(At::Log, "it ended before it had acknowledged");
    let offsets = acknowledged.await.map_err(ended)??;
    let last: BTreeMap<u32, u64> = partitions.iter().copied().zip(offsets).collect();
    for (partition, offset) in last {
        let ended = |_| Error::closed(At::Log, "intake ended before it had judged");
        ledger.answers.wait(partition, offset).await.map_err(ended)?;
    }
    Ok(())
}
