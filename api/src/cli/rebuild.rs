//! `rebuild`: views from offset zero, by a running server or offline.

use std::time::Duration;

use orderledger_projections::rebuild::pass::Passed;
use serde_json::{Value, json};

use super::args::MemoryArgs;
use super::progress::Bar;
use super::server::{ClientArgs, Server};
use super::{Failure, LogArgs, print, print_json};
use crate::ledger::rebuild::Acceptance;
use crate::ledger::{Rebuilt, open_log, rebuild};

/// How often the server is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whom an accepted difference without a name is put down to.
const NOBODY: &str = "operator";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which view.
    #[arg(value_parser = ["settlement", "market", "audit", "notifications", "analytics", "all"])]
    projection: String,
    #[command(flatten)]
    log: LogArgs,
    /// The running server that does it, beside its live views; without one it is done offline, on the data directory.
    #[arg(long, env = "ORDERLEDGER_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Takes the new view even where it differs from the live one. Why; it stands in the log for ever.
    #[arg(long, value_name = "REASON")]
    accept_difference: Option<String>,
    /// Who accepts the difference; it stands in the log for ever [default: whom the credential names, else operator]
    #[arg(long, env = "ORDERLEDGER_ACTOR")]
    actor: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.server {
        Some(url) => by_server(args, &Server::at(url, &args.client)?),
        None => offline(args),
    }
}

fn offline(args: &Args) -> Result<(), Failure> {
    let settings = args.log.settings()?;
    let (data, log) = open_log(&settings, false)?;
    let acceptance = args
        .accept_difference
        .clone()
        .map(|reason| Acceptance { reason, actor: args.actor.clone().unwrap_or_else(|| NOBODY.to_owned()) });
    let mut bar = Bar::new(0, "records");
    let name = &args.projection;
    let mut progress = |passed| bar.set_passed(passed);
    let rebuilt = rebuild(&data, &*log, &settings.key, name, acceptance.as_ref(), args.memory.limit, &mut progress)?;
    bar.end();
    if args.json {
        print_json(&rebuilt.iter().map(row).collect::<Vec<_>>())?;
    } else {
        for rebuilt in &rebuilt {
            print(line(rebuilt))?;
        }
    }
    match rebuilt.iter().find(|rebuilt| !rebuilt.is_equal() && !rebuilt.accepted) {
        None => Ok(()),
        Some(differs) => Err(different(differs.projection, differs.first_difference.as_deref())),
    }
}

/// Asks the server, and shows how far it is until all have ended.
fn by_server(args: &Args, server: &Server) -> Result<(), Failure> {
    let mut body = json!({});
    if let (Some(reason), Some(body)) = (&args.accept_difference, body.as_object_mut()) {
        body.insert("acceptDifference".to_owned(), json!(reason));
        body.insert("actor".to_owned(), json!(args.actor));
    }
    let begun = server.post(&format!("/v1/projections/{}/rebuild", args.projection), &body)?;
    let names: Vec<String> = match begun.get("data").and_then(Value::as_array) {
        Some(rows) => rows.iter().map(|row| text(row, "name")).collect(),
        None => vec![args.projection.clone()],
    };
    let mut bar = Bar::new(0, "records");
    let states = loop {
        let ask = |name: &String| {
            let mut state = server.get(&format!("/v1/projections/{name}/rebuild"))?;
            if let Some(fields) = state.as_object_mut() {
                fields.insert("projection".to_owned(), json!(name));
            }
            Ok::<_, Failure>(state)
        };
        let states = names.iter().map(ask).collect::<Result<Vec<Value>, Failure>>()?;
        let number = |state: &Value, field: &str| state.get(field).and_then(Value::as_u64).unwrap_or(0);
        let (records, left) = states.iter().fold((0, 0), |(records, left), state| {
            (number(state, "records").max(records), number(state, "left").max(left))
        });
        bar.set_passed(Passed { records, left });
        if states.iter().all(|state| state.get("endedAt").is_some_and(|at| !at.is_null())) {
            break states;
        }
        std::thread::park_timeout(LOOK_EVERY);
    };
    bar.end();
    if args.json {
        print_json(&states)?;
    } else {
        for state in &states {
            let [name, generation, phase] = ["projection", "generation", "phase"].map(|field| text(state, field));
            let [rows, digest] = ["rows", "digest"].map(|field| text(state, field));
            print(format!("{name:<10} generation {generation}: {phase}  {rows} rows  digest {digest}\n"))?;
        }
    }
    let ended = |state: &&Value| text(state, "phase") != "done";
    match states.iter().find(ended) {
        None => Ok(()),
        Some(state) if text(state, "phase") == "different" => {
            let first = state.get("differences").and_then(|keys| keys.get(0)).and_then(Value::as_str);
            Err(different(&text(state, "projection"), first))
        }
        Some(state) => {
            let what =
                format!("{} of {} ended as {}", text(state, "action"), text(state, "projection"), text(state, "phase"));
            Err(Failure::failed(format!("{what}: {}", text(state, "error"))))
        }
    }
}

fn text(state: &Value, field: &str) -> String {
    match state.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}

fn different(projection: &str, first: Option<&str>) -> Failure {
    Failure::difference(format!(
        "the rebuilt {projection} view differs from the live one, first at key {}; the live one stays. If the program was \
         changed while something is parked (orderledger parked list), retry that first; else, if the new one is right, \
         rebuild again with --accept-difference REASON",
        first.unwrap_or("unknown")
    ))
}

/// A table line about one rebuilt projection.
pub(crate) fn line(rebuilt: &Rebuilt) -> String {
    let verdict = match (rebuilt.is_equal(), rebuilt.accepted) {
        (true, _) => "equal",
        (false, true) => "different, accepted",
        (false, false) => "DIFFERENT",
    };
    format!(
        "{:<10} generation {} -> {}  {} rows  digest {} ({verdict})\n",
        rebuilt.projection, rebuilt.from_generation, rebuilt.to_generation, rebuilt.rows, rebuilt.rebuilt_digest
    )
}

pub(super) fn row(rebuilt: &Rebuilt) -> Value {
    json!({
        "projection": rebuilt.projection,
        "fromGeneration": rebuilt.from_generation,
        "generation": rebuilt.to_generation,
        "rows": rebuilt.rows,
        "records": rebuilt.records,
        "foldingMs": u64::try_from(rebuilt.folding.as_millis()).unwrap_or(u64::MAX),
        "liveDigest": rebuilt.live_digest,
        "digest": rebuilt.rebuilt_digest,
        "equal": rebuilt.is_equal(),
        "accepted": rebuilt.accepted,
        "firstDifference": rebuilt.first_difference,
    })
}
