//! A list that goes out whole, as fast as its reader takes it, in constant memory.
//!
//! One task an export makes the rows a stretch at a time, each out of a moment of the view of its own: no moment is held while a slow
//! reader is waited for, nor a thread, and a view that is swapped meanwhile goes on where the other was, for places in lists are
//! offsets. It ends at the positions at which it began. The last chunk is sent once all is there: a body that ends without it
//! is an error at the reader.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Frame;
use orderledger_store::views::{Direction, ViewReader};
use orderledger_store::{At, Error, while_lagging};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::answer::set;
use super::as_of::AsOf;
use super::form::Form;
use super::params::Wanted;
use super::problem::Problem;
use super::sheet::{Row, Sheet};
use crate::ledger::{Ledger, ViewHandle, blocking};

/// The calls whose lists go out whole, too.
pub(crate) const CALLS: [&str; 10] = [
    "transactions",
    "orderTransactions",
    "marketTransactions",
    "auditEvents",
    "orders",
    "fills",
    "postings",
    "statement",
    "trades",
    "analyticsExport",
];
/// Bytes of the records of one stretch, about; a reader has two in memory.
pub(crate) const STRETCH_BYTES: usize = 256 << 10;
/// Rows of one stretch where rows are read in pages.
const STRETCH_ROWS: usize = 500;
/// A reader that takes nothing for so long makes room for others.
pub(crate) const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// What of a list is still to come.
pub(crate) struct Rest<K> {
    pub(crate) after: Option<K>,
    pub(crate) left: usize,
    pub(crate) direction: Direction,
}

impl<K: Copy> Rest<K> {
    /// All of it, unless the caller wants no more than so many rows.
    pub(crate) fn of(wanted: &Wanted<K>) -> Rest<K> {
        let left = if wanted.is_limited { wanted.limit } else { usize::MAX };
        Rest { after: wanted.after, left, direction: wanted.direction }
    }

    /// So many more were given, and that is where it goes on; whether it does.
    pub(crate) fn pass(&mut self, rows: usize, next: Option<K>) -> bool {
        self.left = self.left.saturating_sub(rows);
        self.after = next;
        next.is_some() && self.left > 0
    }
}

/// What an export is of.
pub(crate) struct Export {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) view: fn(&Ledger) -> &ViewHandle,
    pub(crate) form: Form,
    /// What a file of it would be called.
    pub(crate) name: &'static str,
    /// Where it ends.
    pub(crate) as_of: AsOf,
}

impl Export {
    /// Streams rows of that kind, by pages of a list: the rows, which of them stand below the end, and where the next page begins.
    pub(crate) async fn pages<K: Copy + Send + 'static, R: Row>(
        self,
        wanted: &Wanted<K>,
        mut page: impl FnMut(&ViewReader, Rest<K>) -> Result<(Vec<(bool, R)>, Option<K>), Error> + Send + 'static,
    ) -> Result<Response, Problem> {
        let mut rest = Rest::of(wanted);
        self.stream::<R>(move |reader, sheet| {
            let Rest { after, left, direction } = rest;
            let (rows, next) = page(reader, Rest { after, left: left.min(STRETCH_ROWS), direction })?;
            let came_later = rows.iter().any(|(is_below, _)| !is_below);
            let there = rows.into_iter().filter(|(is_below, _)| *is_below).map(|(_, row)| row);
            let given = there.fold(0_usize, |given, row| {
                sheet.add(&row);
                given.saturating_add(1)
            });
            // What came later stands at the beginning of a list that begins with the newest, else at its end.
            Ok(rest.pass(given, next.filter(|_| !came_later || direction == Direction::Descending)))
        })
        .await
    }

    /// Streams rows of that kind: `step` adds some out of a moment and says whether there are more.
    pub(crate) async fn stream<R: Row>(
        self,
        step: impl FnMut(&ViewReader, &mut Sheet) -> Result<bool, Error> + Send + 'static,
    ) -> Result<Response, Problem> {
        let permit = Arc::clone(&self.ledger.exports).try_acquire_owned().map_err(|_| Problem::too_many_exports())?;
        let mut response = Response::new(Body::empty());
        set_headers(&mut response, &self);
        let (work, first) = Work { export: self, columns: R::COLUMNS, is_begun: false, step }.next().await;
        let (bytes, more) = first?;
        *response.body_mut() = if more {
            let (to, parts) = channel(1);
            tokio::spawn(run(work, bytes, to, permit));
            Body::new(Streamed(parts))
        } else {
            Body::from(bytes)
        };
        Ok(response)
    }
}

