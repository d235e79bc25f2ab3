//! `GET /v1/log/export`: the whole log, as it is now, as a file that can be checked with nothing else.
//!
//! A thread of its own reads it, politely, as fast as the caller takes it. A body that breaks off has no last line, and is found.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use orderledger_store::be_polite;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Sender, channel};

use crate::export::{Stretch, export, whole};
use crate::http::export::{Part, STRETCH_BYTES, Streamed, TAKEN_WITHIN};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::{Ledger, blocking};

/// How often it looks whether the caller has taken something. It is no timer of the runtime, which panics where that ends first.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(crate) async fn get(State(ledger): State<Arc<Ledger>>, params: Params) -> Result<Response, Problem> {
    params.finish(Some(()))?;
    let permit = Arc::clone(&ledger.exports).try_acquire_owned().map_err(|_| Problem::too_many_exports())?;
    let asked = Arc::clone(&ledger);
    let stretches = blocking(move || whole(&*asked.log)).await?;
    let (to, parts) = channel(2);
    let reading = std::thread::Builder::new().name("log export".to_owned()).spawn(move || {
        be_polite();
        if let Err(error) = run(&ledger, &stretches, to) {
            tracing::info!(%error, "an export of the log was not sent to its end");
        }
        drop(permit);
    });
    reading.map_err(|error| {
        tracing::error!(%error, "the system gives no thread to read the log");
        Problem::internal()
    })?;
    let mut response = Response::new(Body::new(Streamed(parts)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

fn run(ledger: &Ledger, stretches: &[Stretch], to: Sender<Part>) -> io::Result<()> {
    let mut sent = Sent { to, filled: Vec::with_capacity(STRETCH_BYTES) };
    export(&*ledger.log, stretches, &mut sent, &mut |_| ())?;
    sent.flush()?;
    sent.give(Part::End)
}

/// What is written goes to the caller, a piece at a time.
struct Sent {
    to: Sender<Part>,
    filled: Vec<u8>,
}

impl Sent {
    fn give(&self, mut part: Part) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            part = match self.to.try_send(part) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(TrySendError::Full(_)) if begun.elapsed() >= TAKEN_WITHIN => {
                    return Err(io::Error::other("its reader takes nothing"));
                }
                Err(TrySendError::Full(part)) => part,
            };
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.filled.extend_from_slice(bytes);
        if self.filled.len() >= STRETCH_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.filled.is_empty() {
            return Ok(());
        }
        let filled = std::mem::replace(&mut self.filled, Vec::with_capacity(STRETCH_BYTES));
        self.give(Part::Rows(Bytes::from(filled)))
    }
}
