//! Outputs on their way: what waits for an acknowledgement, and what may follow one.
//!
//! A record goes to `books` only after the `orders` records of the same and earlier causes are acknowledged. So the
//! outputs of each source partition wait in one bounded queue; `books` outputs are released, and the watermark moves, in
//! the queue's order. A log that commits a batch over several partitions as a whole takes both in one batch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orderledger_domain::event::Event;
use orderledger_domain::planted::{self, Bug};
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::{Appender, NewRecord};
use orderledger_store::id_index::Kept;
use orderledger_store::{At, Error, faults};

use super::emitter::{Emitted, Output};
use crate::worker::partition::Accounting;
use crate::worker::stop::Stop;
use crate::worker::trace;

/// How many outputs may wait for acknowledgements before the stage waits itself: about 64 MiB at 1 KiB each.
const IN_FLIGHT_MAX: usize = 65_536;
/// How long one wait for room lasts before it looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The outputs of one batch of records of one source partition.
#[derive(Debug)]
pub struct Batch {
    /// The source partition.
    pub partition: u32,
    /// The offset from which the fold reads on after the batch.
    pub next_offset: u64,
    /// The offset that the reader has passed, holes included: at least `next_offset`.
    pub passed: u64,
    /// The digest of the batch's last record.
    pub last_digest: u64,
    /// The newest append time of the fold's records.
    pub recorded_at: Timestamp,
    /// The fold's accounting after the batch.
    pub accounting: Accounting,
    /// What is to be sent, in order.
    pub outputs: Vec<Output>,
    /// The fold's image after the batch, if a snapshot is to be kept once all this is acknowledged.
    pub image: Option<Image>,
}

/// A fold's whole state.
#[derive(Debug)]
pub struct Image {
    /// Its bytes.
    pub body: Vec<u8>,
    /// What must be written before it may be kept.
    pub rests_on: Kept,
}

/// A batch of which every output is acknowledged, and so are all before it.
#[derive(Debug)]
pub struct Acknowledged {
    /// The batch; its outputs are spent.
    pub batch: Batch,
    /// Intake's answers in it: offset asked about, offset of the answer, what it says.
    pub answers: Vec<(u64, u64, Event)>,
    /// Where the source partition's streams end now.
    pub targets: BTreeMap<TopicPartition, Emitted>,
}

struct Waiting {
    number: u64,
    batch: Batch,
    /// The two steps: orders, trades, dead letters and (if the log allows it) books; then books.
    steps: [Step; 2],
}

struct Step {
    outputs: Vec<Output>,
    state: StepState,
}

enum StepState {
    Unsent,
    Sent,
    Acknowledged(Vec<u64>),
}

#[derive(Default)]
struct Lane {
    waiting: VecDeque<Waiting>,
    targets: BTreeMap<TopicPartition, Emitted>,
}

#[derive(Default)]
struct State {
    lanes: BTreeMap<u32, Lane>,
    next_number: u64,
    in_flight: usize,
    failed: Option<Error>,
}

struct Ack {
    partition: u32,
    number: u64,
    step: usize,
    result: Result<Vec<u64>, Error>,
}

/// The outbox of one stage.
pub struct Outbox {
    appender: Box<dyn Appender>,
    as_a_whole: bool,
    stop: Stop,
    state: Mutex<State>,
    changed: Condvar,
    acks: Sender<Ack>,
    arrived: Mutex<Receiver<Ack>>,
}

