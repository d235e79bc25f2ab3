//! This machine: the program, its disk, its limit of open files, its clock, and the server that answers.

use std::path::Path;
use std::process::Command;

use bytesize::ByteSize;
use orderledger_store::can_go_last;
use orderledger_store::event_log::kafka::client_version;

use super::Check;
use super::directory::nearest;
use crate::cli::server::ServerArgs;
use crate::http::server::open_files as files;
use crate::ledger::now;
use crate::ledger::rebuild::room::{Room, room};
use crate::spent::file_bytes_below;

/// What may be between two clocks that both are right.
const SKEW_MAX_MS: i64 = 2000;
/// From here on expiries of keys and tokens, and every time in the log, mean something else than they say.
const SKEW_FAILED_MS: i64 = 60_000;

/// This program.
const OWN: &str = env!("CARGO_PKG_VERSION");

pub(super) fn version() -> Check {
    Check::ok("version", format!("orderledger {OWN}, librdkafka {}", client_version()))
}

/// The disk of the data directory: a rebuild needs about as much again as the views have.
pub(super) fn disk(data: &Path) -> Check {
    const CHECK: &str = "disk";
    let Room { free, least } = match room(nearest(data)) {
        Ok(room) => room,
        Err(error) => return Check::of(CHECK, error),
    };
    let views = file_bytes_below(&data.join("views"));
    let detail = format!("{} are free, the views have {}", ByteSize(free), ByteSize(views));
    let to_do = "make room, or move the data directory to a larger disk";
    if free < least {
        return Check::failed(
            CHECK,
            format!("{detail}: no view can be rebuilt, and soon nothing written"),
            Some(to_do.to_owned()),
        );
    }
    if free < least.saturating_add(views) {
        return Check::warning(CHECK, format!("{detail}: not enough to rebuild them all"), to_do);
    }
    Check::ok(CHECK, detail)
}

pub(super) fn open_files() -> Check {
    const CHECK: &str = "open files";
    let (may, wanted) = files();
    if may >= wanted {
        return Check::ok(CHECK, format!("{may} may be open at once"));
    }
    let to_do = format!("raise it to {wanted}: `ulimit -Hn {wanted}`, or LimitNOFILE={wanted} in the unit");
    Check::warning(
        CHECK,
        format!("only {may} may be open at once: fewer connections are taken, and readers of streams count"),
        to_do,
    )
}

/// Whether work that may lag can leave the cores to orders.
pub(super) fn scheduling() -> Check {
    let detail = match can_go_last() {
        true => "while orders come, what may lag has what they leave of the cores",
        false => {
            "while orders come, what may lag shares half of the cores with them; on Linux LimitNICE=+0 in the unit, \
             --ulimit nice=20 of a container or CAP_SYS_NICE lets it go last"
        }
    };
    Check::ok("scheduling", detail)
}

/// What the server says.
pub(super) struct Answer {
    pub(super) check: Check,
    /// How far its clock is ahead of this one, if it answers.
    pub(super) skew_ms: Option<i64>,
}

/// Asks the server whether it is ready, and of which version it is.
pub(super) fn ask(server: &ServerArgs, in_use: bool) -> Answer {
    const CHECK: &str = "server";
    let mute = |check| Answer { check, skew_ms: None };
    let opened = match server.open() {
        Ok(opened) => opened,
        Err(failure) => return mute(Check::failed(CHECK, failure.to_string(), None)),
    };
    let (document, skew_ms) = match opened.get_with_date("/openapi.json") {
        Ok(answer) => answer,
        Err(failure) if in_use => {
            return mute(Check::warning(
                CHECK,
                failure.to_string(),
                "the data directory is in use, so one may run: name its address",
            ));
        }
        Err(_) => return mute(Check::ok(CHECK, format!("none answers at {}", opened.url()))),
    };
    let version = document.pointer("/info/version").and_then(serde_json::Value::as_str).unwrap_or("unknown").to_owned();
    let detail = format!("{} answers, of version {version}", opened.url());
    let check = match opened.get("/readyz") {
        Err(failure) => Check::failed(CHECK, format!("{detail}, and isn't ready: {failure}"), None),
        Ok(_) if version != OWN => Check::warning(
            CHECK,
            detail,
            format!("this program is {OWN}: restart the server once the new one is installed"),
        ),
        Ok(_) => Check::ok(CHECK, format!("{detail}, and is ready")),
    };
    Answer { check, skew_ms }
}

/// The clock, beside those of the brokers and of the server. `newest` is when the newest record of the log was appended.
pub(super) fn clock(newest: Option<i64>, of_server: Option<i64>) -> Check {
    const CHECK: &str = "clock";
    let of_log = newest.map(|at| at.saturating_sub(now().millis())).filter(|ahead| *ahead > 0);
    let skew = [of_log, of_server].into_iter().flatten().max_by_key(|skew| skew.saturating_abs()).unwrap_or(0);
    let to_do = "set the clocks of all machines by NTP (chrony, systemd-timesyncd)";
    let detail = match (of_log, of_server) {
        _ if skew.saturating_abs() > SKEW_MAX_MS => {
            let (by, direction) = (skew.saturating_abs(), if skew > 0 { "behind" } else { "ahead of" });
            format!("this machine's clock is {by} ms {direction} that of the log or of the server")
        }
        (_, None) if newest.is_none() => "nothing to compare this machine's clock with".to_owned(),
        _ => format!("within {SKEW_MAX_MS} ms of what the log and the server say, as far as they tell"),
    };
    if skew.saturating_abs() > SKEW_FAILED_MS {
        return Check::failed(CHECK, detail, Some(to_do.to_owned()));
    }
    if skew.saturating_abs() > SKEW_MAX_MS {
        return Check::warning(CHECK, detail, to_do);
    }
    match is_synchronized() {
        Some(false) => Check::warning(CHECK, format!("{detail}; the system says that nothing sets it"), to_do),
        _ => Check::ok(CHECK, detail),
    }
}

/// Whether the system's clock is set by NTP, where systemd can say that.
fn is_synchronized() -> Option<bool> {
    let asked = Command::new("timedatectl").args(["show", "--property", "NTPSynchronized", "--value"]).output().ok()?;
    match (asked.status.success(), asked.stdout.trim_ascii()) {
        (true, b"yes") => Some(true),
        (true, b"no") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much() {
        let at = |ahead: i64| Some(now().millis().saturating_add(ahead));
        // Whether the system sets its clock is another question.
        let bad = |newest, of_server| clock(newest, of_server).detail.contains("this machine's clock is");
        assert!(!bad(at(-1_000_000), None) && !bad(at(1000), Some(-1500)));
        assert!(bad(at(10_000), None) && clock(at(10_000), None).state == State::Warning);
        assert!(bad(None, Some(-5000)));
        assert_eq!(clock(at(3_600_000), Some(0)).state, State::Failed);
        assert!(clock(None, None).detail.starts_with("nothing to compare"));
    }
}
