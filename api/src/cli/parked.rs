//! `parked`: what waits behind records that a projection can't apply, and deciding about it on a running server.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use orderledger_domain::entity::Entity;
use orderledger_domain::position::Position;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::server::{Server, ServerArgs};
use super::{Failure, print, print_json};

/// Retries that are under way at once.
const ASKERS: usize = 128;
/// How often it is looked whether all that was released is applied; less often where a look takes long.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Nobody waits longer for what doesn't move.
const STANDSTILL: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Subcommand)]
pub(super) enum Parked {
    /// Lists the entities that are parked.
    List(List),
    /// Shows the records of an entity that wait, in order.
    Show(Show),
    /// Applies what waits, in order, up to the first record that still can't be applied.
    Retry(Retry),
    /// Never applies the first record that waits; what waits behind it is applied.
    Discard(Discard),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    server: ServerArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The entity, as in user:u1 or symbol:AAPL.
    entity: Entity,
    #[command(flatten)]
    server: ServerArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = false, args = ["entity", "all"])]
pub(super) struct Retry {
    /// The entity, as in user:u1 or symbol:AAPL.
    entity: Option<Entity>,
    /// Every entity that is parked.
    #[arg(long)]
    all: bool,
    /// The first record that waits [default: whichever it is now]
    #[arg(long, value_name = "POSITION", requires = "entity")]
    position: Option<Position>,
    /// Says what would happen, and does nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    server: ServerArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Discard {
    /// The entity, as in user:u1 or symbol:AAPL.
    entity: Entity,
    /// The record to discard: the first that waits. There is no default, for this can't be taken back.
    #[arg(long, value_name = "POSITION")]
    position: Position,
    /// Why; it stands in the log for ever.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    server: ServerArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Who {
    /// Who decides; it stands in the log for ever [default: whom the credential names, else operator]
    #[arg(long, env = "ORDERLEDGER_ACTOR")]
    actor: Option<String>,
}

pub(super) fn run(parked: &Parked) -> Result<(), Failure> {
    match parked {
        Parked::List(args) => list(args),
        Parked::Show(args) => show(args),
        Parked::Retry(args) => retry(args),
        Parked::Discard(args) => discard(args),
    }
}

fn list(args: &List) -> Result<(), Failure> {
    let rows = args.server.open()?.all::<Value>("/v1/parked?order=asc")?;
    if args.json {
        return print_json(&rows);
    }
    let mut text = line(["entity", "projection", "state", "first", "waiting", "since", "error"]);
    for row in &rows {
        let columns = ["entity", "projection", "state", "firstPosition", "waiting", "since", "error"];
        let cells = columns.map(|name| text_of(row, name));
        text += &line(cells.each_ref().map(String::as_str));
    }
    print(text)
}

fn line([entity, projection, state, first, waiting, since, error]: [&str; 7]) -> String {
    format!("{entity:<24} {projection:<10} {state:<9} {first:<20} {waiting:>9} {since:<28} {error}\n")
}

/// An entity with the records of it that wait.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    entity: Value,
    records: Vec<Waiting>,
}

/// A record that waits; its event byte for byte as it stands in the log.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    position: String,
    recorded_at: Option<String>,
    error: Option<String>,
    event: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

fn show(args: &Show) -> Result<(), Failure> {
    let server = args.server.open()?;
    let entity = row_of(&server, &args.entity)?;
    let records = server.all::<Waiting>(&format!("/v1/parked/{}", args.entity))?;
    if args.json {
        return print_json(&Shown { entity, records });
    }
    let of = |name: &str| text_of(&entity, name);
    let mut text = format!(
        "{} of {}: {} since {}\nfirst     {}\nwaiting   {}\nattempts  {}, the last by version {}\nerror     {}\n\n",
        args.entity,
        of("projection"),
        of("state"),
        of("since"),
        of("firstPosition"),
        of("waiting"),
        of("attempts"),
        of("codeVersion"),
        of("error")
    );
    for record in &records {
        let event = record.event.as_deref().map(RawValue::get).or(record.error.as_deref()).unwrap_or("-");
        // Writing into a string can't fail.
        let _ = writeln!(text, "{:<20} {event}", record.position);
    }
    print(text)
}

