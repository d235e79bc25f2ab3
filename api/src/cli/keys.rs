//! `keys`: makes, lists and revokes API keys. A running server sees the change within seconds.

use std::fmt::Write;
use std::path::PathBuf;

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use orderledger_domain::ids::UserId;
use orderledger_domain::timestamp::Timestamp;
use serde_json::{Value, json};

use super::{Failure, print, print_json};
use crate::access::api_keys::{KeyFile, KeyRow, Secret, digest_of, hex, id_of};
use crate::access::roles::Role;
use crate::ledger;

/// What to do with the keys.
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Makes a key and shows it, this one time: only its digest is kept.
    Create(Create),
    /// Lists the keys, never themselves.
    List(List),
    /// Revokes a key for good.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    file: FileArgs,
    /// What the key is for, again or with commas for several: trader, service, auditor, operator.
    #[arg(long = "role", value_name = "ROLE", required = true, value_delimiter = ',')]
    roles: Vec<Role>,
    /// The account that the key is for; a trader's key needs one.
    #[arg(long, value_name = "USER", value_parser = account)]
    account: Option<UserId>,
    /// Who gets the key; the log names operators like this.
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// When the key stops to hold: a moment such as 2027-01-01T00:00:00Z, or after so long as in 90d, 12h or 30m.
    #[arg(long, value_name = "MOMENT|TIME", value_parser = expiry)]
    expires: Option<Timestamp>,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    file: FileArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    file: FileArgs,
    /// The key's id, as `keys list` shows it.
    id: String,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// The file of the API keys; `create` makes it.
    #[arg(long, env = "ORDERLEDGER_AUTH_KEYS", value_name = "FILE", required = true)]
    auth_keys: PathBuf,
}

pub(super) fn run(keys: &Keys) -> Result<(), Failure> {
    match keys {
        Keys::Create(args) => create(args),
        Keys::List(args) => list(args),
        Keys::Revoke(args) => revoke(args),
    }
}

fn account(text: &str) -> Result<UserId, String> {
    UserId::new(text).map_err(|error| error.to_string())
}

fn name(text: &str) -> Result<String, &'static str> {
    let fits =
        (1..=64).contains(&text.chars().count()) && !text.trim().is_empty() && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err("must be a text of 1 to 64 characters") }
}

fn expiry(text: &str) -> Result<Timestamp, &'static str> {
    if let Some(moment) = Timestamp::parse(text) {
        return Ok(moment);
    }
    let wrong = "write a moment such as 2027-01-01T00:00:00Z, or a time such as 90d, 12h or 30m";
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong)?;
    let time = match unit {
        "d" => TimeDelta::days(number.into()),
        "h" => TimeDelta::hours(number.into()),
        "m" => TimeDelta::minutes(number.into()),
        _ => return Err(wrong),
    };
    Ok(ledger::now().plus_seconds(time.num_seconds()))
}

fn create(args: &Create) -> Result<(), Failure> {
    if args.roles.contains(&Role::Trader) && args.account.is_none() {
        return Err(Failure::usage("a trader's key is for one account; name it with --account"));
    }
    let secret = Secret::random().map_err(Failure::failed)?;
    let digest = digest_of(&secret.0);
    let row = KeyRow {
        id: id_of(&digest),
        sha256: hex(&digest),
        roles: args.roles.iter().map(Role::to_string).collect(),
        account: args.account.as_ref().map(|account| account.as_str().to_owned()),
        name: args.name.clone(),
        created: ledger::now(),
        expires: args.expires,
        revoked: None,
    };
    let mut shown = shown(&row);
    KeyFile::change(&args.file.auth_keys, |file| {
        file.keys.push(row);
        Ok(())
    })
    .map_err(Failure::failed)?;
    if args.json {
        if let Some(object) = shown.as_object_mut() {
            object.insert("key".to_owned(), json!(secret.0));
        }
        return print_json(&shown);
    }
    print(format!("{}\n", secret.0))
}

fn list(args: &List) -> Result<(), Failure> {
    let file = KeyFile::read(&args.file.auth_keys).map_err(Failure::failed)?;
    if args.json {
        return print_json(&json!({"data": file.keys.iter().map(shown).collect::<Vec<_>>()}));
    }
    let mut text = String::new();
    for row in &file.keys {
        let account = row.account.as_deref().unwrap_or("-");
        let name = row.name.as_deref().unwrap_or("-");
        // Writing into a string can't fail.
        let _ = writeln!(text, "{}  {:<8} {:<24} {:<16} {}", row.id, state(row), row.roles.join(","), account, name);
    }
    print(text)
}

fn revoke(args: &Revoke) -> Result<(), Failure> {
    let row = KeyFile::change(&args.file.auth_keys, |file| {
        let known = file.keys.iter_mut().find(|row| row.id == args.id);
        let row = known.ok_or_else(|| format!("there is no key {}; `orderledger keys list` shows all", args.id))?;
        row.revoked.get_or_insert_with(ledger::now);
        Ok(row.clone())
    })
    .map_err(Failure::failed)?;
    if args.json { print_json(&shown(&row)) } else { print(format!("{} is revoked\n", row.id)) }
}

fn state(row: &KeyRow) -> &'static str {
    match (row.revoked, row.expires) {
        (Some(_), _) => "revoked",
        (None, Some(expires)) if expires <= ledger::now() => "expired",
        _ => "holds",
    }
}

/// What may be told of a key.
fn shown(row: &KeyRow) -> Value {
    json!({
        "id": row.id, "state": state(row), "roles": row.roles, "account": row.account, "name": row.name,
        "createdAt": row.created, "expiresAt": row.expires, "revokedAt": row.revoked,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_moment_or_a_time_from_now() {
        let now = ledger::now();
        assert_eq!(expiry("2027-01-01T00:00:00Z").unwrap().millis(), 1_798_761_600_000);
        for (text, seconds) in [("90d", 7_776_000), ("12h", 43_200), ("30m", 1800), ("0m", 0)] {
            let expires = expiry(text).unwrap();
            assert!((now.plus_seconds(seconds)..=now.plus_seconds(seconds + 60)).contains(&expires), "{text}");
        }
        for bad in ["", "d", "-1d", "1w", "soon", "ü"] {
            assert!(expiry(bad).is_err(), "{bad}");
        }
    }
}
