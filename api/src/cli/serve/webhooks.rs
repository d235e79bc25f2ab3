//! How `serve` tells webhooks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use orderledger_projections::notifications::deliveries::Schedule;

use super::Looked;
use crate::cli::Failure;
use crate::cli::config::secrets::check_private;
use crate::webhooks::{Settings, parse_key};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct WebhookArgs {
    /// The file with the key that the webhooks' secrets are made from (64 hexadecimal digits); left out: one in the data directory.
    #[arg(long, env = "ORDERLEDGER_WEBHOOKS_KEY_FILE", value_name = "FILE")]
    webhooks_key_file: Option<PathBuf>,
    /// Lets webhooks be at private addresses and without TLS: whoever registers one reaches this machine's network
    #[arg(long, env = "ORDERLEDGER_WEBHOOKS_ALLOW_PRIVATE", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    webhooks_allow_private: bool,
    /// How many milliseconds a call to a webhook may take.
    #[arg(long, env = "ORDERLEDGER_WEBHOOKS_TIMEOUT_MS", default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    webhooks_timeout_ms: u64,
    /// How many milliseconds after a failure a call is made again; each later pause is three times the one before, at most 6 hours, and all end once it takes anything.
    #[arg(long, env = "ORDERLEDGER_WEBHOOKS_RETRY_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    webhooks_retry_ms: u64,
    /// After how many attempts a delivery is given up: it is then one of the webhook's dead letters.
    #[arg(long, env = "ORDERLEDGER_WEBHOOKS_ATTEMPTS", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=100))]
    webhooks_attempts: u32,
}

impl WebhookArgs {
    /// What `settings` would say of the key, if one is named.
    pub(super) fn look(&self) -> Option<Looked> {
        let path = self.webhooks_key_file.as_deref()?;
        Some(("webhooks key", read_key(path).map(|_| format!("{} can be read, by nobody else", path.display()))))
    }

    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        let first = Duration::from_millis(self.webhooks_retry_ms);
        Ok(Settings {
            key: self.webhooks_key_file.as_deref().map(read_key).transpose()?,
            allow_private: self.webhooks_allow_private,
            timeout: Duration::from_millis(self.webhooks_timeout_ms),
            schedule: Schedule { first, attempts: self.webhooks_attempts, ..Schedule::default() },
            tells: true,
        })
    }
}

fn read_key(path: &Path) -> Result<[u8; 32], Failure> {
    let wrong = |what: &str| Failure::usage(format!("{}: {what}", path.display()));
    let unreadable = |error: std::io::Error| wrong(&format!("can't be read: {error}"));
    check_private(path, "--webhooks-key-file").map_err(Failure::usage)?;
    parse_key(&std::fs::read_to_string(path).map_err(unreadable)?).map_err(|what| wrong(&what))
}
