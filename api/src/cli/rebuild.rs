//! `rebuild`: views from offset zero, by a running server or offline; by a server also back to the ones before.

use std::time::Duration;

use orderledger_projections::rebuild::pass::Passed;
use serde_json::{Value, json};

use super::args::MemoryArgs;
use super::progress::Bar;
use super::server::{InsteadArgs, Server};
use super::{Failure, LogArgs, print, print_json};
use crate::ledger::rebuild::Acceptance;
use crate::ledger::{Rebuilt, Settings, open_log, rebuild};

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
    #[command(flatten)]
    server: InsteadArgs,
    /// Takes the new view even where it differs from the live one. Why; it stands in the log for ever.
    #[arg(long, value_name = "REASON")]
    accept_difference: Option<String>,
    /// Goes back to the generation before instead; on a running server
    #[arg(long, conflicts_with_all = ["accept_difference", "cancel"])]
    rollback: bool,
    /// Calls off the rebuild or rollback that runs; on a running server
    #[arg(long, conflicts_with = "accept_difference")]
    cancel: bool,
    /// Who accepts the difference; it stands in the log for ever [default: whom the credential names, else operator]
    #[arg(long, env = "ORDERLEDGER_ACTOR")]
    actor: Option<String>,
    #[command(flatten)]
    memory: MemoryArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let Some(server) = args.server.open()? else {
        return if args.rollback || args.cancel { Err(needs_server(args)) } else { offline(args) };
    };
    if args.rollback {
        roll_back(args, &server)
    } else if args.cancel {
        call_off(args, &server)
    } else {
        by_server(args, &server)
    }
}

fn needs_server(args: &Args) -> Failure {
    Failure::usage(if args.rollback {
        "--rollback is done by a running server: start it, and name it with --server URL. Without one a view can only be \
         made anew: leave --rollback out"
    } else {
        "--cancel is told to a running server: name it with --server URL. A rebuild without a server is called off by \
         ending its process; the live view stays"
    })
}

fn offline(args: &Args) -> Result<(), Failure> {
    let settings = Settings { memory_limit: args.memory.limit, ..args.log.settings()? };
    let (data, log) = open_log(&settings, false)?;
    let acceptance = args
        .accept_difference
        .clone()
        .map(|reason| Acceptance { reason, actor: args.actor.clone().unwrap_or_else(|| NOBODY.to_owned()) });
    let mut bar = Bar::new(0, "records");
    let name = &args.projection;
    let mut progress = |passed: Passed| {
        bar.set_phase(if passed.left > 0 { "folding" } else { "comparing and writing" });
        bar.set_passed(passed);
    };
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
    let states = follow(server, &names)?;
    show(args, &states)?;
    states.iter().try_for_each(|state| check(state, "done"))
}

/// Goes back, one view after the other: one that can't leaves the others their turn.
fn roll_back(args: &Args, server: &Server) -> Result<(), Failure> {
    let (mut states, mut failures) = (Vec::new(), Vec::new());
    for name in named(args, server, |_| true)? {
        let begun = server.post(&format!("/v1/projections/{name}/rollback"), &json!({}));
        match begun.and_then(|_| follow(server, &[name])) {
            Ok(ended) => states.extend(ended),
            Err(failure) => failures.push(failure),
        }
    }
    conclude(args, &states, "done", failures)
}

/// Calls off what runs, all of it before it is waited for the first.
fn call_off(args: &Args, server: &Server) -> Result<(), Failure> {
    let runs = |row: &Value| row.get("rebuild").is_some_and(|state| !has_ended(state));
    let names = named(args, server, runs)?;
    if names.is_empty() {
        return Err(Failure::failed(format!("no rebuild runs at {}; there is nothing to call off", server.url())));
    }
    let (mut called_off, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        match server.delete(&format!("/v1/projections/{name}/rebuild")) {
            Ok(_) => called_off.push(name),
            Err(failure) => failures.push(failure),
        }
    }
    let states = follow(server, &called_off).unwrap_or_else(|failure| {
        failures.push(failure);
        Vec::new()
    });
    conclude(args, &states, "canceled", failures)
}