fn set_headers(response: &mut Response, export: &Export) {
    let kind = match export.form {
        Form::Table => "text/csv; charset=utf-8; header=present",
        form => form.media_type(),
    };
    set(response, header::CONTENT_TYPE, kind);
    set(response, HeaderName::from_static("ledger-position"), &export.as_of.ledger_position());
    if let Some(parked) = &export.as_of.parked {
        set(response, HeaderName::from_static("ledger-parked"), &parked.to_string());
    }
    if export.form == Form::Table {
        set(response, header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{}.csv\"", export.name));
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
}

/// An export and how far it is.
struct Work<F> {
    export: Export,
    columns: &'static [&'static str],
    is_begun: bool,
    step: F,
}

type Stretch = Result<(Bytes, bool), Error>;

impl<F: FnMut(&ViewReader, &mut Sheet) -> Result<bool, Error> + Send + 'static> Work<F> {
    /// The next stretch, made where it may block, and whether more follow.
    async fn next(mut self) -> (Work<F>, Stretch) {
        blocking(move || {
            let made = while_lagging(|| self.make());
            (self, made)
        })
        .await
    }

    fn make(&mut self) -> Stretch {
        let Export { ledger, view, form, as_of, .. } = &self.export;
        let moment = view(ledger).moment()?;
        if !as_of.is_reached_by(&moment.partitions) {
            return Err(Error::unavailable(At::Log, "the view went back behind the end of what is being streamed"));
        }
        let columns = (!std::mem::replace(&mut self.is_begun, true)).then_some(self.columns);
        let capacity = STRETCH_BYTES.saturating_mul(3) / 2;
        let mut sheet = match form {
            Form::Table => Sheet::of_cells(capacity, columns),
            Form::Json | Form::Lines => Sheet::of_lines(capacity),
        };
        let more = (self.step)(&moment.reader, &mut sheet)?;
        let written =
            sheet.into_bytes().map_err(|cause| Error::refused(At::Log, "a row can't be written").with_source(cause));
        Ok((written?, more))
    }
}

/// Makes stretch after stretch until all is sent, or nobody takes it.
async fn run<F>(mut work: Work<F>, first: Bytes, to: Sender<Part>, permit: OwnedSemaphorePermit)
where
    F: FnMut(&ViewReader, &mut Sheet) -> Result<bool, Error> + Send + 'static,
{
    let (mut bytes, mut more) = (first, true);
    while send(&to, Part::Rows(bytes)).await && more {
        let made;
        (work, made) = work.next().await;
        (bytes, more) = match made {
            Ok(made) => made,
            Err(error) => {
                tracing::warn!(list = work.export.name, %error, "a list could not be streamed to its end");
                return;
            }
        };
    }
    if !more {
        send(&to, Part::End).await;
    }
    drop(permit);
}

/// False once nobody takes it.
async fn send(to: &Sender<Part>, part: Part) -> bool {
    match tokio::time::timeout(TAKEN_WITHIN, to.send(part)).await {
        Ok(sent) => sent.is_ok(),
        Err(_) => {
            tracing::info!("a list's reader took nothing for {TAKEN_WITHIN:?}; it is cut off");
            false
        }
    }
}

/// A piece of a body that goes out as it is made.
pub(crate) enum Part {
    Rows(Bytes),
    /// Nothing was left out.
    End,
}

/// The body: whole only if its end was said, for whatever ends the task that makes it.
pub(crate) struct Streamed(pub(crate) Receiver<Part>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(match ready!(self.0.poll_recv(context)) {
            Some(Part::Rows(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Part::End) => None,
            None => Some(Err(io::Error::other("the list ends early"))),
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_is_whole_only_if_its_end_was_said() {
        for is_whole in [true, false] {
            let (to, parts) = channel(2);
            to.send(Part::Rows(Bytes::from_static(b"{}\n"))).await.unwrap();
            if is_whole {
                to.send(Part::End).await.unwrap();
            }
            drop(to);
            assert_eq!(Streamed(parts).collect().await.is_ok(), is_whole);
        }
    }
}
