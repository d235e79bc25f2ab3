//! Opening the ledger beside HTTP: again and again while the log can't be reached.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use orderledger_store::{At, Error};
use tokio::sync::watch;

use crate::cli::exit::in_full;
use crate::cli::server_file;
use crate::http::front::Front;
use crate::http::routes;
use crate::ledger::{Ledger, Opened, Settings, Workers};

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long an attempt that runs may go on once the program is to end.
const ATTEMPT_ENDS_WITHIN: Duration = Duration::from_secs(1);

/// A thread that opens the ledger.
pub(super) struct Opening {
    /// Dropped to end the pauses.
    stop: Mutex<Option<Sender<()>>>,
    result: watch::Receiver<Option<Result<Arc<Ledger>, Error>>>,
    workers: Receiver<Workers>,
    thread: JoinHandle<()>,
}

impl Opening {
    /// Starts; once the ledger is open, the front's calls are the ledger's.
    pub(super) fn start(
        settings: Settings,
        front: Front,
        (address, encrypted): (SocketAddr, bool),
    ) -> std::io::Result<Opening> {
        let ((stop, stopped), (give_workers, workers)) = (channel(), channel());
        let (tell, result) = watch::channel(None);
        let thread = std::thread::Builder::new().name("opening".to_owned()).spawn(move || {
            let result = match open_patiently(&settings, &front, &stopped) {
                Some(Ok(Opened { ledger, workers })) => {
                    server_file::write(&settings.data, address, encrypted);
                    front.open(routes::router(Arc::clone(&ledger), front.access()));
                    // If nobody waits for them any more, they end here.
                    if let Err(unwanted) = give_workers.send(workers) {
                        unwanted.0.stop_and_join();
                    }
                    Ok(ledger)
                }
                Some(Err(error)) => Err(error),
                None => return,
            };
            tell.send_replace(Some(result));
        })?;
        Ok(Opening { stop: Mutex::new(Some(stop)), result, workers, thread })
    }

    /// Waits until the ledger is open; an error if it never will be like this.
    pub(super) async fn opened(&self) -> Result<Arc<Ledger>, Error> {
        let mut result = self.result.clone();
        match result.wait_for(Option::is_some).await.map(|result| result.clone()) {
            Ok(Some(result)) => result,
            // The thread ended without a word: it was asked to.
            _ => std::future::pending().await,
        }
    }

    /// Ends the streams, which would never end by themselves.
    pub(super) fn close_streams(&self) {
        if let Some(Ok(ledger)) = &*self.result.borrow() {
            ledger.streams.close();
        }
    }

    /// Ends the attempts. The workers, if they run.
    pub(super) fn end(self) -> Option<Workers> {
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
        let workers = self.workers.recv_timeout(ATTEMPT_ENDS_WITHIN).ok();
        if workers.is_some() || self.thread.is_finished() {
            // A panic there has been told already.
            let _ = self.thread.join();
        }
        workers
    }
}

/// Opens the ledger; none if the program is to end before.
fn open_patiently(settings: &Settings, front: &Front, stopped: &Receiver<()>) -> Option<Result<Opened, Error>> {
    let pauses = ExponentialBuilder::default().with_max_delay(PAUSE_MAX).with_jitter().without_max_times().build();
    let mut told = String::new();
    for pause in pauses {
        let error = match Opened::open(settings) {
            Err(error) if settings.kafka.is_some() && is_of_log(&error) => error,
            ended => return Some(ended),
        };
        let why = in_full(&error);
        front.log_unreachable(why.clone());
        if why != told {
            tracing::warn!("{why}; trying again until it answers");
            told = why;
        }
        match stopped.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

/// Whether the log is away, and not a file of ours.
const fn is_of_log(error: &Error) -> bool {
    matches!(error, Error::Unavailable { at: At::Log | At::Partition(_) | At::Position(_), .. })
}
