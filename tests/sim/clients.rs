//! Clients: they ask, ask again what they heard nothing certain of, and remember the answers they were given.

use std::sync::{Arc, Mutex};

use orderledger_domain::envelope;
use orderledger_domain::position::TopicPartition;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::intake::answers::{Answer, find};
use orderledger_store::event_log::{Appender, AppenderKind, EventLog, NewRecord};
use orderledger_tests::dice::Dice;

use crate::flow::Flow;
use crate::log::SimLog;
use crate::machine::Machine;
use crate::plan::Plan;

/// Says what intake answered, if it did.
type Listening = Box<dyn FnMut() -> Option<Answer>>;
/// The number of a batch, and its offsets if it was acknowledged.
type Heard = (usize, Option<Vec<u64>>);

pub(crate) struct Clients {
    flow: Flow,
    left: u64,
    appender: Box<dyn Appender>,
    sent: Vec<Vec<NewRecord>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// Batches whose outcome is unknown.
    unknown: Vec<usize>,
    /// Where an acknowledged request stands, and who waits for its answer.
    listening: Vec<(TopicPartition, u64, Listening)>,
    answered: Vec<(TopicPartition, u64, Answer)>,
}

impl Clients {
    pub(crate) fn new(plan: &Plan, key: StreamKey, log: &SimLog) -> Clients {
        Clients {
            flow: Flow::new(plan, key),
            left: plan.requests,
            appender: log.appender(AppenderKind::Client).unwrap(),
            sent: Vec::new(),
            heard: Arc::default(),
            unknown: Vec::new(),
            listening: Vec::new(),
            answered: Vec::new(),
        }
    }

    /// Whether everything was asked.
    pub(crate) const fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Asks for something new, or once more for something whose outcome is unknown.
    pub(crate) fn ask(&mut self, dice: &mut Dice) {
        if !self.unknown.is_empty() && (self.left == 0 || dice.percent(30)) {
            let number = self.unknown.swap_remove(dice.place(self.unknown.len()));
            return self.send(number);
        }
        if self.left > 0 {
            self.left -= 1;
            let records = self.flow.ask();
            if !records.is_empty() {
                self.sent.push(records);
                self.send(self.sent.len() - 1);
            }
        }
    }

    fn send(&self, number: usize) {
        let heard = Arc::clone(&self.heard);
        let done = move |result: Result<Vec<u64>, _>| heard.lock().unwrap().push((number, result.ok()));
        self.appender.append(self.sent[number].clone(), Box::new(done)).unwrap();
    }

    /// Follows the acknowledgements: who got one waits for the answer at one of the machines that run.
    pub(crate) fn listen(&mut self, machines: &mut dyn Iterator<Item = &Machine>) {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        let machines: Vec<&Machine> = if heard.is_empty() { Vec::new() } else { machines.collect() };
        for (number, offsets) in heard {
            let Some(offsets) = offsets else {
                self.unknown.push(number);
                continue;
            };
            for (record, offset) in self.sent[number].iter().zip(offsets) {
                for machine in &machines {
                    let mut waiting = machine.answers.wait(record.to.partition, offset);
                    self.listening.push((record.to, offset, Box::new(move || waiting.try_recv().ok())));
                }
            }
        }
        let answered = &mut self.answered;
        self.listening.retain_mut(|(of, offset, answer)| {
            let Some(answer) = answer() else { return true };
            answered.push((*of, *offset, answer));
            false
        });
    }

    /// Every answer that was given stands in the log as it was given, and is found there again.
    pub(crate) fn check(&self, log: &dyn EventLog, key: &StreamKey) -> Result<u64, String> {
        for (of, offset, answer) in &self.answered {
            let asked = of.offset(*offset);
            let at = answer.position;
            let record = log.read(at.topic_partition(), at.offset, 1).unwrap().into_iter().next();
            let event = record.and_then(|record| envelope::read(record.value.as_deref()).ok()?.event.ok());
            if event.as_ref() != Some(&answer.event) {
                return Err(format!("{asked} was answered {answer:?}, but the log has {event:?} there"));
            }
            match find(log, key, asked) {
                Ok(Some(found)) if found.event == answer.event => {}
                found => return Err(format!("{asked} was answered {answer:?}, and later {found:?}")),
            }
        }
        Ok(u64::try_from(self.answered.len()).unwrap())
    }
}