fn retry(args: &Retry) -> Result<(), Failure> {
    let server = args.server.open()?;
    let wanted = match (&args.entity, args.position) {
        (Some(entity), Some(position)) => vec![(entity.to_string(), position.to_string())],
        (Some(entity), None) => vec![head_of(&row_of(&server, entity)?)],
        (None, _) => server.all::<Value>("/v1/parked?order=asc")?.iter().map(head_of).collect(),
    };
    let ask = |(entity, position): (String, String)| {
        let body = json!({"position": position, "actor": args.who.actor});
        let path = format!("/v1/parked/{entity}/retry");
        let answer = match (args.dry_run, args.all) {
            (true, _) => server.post(&format!("{path}?dryRun=true"), &body),
            // What all of them wait for is read from the log once if all is decided before much is applied.
            (false, true) => server.post_at_once(&path, &body),
            (false, false) => server.post(&path, &body),
        };
        answer.map_err(|failure| failure.to_string())
    };
    let (mut answers, mut failed) = (Vec::new(), Vec::new());
    for answer in at_once(wanted, ask) {
        match answer {
            Ok(answer) => answers.push(answer),
            Err(failure) => failed.push(failure),
        }
    }
    if !args.dry_run {
        settle(&server, &mut answers)?;
    }
    tell(&answers, args.json)?;
    let is_released = |answer: &&Value| text_of(answer, "state") == "released";
    let released = answers.iter().filter(is_released).count();
    if !args.dry_run && released < answers.len() {
        let of = answers.len();
        failed.push(format!("{released} of {of} are released; what waits on is said above"));
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::failed(failed.join("; "))) }
}

/// Waits until nothing of those is being applied any more, or nothing moves, and makes the answers say how each stands then.
fn settle(server: &Server, answers: &mut [Value]) -> Result<(), Failure> {
    let mut rows: BTreeMap<String, Value>;
    let mut moved = (None, Instant::now());
    loop {
        let begun = Instant::now();
        let parked = server.all::<Value>("/v1/parked?order=asc")?;
        let pause = LOOK_AGAIN.max(begun.elapsed().saturating_mul(8));
        rows = parked.into_iter().map(|row| (text_of(&row, "entity"), row)).collect();
        let is_releasing = |answer: &Value| {
            rows.get(&text_of(answer, "entity")).is_some_and(|row| text_of(row, "state") == "releasing")
        };
        let waiting = rows.values().filter_map(|row| row.get("waiting")?.as_u64()).sum::<u64>();
        if moved.0 != Some(waiting) {
            moved = (Some(waiting), Instant::now());
        }
        // A projection that stopped releases nothing more: the answers say `releasing` then.
        if !answers.iter().any(is_releasing) || moved.1.elapsed() > STANDSTILL {
            break;
        }
        std::thread::sleep(pause);
    }
    for answer in answers {
        let row = rows.get(&text_of(answer, "entity"));
        let Some(fields) = answer.as_object_mut() else { continue };
        for name in ["state", "firstPosition", "waiting", "error"] {
            let released = match name {
                "state" => json!("released"),
                "waiting" => json!(0),
                _ => Value::Null,
            };
            let value = row.and_then(|row| row.get(name)).cloned().unwrap_or(released);
            fields.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

/// Asks about all of them, many at once; the answers in the order of the questions. Each is about an entity of its own.
fn at_once<Q: Send, A: Send>(questions: Vec<Q>, ask: impl Fn(Q) -> A + Sync) -> Vec<A> {
    let (askers, questions) = (ASKERS.min(questions.len()), Mutex::new(questions.into_iter().enumerate()));
    let answers = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..askers {
            scope.spawn(|| {
                loop {
                    let next = questions.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((place, question)) = next else { return };
                    let answer = ask(question);
                    answers.lock().unwrap_or_else(PoisonError::into_inner).insert(place, answer);
                }
            });
        }
    });
    answers.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

fn discard(args: &Discard) -> Result<(), Failure> {
    let body = json!({"position": args.position.to_string(), "reason": args.reason, "actor": args.who.actor});
    let answer = args.server.open()?.post(&format!("/v1/parked/{}/discard", args.entity), &body)?;
    tell(&[answer], args.json)
}

fn tell(answers: &[Value], json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&answers);
    }
    let mut text = String::new();
    for answer in answers {
        let of = |name: &str| text_of(answer, name);
        // Writing into a string can't fail.
        let _ = match answer.get("wouldApply") {
            Some(count) => writeln!(
                text,
                "{}: {count} would be applied; stops at {}: {}",
                of("entity"),
                of("stopsAt"),
                of("error")
            ),
            None => writeln!(
                text,
                "{}: {}, {} wait; first {}: {}",
                of("entity"),
                of("state"),
                of("waiting"),
                of("firstPosition"),
                of("error")
            ),
        };
    }
    print(text)
}

fn row_of(server: &Server, entity: &Entity) -> Result<Value, Failure> {
    let rows = server.all::<Value>("/v1/parked?order=asc")?;
    let found = rows.into_iter().find(|row| text_of(row, "entity") == entity.to_string());
    found.ok_or_else(|| Failure::failed(format!("{entity} is not parked; see: orderledger parked list")))
}

fn head_of(row: &Value) -> (String, String) {
    (text_of(row, "entity"), text_of(row, "firstPosition"))
}

fn text_of(row: &Value, name: &str) -> String {
    match row.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}
