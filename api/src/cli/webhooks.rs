//! `webhooks`: how a running server's webhooks do, what of them was given up, and sending it again.

use std::fmt::Write;

use orderledger_domain::ids::UserId;
use orderledger_domain::position::Position;
use serde_json::{Value, json};
use uuid::Uuid;

use super::server::{Server, ServerArgs};
use super::{Failure, print, print_json};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Webhooks {
    /// Lists the webhooks, how they do and how many deliveries wait.
    List(List),
    /// Lists what a webhook was not told, for it was tried too often.
    DeadLetters(DeadLetters),
    /// Sends again what was sent, or given up, under the same webhook-id. Nothing else ever does.
    Resend(Resend),
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
pub(super) struct DeadLetters {
    /// Which webhook, as `webhooks list` names it.
    webhook: Uuid,
    #[command(flatten)]
    server: ServerArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(id = "what", required = true, multiple = false, args = ["first", "dead_letters"])]
pub(super) struct Resend {
    /// Which webhook, as `webhooks list` names it.
    webhook: Uuid,
    /// The first record of a partition of orders that it is told of again, as in orders-3@1842.
    #[arg(long, value_name = "POSITION")]
    first: Option<Position>,
    /// The last of them [default: the first]
    #[arg(long, value_name = "POSITION", requires = "first")]
    last: Option<Position>,
    /// Only what is of this account.
    #[arg(long, value_name = "USER", requires = "first")]
    user: Option<UserId>,
    /// Everything among its dead letters.
    #[arg(long)]
    dead_letters: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(webhooks: &Webhooks) -> Result<(), Failure> {
    match webhooks {
        Webhooks::List(args) => {
            // They are few: one page has all.
            let mut page = args.server.open()?.get("/v1/webhooks")?;
            let rows = page.get_mut("data").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
            let columns = [("webhookId", 38), ("state", 12), ("waiting", 9), ("url", 40), ("error", 0)];
            show(&rows, args.json, &columns)
        }
        Webhooks::DeadLetters(args) => {
            let rows = dead_letters(&args.server.open()?, args.webhook)?;
            let columns = [("position", 22), ("userId", 20), ("eventType", 20), ("attempts", 9), ("error", 0)];
            show(&rows, args.json, &columns)
        }
        Webhooks::Resend(args) => resend(args),
    }
}

fn dead_letters(server: &Server, webhook: Uuid) -> Result<Vec<Value>, Failure> {
    server.all(&format!("/v1/webhooks/{webhook}/dead-letters"))
}

fn resend(args: &Resend) -> Result<(), Failure> {
    let server = args.server.open()?;
    let asked = match args.first {
        Some(first) => vec![json!({"from": first, "to": args.last.unwrap_or(first), "userId": args.user})],
        None => {
            let letters = dead_letters(&server, args.webhook)?;
            letters
                .iter()
                .map(|letter| json!({"from": letter.get("position"), "userId": letter.get("userId")}))
                .collect()
        }
    };
    let path = format!("/v1/webhooks/{}/resend", args.webhook);
    let answers = asked.iter().map(|body| server.post(&path, body)).collect::<Result<Vec<Value>, Failure>>()?;
    if args.json {
        return print_json(&answers);
    }
    print(match args.first {
        Some(_) => "it is sent again\n".to_owned(),
        None => format!("{} are sent again; what fails once more becomes a dead letter once more\n", answers.len()),
    })
}

fn show(rows: &[Value], json: bool, columns: &[(&str, usize)]) -> Result<(), Failure> {
    if json {
        return print_json(&rows);
    }
    let mut text = String::new();
    let mut line = |cell: &dyn Fn(&str) -> String| {
        for (name, width) in columns {
            // Writing into a string can't fail.
            let _ = write!(text, "{:<width$} ", cell(name));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    };
    line(&|name| name.to_owned());
    for row in rows {
        line(&|name| match row.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => "-".to_owned(),
            Some(other) => other.to_string(),
        });
    }
    print(text)
}
