//! From an event to intake's answer: append, wait for the acknowledgement, wait for the judgement.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use orderledger_domain::envelope::{self, Metadata};
use orderledger_domain::event::{Event, RecordRefused};
use orderledger_domain::partition;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::rules::Rules;
use orderledger_projections::intake::answers::{self, Answer};
use orderledger_projections::settlement::queries::rules_version_in;
use orderledger_projections::worker::progress::WorkerState;
use orderledger_store::Error;
use orderledger_store::event_log::NewRecord;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::http::correlation;
use crate::http::problem::Problem;
use crate::http::trace;
use crate::ledger::{self, CONTROL, Ledger, blocking};
use crate::metrics::{APPENDS, Outcome};

/// What intake said of a request.
pub(super) struct Judged {
    /// Where the request stands, or stood the first time.
    pub(super) asked: Position,
    /// Where the answer stands.
    pub(super) position: Position,
    /// The answer.
    pub(super) event: Event,
    /// Whether the request repeats an earlier one.
    pub(super) replayed: bool,
}

/// One request on its way to intake.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// In whose name: an account, or [`CONTROL`].
    pub(super) account: &'a str,
    pub(super) event_id: Uuid,
    pub(super) event: &'a Event,
    /// Who asks, where the record says so.
    pub(super) actor: Option<&'a str>,
}

/// Asks intake, in the name of an account (or of [`CONTROL`]).
pub(super) async fn submit(
    ledger: &Arc<Ledger>,
    account: &str,
    event_id: Uuid,
    event: &Event,
) -> Result<Judged, Problem> {
    submit_as(ledger, account, event_id, event, None).await
}

/// The same, and the record says who asked.
pub(super) async fn submit_as(
    ledger: &Arc<Ledger>,
    account: &str,
    event_id: Uuid,
    event: &Event,
    actor: Option<&str>,
) -> Result<Judged, Problem> {
    let mut judged = submit_all(ledger, &[Asked { account, event_id, event, actor }]).await?;
    judged.pop().unwrap_or_else(|| Err(Problem::internal()))
}

/// Asks intake all of it with one append, each account's requests in their order; what it said of each, in the same
/// order. A problem of the whole means that nothing was written.
pub(super) async fn submit_all(
    ledger: &Arc<Ledger>,
    asked: &[Asked<'_>],
) -> Result<Vec<Result<Judged, Problem>>, Problem> {
    accepts_writes(ledger)?;
    let deadline = Instant::now() + ledger.answer_within;
    let mut judged = ask_all(ledger, asked, Form::InForce, deadline).await?;
    // The rules went back to a version that doesn't read what the last one did, and nobody here had seen it. A refused record
    // claims no id; in each partition the last ones were refused, so they keep their order.
    let refused: Vec<usize> = judged
        .iter()
        .enumerate()
        .filter(|(_, one)| matches!(one, Err(Refused::Form)))
        .map(|(place, _)| place)
        .collect();
    if !refused.is_empty() {
        let again: Vec<Asked<'_>> = refused.iter().filter_map(|place| asked.get(*place).copied()).collect();
        let answers = ask_all(ledger, &again, Form::Plain, deadline).await?;
        for (place, answer) in refused.into_iter().zip(answers) {
            if let Some(one) = judged.get_mut(place) {
                *one = answer;
            }
        }
    }
    Ok(judged.into_iter().map(|one| one.map_err(Problem::from)).collect())
}

/// In which form requests are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The newest that the rules in force read, as far as the view has come.
    InForce,
    /// One that every version of the rules reads.
    Plain,
}

/// Why there is no answer to a request.
enum Refused {
    /// The rules in force don't read its form.
    Form,
    /// Anything that the caller is told.
    Otherwise(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused::Otherwise(problem)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        match refused {
            Refused::Form => Problem::outcome_unknown(),
            Refused::Otherwise(problem) => problem,
        }
    }
}