impl Outbox {
    /// An outbox that writes through `appender`; `as_a_whole` if the log commits batches over partitions as a whole.
    pub fn new(appender: Box<dyn Appender>, as_a_whole: bool, stop: Stop) -> Arc<Outbox> {
        let (acks, arrived) = channel();
        let (state, changed) = (Mutex::default(), Condvar::new());
        Arc::new(Outbox { appender, as_a_whole, stop, state, changed, acks, arrived: Mutex::new(arrived) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets where the streams of a source partition end, after a restart.
    pub fn resume(&self, partition: u32, targets: BTreeMap<TopicPartition, Emitted>) {
        self.lock().lanes.entry(partition).or_default().targets = targets;
    }

    /// Queues a batch and sends what needs no earlier acknowledgement. Waits while too much is in flight; once the end is
    /// asked for, it waits no more.
    pub fn push(&self, mut batch: Batch) -> Result<(), Error> {
        let outputs = std::mem::take(&mut batch.outputs);
        let count = outputs.len();
        let as_a_whole = self.as_a_whole || planted::is(Bug::BooksBeforeOrders);
        let (second, first): (Vec<_>, Vec<_>) =
            outputs.into_iter().partition(|output| !as_a_whole && output.to.topic == Topic::Books);
        let records = records(&first);
        let partition = batch.partition;
        let number = {
            let mut state = self.lock();
            while state.failed.is_none() && state.in_flight > 0 && state.in_flight.saturating_add(count) > IN_FLIGHT_MAX
            {
                if self.stop.is_set() {
                    return Err(Error::closed(At::Log, "the program ends while the outbox is full"));
                }
                state = self.changed.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
            }
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            state.in_flight = state.in_flight.saturating_add(count);
            let number = state.next_number;
            state.next_number = number.saturating_add(1);
            let sent = if records.is_empty() { StepState::Acknowledged(Vec::new()) } else { StepState::Sent };
            let unsent = if second.is_empty() { StepState::Acknowledged(Vec::new()) } else { StepState::Unsent };
            let steps = [Step { outputs: first, state: sent }, Step { outputs: second, state: unsent }];
            state.lanes.entry(partition).or_default().waiting.push_back(Waiting { number, batch, steps });
            number
        };
        if records.is_empty() {
            // Nothing to send: it is its turn as soon as all before it are acknowledged.
            let _ = self.acks.send(Ack { partition, number, step: 0, result: Ok(Vec::new()) });
            return Ok(());
        }
        self.send(partition, number, 0, records)
    }

    fn send(&self, partition: u32, number: u64, step: usize, records: Vec<NewRecord>) -> Result<(), Error> {
        let acks = self.acks.clone();
        let done = Box::new(move |result| {
            // The stage has ended if nobody listens any more.
            let _ = acks.send(Ack { partition, number, step, result });
        });
        faults::point("stage.before-append");
        self.appender.append(records, done)?;
        faults::point("stage.after-append");
        Ok(())
    }

    /// Waits for acknowledgements, sends what they release, and gives the batches that are acknowledged whole.
    /// A failed delivery ends the stage like a crash.
    pub fn take_acknowledged(&self, within: Duration) -> Result<Vec<Acknowledged>, Error> {
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(first) = arrived.recv_timeout(within) else { return Ok(Vec::new()) };
        let acks: Vec<Ack> = std::iter::once(first).chain(arrived.try_iter()).collect();
        drop(arrived);
        faults::point("stage.acknowledged");
        let done = self.follow(acks);
        if let Err(error) = &done {
            self.fail(error.clone());
        }
        self.changed.notify_all();
        done
    }

    /// Nothing is taken any more: whoever waits for room hears why.
    pub(super) fn fail(&self, error: Error) {
        self.lock().failed.get_or_insert(error);
        self.changed.notify_all();
    }

    fn follow(&self, acks: Vec<Ack>) -> Result<Vec<Acknowledged>, Error> {
        let mut partitions = Vec::new();
        for ack in acks {
            if !partitions.contains(&ack.partition) {
                partitions.push(ack.partition);
            }
            self.note(ack)?;
        }
        let mut done = Vec::new();
        for partition in partitions {
            self.release(partition)?;
            self.complete(partition, &mut done);
        }
        Ok(done)
    }

    fn note(&self, ack: Ack) -> Result<(), Error> {
        let offsets = ack.result?;
        let mut state = self.lock();
        let lane = state.lanes.entry(ack.partition).or_default();
        let place = lane.waiting.binary_search_by_key(&ack.number, |waiting| waiting.number);
        let waiting = place.ok().and_then(|place| lane.waiting.get_mut(place));
        let step = waiting.and_then(|waiting| waiting.steps.get_mut(ack.step));
        if let Some(step) = step.filter(|step| matches!(step.state, StepState::Sent)) {
            step.state = StepState::Acknowledged(offsets);
        }
        Ok(())
    }

    /// Sends the second steps of all batches at the queue's head whose first step is acknowledged.
    fn release(&self, partition: u32) -> Result<(), Error> {
        loop {
            let (number, records) = {
                let mut state = self.lock();
                let lane = state.lanes.entry(partition).or_default();
                let acknowledged =
                    |waiting: &&mut Waiting| matches!(waiting.steps[0].state, StepState::Acknowledged(_));
                let mut ready = lane.waiting.iter_mut().take_while(acknowledged);
                let Some(next) = ready.find(|waiting| matches!(waiting.steps[1].state, StepState::Unsent)) else {
                    return Ok(());
                };
                next.steps[1].state = StepState::Sent;
                (next.number, records(&next.steps[1].outputs))
            };
            self.send(partition, number, 1, records)?;
        }
    }

    /// Moves the acknowledged head of the queue out.
    fn complete(&self, partition: u32, done: &mut Vec<Acknowledged>) {
        let mut state = self.lock();
        let State { lanes, in_flight, .. } = &mut *state;
        let lane = lanes.entry(partition).or_default();
        let needed = if planted::is(Bug::AcknowledgedInPart) { 1 } else { 2 };
        let acknowledged = |waiting: &mut Waiting| {
            waiting.steps.iter().take(needed).all(|step| matches!(step.state, StepState::Acknowledged(_)))
        };
        while let Some(Waiting { batch, steps, .. }) = lane.waiting.pop_front_if(acknowledged) {
            let mut answers = Vec::new();
            for step in steps {
                *in_flight = in_flight.saturating_sub(step.outputs.len());
                let StepState::Acknowledged(offsets) = step.state else { continue };
                for (output, offset) in step.outputs.into_iter().zip(offsets) {
                    lane.targets.insert(output.to, Emitted { offset, mark: output.mark });
                    if let Some(event) = output.answer {
                        answers.push((output.cause_offset, offset, event));
                    }
                }
            }
            done.push(Acknowledged { batch, answers, targets: lane.targets.clone() });
        }
    }

    /// Whether everything pushed so far is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.lock().lanes.values().all(|lane| lane.waiting.is_empty())
    }
}

fn records(outputs: &[Output]) -> Vec<NewRecord> {
    let record = |output: &Output| NewRecord {
        to: output.to,
        key: Some(output.key.clone()),
        value: Some(output.value.clone()),
        headers: trace::headers(output.trace),
    };
    outputs.iter().map(record).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use bytes::Bytes;
    use orderledger_domain::stream::StreamMark;
    use orderledger_store::event_log::Delivered;

    use super::*;

    /// Acknowledges orders at once and takes no books.
    struct NoBooks;

    impl Appender for NoBooks {
        fn append(&self, batch: Vec<NewRecord>, done: Delivered) -> Result<(), Error> {
            if batch.iter().any(|record| record.to.topic == Topic::Books) {
                return Err(Error::closed(At::Log, "the log is closed"));
            }
            done(Ok(batch.iter().map(|_| 0).collect()));
            Ok(())
        }
    }

    fn batch(outputs: usize) -> Batch {
        let output = |place: usize| Output {
            to: if place == 0 { Topic::Orders.at(0) } else { Topic::Books.at(0) },
            key: Bytes::new(),
            value: Bytes::new(),
            cause_offset: 0,
            mark: StreamMark::default(),
            answer: None,
            trace: None,
        };
        Batch {
            partition: 0,
            next_offset: 1,
            passed: 1,
            last_digest: 0,
            recorded_at: Timestamp::default(),
            accounting: Accounting::default(),
            outputs: (0..outputs).map(output).collect(),
            image: None,
        }
    }

    #[test]
    fn whoever_waits_for_room_hears_of_a_log_that_takes_no_second_step() {
        let outbox = Outbox::new(Box::new(NoBooks), false, Stop::default());
        outbox.push(batch(IN_FLIGHT_MAX)).unwrap();
        let (told, heard) = channel();
        let waiting = Arc::clone(&outbox);
        std::thread::spawn(move || told.send(waiting.push(batch(2))));
        std::thread::sleep(Duration::from_millis(100));
        assert!(outbox.take_acknowledged(Duration::from_secs(5)).is_err());
        assert!(heard.recv_timeout(Duration::from_secs(5)).unwrap().is_err());
    }
}
