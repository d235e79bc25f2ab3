//! Answers given again: rows that were written once stay right until the next commit of the view that they rest on.
//!
//! A market that everyone watches is asked for thousands of times between two trades. What is kept are the rows, already
//! written; `asOf` is said anew each time, for the log goes on.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::worker::board::{BookView, LevelView};
use orderledger_projections::worker::progress::PartitionProgress;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::markets::book_progress;
use crate::http::answer::{Rows, Whole};
use crate::http::as_of::AsOf;
use crate::http::problem::Problem;
use crate::lag::Lag;
use crate::ledger::{Ledger, Moment};

/// How many bytes of rows are kept, at most.
const BYTES_MAX: u64 = 64 << 20;
/// Longer rows are written anew each time.
const ROWS_BYTES_MAX: usize = 64 << 10;
/// What an answer takes beside its address and its rows, about.
const OVERHEAD: usize = 512;

/// What an answer rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rests {
    /// The rows of settlement.
    Settlement,
    /// A published book.
    Book,
    /// A published book, and the rows of market.
    Market,
}

impl Rests {
    const fn partitions(self) -> usize {
        match self {
            Rests::Settlement | Rests::Book => 1,
            Rests::Market => 2,
        }
    }
}

/// The answers that may be given again, by their addresses.
pub(crate) struct Hot(Cache<String, Kept, ByBytes>);

