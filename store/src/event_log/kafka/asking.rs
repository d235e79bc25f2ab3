//! A client that only asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::KafkaSettings;
use super::context::Watching;
use super::errors::translated;
use super::reader::end;
use crate::Error;
use crate::error::At;

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

    /// Asks with the client there is.
    pub(super) fn with<T>(
        &self,
        ask: impl FnOnce(&BaseConsumer<Watching>) -> Result<T, KafkaError>,
    ) -> Result<T, KafkaError> {
        let asked = Arc::clone(&self.lock().client);
        let Some(client) = &asked.0 else { return Err(KafkaError::Canceled) };
        listen(client);
        let answer = ask(client);
        self.heard(&asked, answer.is_ok());
        answer
    }

    /// Asks where records stand. Such a client goes on asking a leader that is dead: after a failure it learns anew who leads.
    pub(super) fn offsets(&self, list: &TopicPartitionList) -> Result<TopicPartitionList, KafkaError> {
        self.with(|client| {
            let found = client.offsets_for_times(list.clone(), ONE_QUESTION);
            if found.is_err() {
                // Where nobody answers, the next question fails too.
                drop(client.fetch_metadata(None, ONE_QUESTION));
            }
            found
        })
    }

    fn heard(&self, asked: &Arc<Client>, answered: bool) {
        let mut now = self.lock();
        // Another has taken its place meanwhile.
        if !Arc::ptr_eq(&now.client, asked) {
            return;
        }
        if answered {
            now.silent = None;
        } else if now.silent.get_or_insert_with(Instant::now).elapsed() >= ANEW_AFTER {
            now.silent = None;
            match client(&self.settings, self.isolation, &self.watching) {
                Ok(another) => now.client = Arc::new(another),
                Err(error) => tracing::warn!(%error, "no other client to ask the cluster with: the old one goes on"),
            }
        }
    }
}

fn client(settings: &KafkaSettings, isolation: &str, watching: &Watching) -> Result<Client, Error> {
    let mut config = settings.asking();
    config.set("isolation.level", isolation);
    let made = config.create_with_context(watching.clone());
    made.map(|client| Client(Some(client))).map_err(|error| translated(At::Log, error))
}

/// Takes what a client has to tell: why it finds no broker, say. Untaken it would pile up.
pub(super) fn listen(client: &BaseConsumer<Watching>) {
    while client.poll(Duration::ZERO).is_some() {}
}