/// The projection that is named; of all those whose row is wanted.
fn named(args: &Args, server: &Server, is_wanted: impl Fn(&Value) -> bool) -> Result<Vec<String>, Failure> {
    if args.projection != "all" {
        return Ok(vec![args.projection.clone()]);
    }
    let rows = server.get("/v1/projections")?;
    let rows = rows.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(rows.iter().filter(|row| is_wanted(row)).map(|row| text(row, "name")).collect())
}

/// How each stands once all have ended; shows how far they are until then.
fn follow(server: &Server, names: &[String]) -> Result<Vec<Value>, Failure> {
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
        let (records, left) = states.iter().fold((0, 0), |(records, left), state| {
            (number(state, "records").max(records), number(state, "left").max(left))
        });
        let Some(state) = states.iter().find(|state| !has_ended(state)) else { break states };
        bar.set_phase(&phase(state, names.len()));
        bar.set_passed(Passed { records, left });
        std::thread::park_timeout(LOOK_EVERY);
    };
    bar.end();
    Ok(states)
}

/// What is done now, given the first that has not ended: they are folded together, then written and compared in turn.
fn phase(state: &Value, among: usize) -> String {
    let phase = text(state, "phase");
    let whose = if among > 1 && phase != "folding" { text(state, "projection") + " " } else { String::new() };
    let rows = if phase == "writing" { format!(", {} rows", number(state, "rows")) } else { String::new() };
    format!("{whose}{phase}{rows}")
}

/// Shows what came, and then says what went otherwise.
fn conclude(args: &Args, states: &[Value], wanted: &str, mut failures: Vec<Failure>) -> Result<(), Failure> {
    if !states.is_empty() {
        show(args, states)?;
    }
    failures.extend(states.iter().filter_map(|state| check(state, wanted).err()));
    if failures.len() <= 1 {
        return failures.pop().map_or(Ok(()), Err);
    }
    let said: Vec<String> = failures.iter().map(Failure::to_string).collect();
    Err(Failure::failed(said.join("; ")))
}

fn show(args: &Args, states: &[Value]) -> Result<(), Failure> {
    if args.json {
        return print_json(&states);
    }
    for state in states {
        let [name, generation, phase] = ["projection", "generation", "phase"].map(|field| text(state, field));
        let digest = text(state, "digest");
        // Going back writes none.
        let rows = if text(state, "action") == "rollback" { String::new() } else { text(state, "rows") + " rows  " };
        print(format!("{name:<10} generation {generation}: {phase}  {rows}digest {digest}\n"))?;
    }
    Ok(())
}

/// Whether it ended as it should.
fn check(state: &Value, wanted: &str) -> Result<(), Failure> {
    let [name, action, phase] = ["projection", "action", "phase"].map(|field| text(state, field));
    if phase == wanted {
        return Ok(());
    }
    if phase == "different" && wanted == "done" {
        let first = state.get("differences").and_then(|keys| keys.get(0)).and_then(Value::as_str);
        return Err(different(&name, first));
    }
    let why = match state.get("error").and_then(Value::as_str) {
        Some(error) => format!(": {error}"),
        None => String::new(),
    };
    Err(Failure::failed(format!("{action} of {name} ended as {phase}{why}")))
}

fn has_ended(state: &Value) -> bool {
    state.get("endedAt").is_some_and(|at| !at.is_null())
}

fn number(state: &Value, field: &str) -> u64 {
    state.get(field).and_then(Value::as_u64).unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_says_what_is_done_and_to_which_view() {
        let said =
            |phase: &str, among| super::phase(&json!({"projection": "market", "phase": phase, "rows": 7}), among);
        assert_eq!([said("folding", 5), said("comparing", 5)], ["folding", "market comparing"]);
        assert_eq!([said("catching_up", 1), said("writing", 1)], ["catching_up", "writing, 7 rows"]);
    }
}