impl Default for Hot {
    fn default() -> Hot {
        let about = usize::try_from(BYTES_MAX).unwrap_or(usize::MAX) / (4 * OVERHEAD);
        Hot(Cache::with_weighter(about, BYTES_MAX, ByBytes))
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<String, Kept> for ByBytes {
    fn weight(&self, address: &String, kept: &Kept) -> u64 {
        let head = kept.when.head.as_ref().map_or(0, Bytes::len);
        let levels = kept.when.book.as_ref().map_or(0, |book| book.bids.len().saturating_add(book.asks.len()));
        let book = levels.saturating_mul(size_of::<LevelView>());
        // Several answers may keep one head or one book: counted for each, the bound holds whoever keeps them.
        let rows = kept.rows.bytes();
        // The rows once more as they were sent.
        let bytes =
            [rows, rows, head, book, OVERHEAD].iter().fold(address.len(), |sum, more| sum.saturating_add(*more));
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// The rows of an answer, and when they were right.
#[derive(Clone)]
struct Kept {
    when: When,
    rows: Rows,
    rests_on: Arc<[TopicPartition]>,
    /// How they were sent last, without a record waiting: as long as nothing happens at all, that is the answer.
    sent: Arc<ArcSwapOption<(Stands, Whole)>>,
}

/// How far each partition is that an answer rests on: the offset behind it, and its newest append time.
type Stands = Vec<(u64, Timestamp)>;

/// A moment of what an answer rests on. Both parts are kept as long as the answer is, so whatever lies at the same place is
/// the same.
#[derive(Clone)]
struct When {
    head: Option<Bytes>,
    book: Option<Arc<BookView>>,
}

impl PartialEq for When {
    fn eq(&self, other: &When) -> bool {
        let place = |when: &When| when.head.as_ref().map(|head| (head.as_ptr(), head.len()));
        let book = |when: &When| when.book.as_ref().map(Arc::as_ptr);
        place(self) == place(other) && book(self) == book(other)
    }
}

/// The present: its moment, and the positions that belong to it.
struct Now {
    when: When,
    /// The book has everything below that offset.
    below: u64,
    moment: Option<Moment>,
}

impl Now {
    /// None where the view or the book isn't there: the call itself says what is wrong.
    fn of(ledger: &Ledger, rests: Rests, path: &str) -> Option<Now> {
        let book = match rests {
            Rests::Settlement => None,
            Rests::Book | Rests::Market => Some(ledger.board.get_at(symbol_of(path)?)?),
        };
        let moment = match rests {
            Rests::Settlement => Some(ledger.settlement.moment().ok()?),
            Rests::Market => Some(ledger.market.moment().ok()?),
            Rests::Book => None,
        };
        let head = moment.as_ref().map(|moment| moment.reader.head().clone());
        let (book, below) = book.unzip();
        Some(Now { when: When { head, book }, below: below.unwrap_or_default(), moment })
    }

    fn progress(&self, of: TopicPartition) -> PartitionProgress {
        match &self.when.book {
            Some(book) if of.topic == Topic::Books => book_progress(book, self.below),
            _ => self.moment.as_ref().and_then(|now| now.partitions.get(&of)).copied().unwrap_or_default(),
        }
    }

    fn as_of(&self, ledger: &Ledger, rests_on: &[TopicPartition]) -> Result<AsOf, Problem> {
        let mut as_of = AsOf::default();
        for of in rests_on {
            as_of.add(&*ledger.log, *of, self.progress(*of))?;
        }
        Ok(as_of)
    }

    /// None if a record waits: how long it does is said anew each time.
    fn stands(&self, ledger: &Ledger, rests_on: &[TopicPartition]) -> Result<Option<Stands>, Problem> {
        let mut stands = Vec::with_capacity(rests_on.len());
        for of in rests_on {
            let PartitionProgress { next_offset, recorded_at, .. } = self.progress(*of);
            if ledger.log.known_end(*of)? > next_offset {
                return Ok(None);
            }
            stands.push((next_offset, recorded_at));
        }
        Ok(Some(stands))
    }
}

/// Gives the answer of before where nothing that it rests on has changed, and else keeps the new one.
pub(crate) async fn again(
    State((ledger, hot, rests)): State<(Arc<Ledger>, Arc<Hot>, Rests)>,
    request: Request,
    next: Next,
) -> Response {
    let Some(address) = address(&request) else { return next.run(request).await };
    let Some(before) = Now::of(&ledger, rests, request.uri().path()) else { return next.run(request).await };
    if let Some(kept) = hot.0.get(address)
        && kept.when == before.when
    {
        return kept.answer(&ledger, &before, request.headers()).into_response();
    }
    let (address, path) = (address.to_owned(), request.uri().path().to_owned());
    let response = next.run(request).await;
    // What was committed while the rows were read may be in them or not.
    let same = Now::of(&ledger, rests, &path).is_some_and(|after| after.when == before.when);
    if same
        && let Some((rows, as_of)) = response.extensions().get::<(Rows, AsOf)>()
        && rows.bytes() <= ROWS_BYTES_MAX
        // A partition without a record isn't named: what comes first there would not be missed.
        && as_of.rests_on().count() == rests.partitions()
    {
        let (when, rows, rests_on) = (before.when, rows.clone(), as_of.rests_on().collect());
        let kept = Kept { when, rows, rests_on, sent: Arc::default() };
        hot.0.insert(address, kept);
    }
    response
}

impl Kept {
    fn answer(&self, ledger: &Ledger, now: &Now, headers: &HeaderMap) -> Result<Response, Problem> {
        let stands = now.stands(ledger, &self.rests_on)?;
        let sent = self.sent.load();
        if let (Some(stands), Some((then, whole))) = (&stands, sent.as_deref())
            && then == stands
        {
            return Ok(whole.send(headers));
        }
        let as_of = now.as_of(ledger, &self.rests_on)?;
        let whole = self.rows.whole(&as_of)?;
        let response = whole.send(headers);
        // A record may have come since.
        if let Some(stands) = stands.filter(|_| as_of.lag() == Lag::default()) {
            self.sent.store(Some(Arc::new((stands, whole))));
        }
        Ok(response)
    }
}

/// What such an answer is kept under; none of a call that waits, asks for the past or for another form.
fn address(request: &Request) -> Option<&str> {
    let headers = request.headers();
    let plain = headers.get(header::ACCEPT).is_none_or(|accept| accept == "*/*" || accept == "application/json");
    let query = request.uri().query().unwrap_or_default();
    let is_number = |text: &str| text.parse::<u16>().is_ok_and(|number| number.to_string() == text);
    let bare = query.is_empty() || query.strip_prefix("depth=").is_some_and(is_number);
    let hot = request.method() == Method::GET && plain && bare && !headers.contains_key("ledger-position");
    request.uri().path_and_query().filter(|_| hot).map(PathAndQuery::as_str)
}

/// The symbol of `/v1/markets/{symbol}…`.
fn symbol_of(path: &str) -> Option<Symbol> {
    Symbol::new(path.split('/').nth(3)?).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use axum::body::Body;

    use super::*;

    fn check(method: &str, uri: &str, headers: &[(&str, &str)], hot: bool) {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        assert_eq!(address(&request).is_some(), hot, "{method} {uri} {headers:?}");
    }

    #[test]
    fn what_waits_or_asks_for_more_than_the_present_is_not_given_again() {
        check("GET", "/v1/markets/A", &[], true);
        check("GET", "/v1/markets/A", &[("accept", "*/*")], true);
        check("GET", "/v1/markets/A/book?depth=5", &[], true);
        check("GET", "/v1/markets/A/book?depth=05", &[], false);
        check("HEAD", "/v1/markets/A", &[], false);
        check("GET", "/v1/markets/A", &[("accept", "text/csv")], false);
        check("GET", "/v1/markets/A", &[("ledger-position", "trades-1@4")], false);
        check("GET", "/v1/markets/A?minPosition=trades-1@4", &[], false);
        check("GET", "/v1/markets/A/book?depth=5&minPosition=books-1@4", &[], false);
    }

    #[test]
    fn a_market_is_named_by_its_address() {
        assert_eq!(symbol_of("/v1/markets/AAPL/book"), Symbol::new("AAPL").ok());
        assert_eq!(symbol_of("/v1/markets/AAPL"), Symbol::new("AAPL").ok());
        assert_eq!(symbol_of("/v1/markets/%41"), None);
    }
}