/// Asks intake all of it, once.
async fn ask_all(
    ledger: &Arc<Ledger>,
    asked: &[Asked<'_>],
    form: Form,
    deadline: Instant,
) -> Result<Vec<Result<Judged, Refused>>, Problem> {
    let mut records = Vec::with_capacity(asked.len());
    for one in asked {
        records.push(record_of(ledger, one, form).await?);
    }
    let partitions: Vec<TopicPartition> = records.iter().map(|record| record.to).collect();
    let Some(offsets) = append_all(ledger, records, deadline).await? else {
        return Ok(asked.iter().map(|_| Err(Problem::outcome_unknown().into())).collect());
    };
    // All are waited for before the first is looked at: answers are kept in memory only for a while.
    let waiting: Vec<_> = partitions
        .into_iter()
        .zip(offsets)
        .map(|(of, offset)| (of.offset(offset), ledger.answers.wait(of.partition, offset)))
        .collect();
    let mut given = Vec::with_capacity(waiting.len());
    for (asked, answer) in waiting {
        let answer = timeout_at(deadline, answer).await.ok().and_then(Result::ok);
        let answer = answer.ok_or_else(Problem::outcome_unknown);
        given.push(Given { asked, replayed: false, answer });
    }
    Ok(first_answers(ledger, given, deadline).await.into_iter().map(Given::judged).collect())
}

async fn record_of(ledger: &Arc<Ledger>, asked: &Asked<'_>, form: Form) -> Result<NewRecord, Problem> {
    let Asked { account, event_id, event, actor } = *asked;
    let partition = if account == CONTROL { 0 } else { partition::of_key(account.as_bytes(), ledger.partitions) };
    let rules = if form == Form::InForce { rules_in(ledger, partition) } else { Rules::default() };
    let correlation_id = correlation::current();
    let metadata = Metadata { version: rules.writes(), source: "http", actor, correlation_id: correlation_id.as_ref() };
    let mut value = envelope::write_outside_with(event_id, ledger::now(), event, &metadata);
    if let Event::StreamKeyRequested(_) = event {
        super::stream_key::seal(ledger, &mut value).await?;
    }
    Ok(NewRecord {
        to: Topic::Orders.at(partition),
        key: Some(Bytes::copy_from_slice(account.as_bytes())),
        value: Some(Bytes::from(value)),
        headers: trace::record_headers(),
    })
}

/// The rules by which intake of that partition judges, as far as the view has come. What the view has seen set is in force for
/// every later record, unless another version was set since.
pub(super) fn rules_in(ledger: &Ledger, partition: u32) -> Rules {
    // A view that can't be read keeps nobody from writing: what the first version reads, all do.
    let row = ledger.settlement.reader().and_then(|reader| rules_version_in(&reader, partition));
    row.ok().flatten().and_then(|row| Rules::try_from(row.version).ok()).unwrap_or_default()
}

/// Writes wait until intake has reached the log's end as it was at start.
fn accepts_writes(ledger: &Ledger) -> Result<(), Problem> {
    match &ledger.intake.standing().state {
        WorkerState::Live => Ok(()),
        WorkerState::CatchingUp => {
            Err(Problem::unavailable("not-ready", "intake has not reached the log's end yet; nothing was written"))
        }
        ended => Err(Problem::unavailable("not-ready", format!("intake is {}; nothing was written", ended.as_str()))),
    }
}

/// Appends one record; its offset.
pub(super) async fn append(ledger: &Arc<Ledger>, record: NewRecord, deadline: Instant) -> Result<u64, Problem> {
    let offsets = append_all(ledger, vec![record], deadline).await?.unwrap_or_default();
    offsets.first().copied().ok_or_else(Problem::outcome_unknown)
}

/// Appends records at once; their offsets, or none if it isn't known whether they stand in the log. A problem means that
/// they don't.
async fn append_all(
    ledger: &Arc<Ledger>,
    records: Vec<NewRecord>,
    deadline: Instant,
) -> Result<Option<Vec<u64>>, Problem> {
    // Records that nobody takes would fill the log's queue, and whoever appends would wait for room.
    if let Err(error @ Error::Unavailable { .. }) = ledger.log.reachable() {
        tracing::debug!(%error, "nothing is appended");
        return Ok(None);
    }
    let overloaded = || Problem::unavailable("overloaded", "too many writes wait for the log; nothing was written");
    let places = u32::try_from(records.len()).map_err(|_| overloaded())?;
    let Ok(Ok(places)) = timeout_at(deadline, ledger.writes.acquire_many(places)).await else {
        return Err(overloaded());
    };
    let ((sender, receiver), begun) = (oneshot::channel(), Instant::now());
    // Nobody waits any more if sending fails.
    let delivered = Box::new(move |offsets| drop(sender.send(offsets)));
    if let Err(error) = ledger.appender.append(records, delivered) {
        tracing::error!(%error, "the log takes no record");
        APPENDS.count(Outcome::Refused, begun.elapsed());
        return Err(Problem::unavailable("log-unavailable", "the log takes no records; nothing was written"));
    }
    let acknowledged = timeout_at(deadline, receiver).await;
    drop(places);
    let outcome = if let Ok(Ok(Ok(_))) = acknowledged { Outcome::Acknowledged } else { Outcome::Unknown };
    APPENDS.count(outcome, begun.elapsed());
    match acknowledged {
        Ok(Ok(Ok(offsets))) => Ok(Some(offsets)),
        Ok(Ok(Err(error))) => {
            tracing::error!(%error, "the log did not acknowledge a record");
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// What intake said of a request, so far.
struct Given {
    asked: Position,
    replayed: bool,
    answer: Result<Answer, Problem>,
}

impl Given {
    /// Where the request stands that this one repeats.
    fn original(&self) -> Option<Position> {
        match &self.answer {
            Ok(Answer { event: Event::DuplicateIgnored(repeat), .. }) => Some(repeat.original),
            _ => None,
        }
    }

    fn judged(self) -> Result<Judged, Refused> {
        let Given { asked, replayed, answer } = self;
        let Answer { position, event } = answer?;
        match event {
            Event::RecordRefused(refused) if refused.reason == RefuseReason::UnknownVersion => Err(Refused::Form),
            Event::RecordRefused(refused) => Err(refusal(&refused).into()),
            event => Ok(Judged { asked, position, event, replayed }),
        }
    }
}

/// The answers to the requests, or to those that they repeat; a repeat may itself be repeated.
async fn first_answers(ledger: &Arc<Ledger>, mut given: Vec<Given>, deadline: Instant) -> Vec<Given> {
    loop {
        let originals: BTreeSet<Position> = given.iter().filter_map(Given::original).collect();
        if originals.is_empty() {
            return given;
        }
        let asking = Arc::clone(ledger);
        let look = move || answers::find_all(asking.log.as_ref(), &asking.key, &originals);
        // A log that gives no answer for a moment is asked longer than anybody waits.
        let found = match timeout_at(deadline, blocking(look)).await {
            Ok(Ok(found)) => Ok(found),
            Err(_) | Ok(Err(Error::Unavailable { .. })) => Err(Problem::outcome_unknown()),
            Ok(Err(error)) => Err(error.into()),
        };
        for one in &mut given {
            let Some(original) = one.original() else { continue };
            // One that is not there yet is not to be read at this moment.
            let answer = found.as_ref().map(|found| found.get(&original).cloned());
            (one.asked, one.replayed) = (original, true);
            one.answer = answer.map_err(Clone::clone).and_then(|found| found.ok_or_else(Problem::outcome_unknown));
        }
    }
}

fn refusal(refused: &RecordRefused) -> Problem {
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    match refused.reason {
        RefuseReason::IdReused | RefuseReason::DuplicateOrder => {
            let detail = "this Idempotency-Key was used before with another body, method or path; use a new key";
            Problem::new(unprocessable, "idempotency-key-reused", detail)
        }
        RefuseReason::NotSealed => {
            let detail = "another change of the stream key came first, and this server hadn't seen it; nothing was changed: \
                          look at /v1/stream-key and ask again";
            Problem::new(StatusCode::CONFLICT, "stream-key-changed", detail).retry_after(1)
        }
        RefuseReason::TimestampInFuture => {
            let detail = "this server's clock is ahead of the log's; nothing was booked";
            Problem::unavailable("clock-ahead", detail)
        }
        reason => {
            Problem::new(unprocessable, "record-refused", format!("intake refused it: {reason}: {}", refused.detail))
        }
    }
}

/// Intake answered with an event that can't answer such a request: the log and the rules disagree.
pub(super) fn unexpected(judged: &Judged) -> Problem {
    tracing::error!(position = %judged.position, answer = judged.event.event_type().as_str(), "an answer of the wrong kind");
    Problem::internal()
}
