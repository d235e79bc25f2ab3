//! The configuration file, misspelled variables, the secret keys of the streams, and the files of who may come in.

use clap::Command;
use orderledger_domain::stream::StreamKey;

use super::Check;
use crate::cli::args::LogKind;
use crate::cli::config::{self, PREFIX};
use crate::cli::{LogArgs, key_file, serve};

pub(super) fn checks(command: &Command) -> Vec<Check> {
    let mut checks = vec![Check::ok(
        "configuration",
        match config::file_in_use() {
            Some(path) => path.display().to_string(),
            None => format!("no file {} here; options and variables alone", config::FILE),
        },
    )];
    let names: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    let known = config::variables(command);
    for name in names.iter().filter(|name| name.starts_with(PREFIX) && !known.contains(name)) {
        // All begin alike, which is no likeness.
        let bare = |name: &'_ str| name.trim_start_matches(PREFIX).to_owned();
        let options: Vec<String> = known.iter().map(|name| bare(name)).collect();
        if let Some(meant) = config::similar(&bare(name), options.iter().map(String::as_str)) {
            let detail = format!("the variable {name} says nothing to orderledger");
            checks.push(Check::warning("environment", detail, format!("if you mean {PREFIX}{meant}, rename it")));
        }
    }
    checks
}

/// The keys that are named, if they can be read.
pub(super) fn stream_key(log: &LogArgs) -> (Option<StreamKey>, Check) {
    const CHECK: &str = "stream key";
    let Some(path) = &log.stream_key_file else {
        let detail = "none is named";
        let check = match log.log {
            LogKind::Embedded => Check::ok(CHECK, format!("{detail}; nobody else writes to an embedded log")),
            LogKind::Kafka => {
                let to_do = "before the first record make one with `(umask 077 && openssl rand -hex 16 >stream.key)` and name \
                             it with --stream-key-file, or keep others from writing to the topics";
                Check::warning(CHECK, format!("{detail}: who may write to the topics can forge records"), to_do)
            }
        };
        return (Some(StreamKey::default()), check);
    };
    match key_file::read(path) {
        Ok(key) => (Some(key), Check::ok(CHECK, format!("{} can be read, by nobody else", path.display()))),
        Err(failure) => (None, Check::failed(CHECK, failure.to_string(), None)),
    }
}

/// What a start would say of address, keys, tokens, limits, TLS and webhooks, as far as they are configured.
pub(super) fn of_serve(args: &serve::Args) -> Vec<Check> {
    let to_do = "correct that, or name another file: a start ends with exit code 2 until then";
    let checks = args.look().into_iter().map(|(check, found)| match found {
        Ok(detail) => Check::ok(check, detail),
        Err(failure) if failure.is_refusal() => Check::refused(check, failure.to_string()),
        Err(failure) => Check::failed(check, failure.to_string(), Some(to_do.to_owned())),
    });
    checks.collect()
}
