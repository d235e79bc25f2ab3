//! A client that only asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::KafkaSettings;
use super::context::Watching;
use super::errors::no_other_client;
use super::reader::end;
use crate::Error;

/// How long one question waits for its answer.
pub(super) const ONE_QUESTION: Duration = Duration::from_secs(5);
/// A client that got no answer for so long is made anew: it may have forgotten all brokers (`sight`), and nothing but its questions
/// tells so.
const ANEW_AFTER: Duration = Duration::from_secs(10);

/// Asks, with another client where one gets no answers.
pub(super) struct Asking {
    settings: KafkaSettings,
    isolation: &'static str,
    watching: Watching,
    now: Mutex<Now>,
}

struct Now {
    client: Arc<Client>,
    /// Since when it gets no answer.
    silent: Option<Instant>,
}

/// There until it is dropped, by whoever asked it last.
struct Client(Option<BaseConsumer<Watching>>);

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(consumer) = self.0.take() {
            end(consumer);
        }
    }
}

impl Asking {
    /// One that sees records of open transactions, or not (`isolation.level`).
    pub(super) fn new(settings: &KafkaSettings, isolation: &'static str, watching: &Watching) -> Result<Asking, Error> {
        let client = Arc::new(client(settings, isolation, watching)?);
        let now = Mutex::new(Now { client, silent: None });
        Ok(Asking { settings: settings.clone(), isolation, watching: watching.clone(), now })
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks with the client there is; what is asked says whether any broker was heard, whatever it answered.
    pub(super) fn with<T>(
        &self,
        ask: impl FnOnce(&BaseConsumer<Watching>) -> (Result<T, KafkaError>, bool),
    ) -> Result<T, KafkaError> {
        let asked = Arc::clone(&self.lock().client);
        let Some(client) = &asked.0 else { return Err(KafkaError::Canceled) };
        listen(client);
        let since = Instant::now();
        let (answer, is_heard) = ask(client);
        self.look(&asked, is_heard, since);
        answer
    }

    /// Asks where records stand. Such a client goes on asking a leader that is dead: after a failure it learns anew who leads.
    pub(super) fn offsets(&self, list: &TopicPartitionList) -> Result<TopicPartitionList, KafkaError> {
        self.with(|client| {
            let found = client.offsets_for_times(list.clone(), ONE_QUESTION);
            // Where nobody answers, the next question fails too.
            let is_heard = found.is_ok() || client.fetch_metadata(None, ONE_QUESTION).is_ok();
            (found, is_heard)
        })
    }

    fn look(&self, asked: &Arc<Client>, is_heard: bool, since: Instant) {
        let mut now = self.lock();
        // Another has taken its place meanwhile.
        if !Arc::ptr_eq(&now.client, asked) {
            return;
        }
        if is_heard {
            now.silent = None;
        } else if now.silent.get_or_insert(since).elapsed() >= ANEW_AFTER {
            now.silent = None;
            match client(&self.settings, self.isolation, &self.watching) {
                Ok(another) => {
                    tracing::info!("a Kafka client that asks hears nothing: another takes its place");
                    now.client = Arc::new(another);
                }
                Err(error) => tracing::warn!(%error, "no other client to ask the cluster with: the old one goes on"),
            }
        }
    }
}

fn client(settings: &KafkaSettings, isolation: &str, watching: &Watching) -> Result<Client, Error> {
    let mut config = settings.asking();
    config.set("isolation.level", isolation);
    let made = config.create_with_context(watching.clone());
    made.map(|client| Client(Some(client))).map_err(no_other_client)
}

/// An answer, and that one was heard.
pub(super) fn heard<T>(answer: Result<T, KafkaError>) -> (Result<T, KafkaError>, bool) {
    let is_heard = answer.is_ok();
    (answer, is_heard)
}

/// Takes what a client has to tell: why it finds no broker, say. Untaken it would pile up. A poll that doesn't wait ends after the
/// first line that the client logs.
pub(super) fn listen(client: &BaseConsumer<Watching>) {
    while client.poll(Duration::from_millis(1)).is_some() {}
}
