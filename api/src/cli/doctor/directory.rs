//! The data directory: whose it is, whether it can be used with these options, and whether it is in use.

use std::path::Path;

use orderledger_domain::stream::StreamKey;
use orderledger_store::{DataDir, Error, LogIdentity};
use rustix::fs::{Access, access};

use super::Check;
use crate::cli::LogArgs;
use crate::cli::args::LogKind;

const CHECK: &str = "data directory";

/// What was found.
pub(super) struct Directory {
    pub(super) checks: Vec<Check>,
    /// A process has it.
    pub(super) in_use: bool,
    /// A ledger has run in it.
    pub(super) has_data: bool,
}

pub(super) fn look(log: &LogArgs, key: Option<&StreamKey>) -> Directory {
    let (path, found) = (&log.data, |check, in_use, has_data| Directory { checks: vec![check], in_use, has_data });
    let shown = path.display();
    if std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none()) {
        return found(new(path), false, false);
    }
    match DataDir::open_existing(path) {
        Err(Error::InUse { .. }) => {
            found(Check::ok(CHECK, format!("{shown} is in use by a running process")), true, true)
        }
        Err(error) => found(Check::of(CHECK, error), false, false),
        Ok(data) => {
            let checked = data.check(log.partitions, &identity(log));
            let checked = checked.and_then(|()| data.check_keys(key.iter().flat_map(|key| key.fingerprints())));
            let partitions = data.partitions().unwrap_or_default();
            let check = match checked {
                Ok(()) => Check::ok(CHECK, format!("{shown} has {partitions} partitions a topic; no process has it")),
                Err(error) => Check::of(CHECK, error),
            };
            found(check, false, true)
        }
    }
}

/// A directory that the first start makes, or finds empty.
fn new(path: &Path) -> Check {
    let shown = path.display();
    let there = nearest(path);
    match access(there, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if path.exists() && !path.is_dir() => {
            Check::refused(CHECK, format!("{shown} is no directory; name another with --data"))
        }
        Ok(()) => Check::ok(CHECK, format!("{shown} is new: the first start makes it")),
        Err(error) => Check::failed(
            CHECK,
            format!("{shown} can't be written: {}: {error}", there.display()),
            Some("give it to the user that runs the server, or name another with --data".to_owned()),
        ),
    }
}

/// The path itself, or the nearest directory above it that is there.
pub(super) fn nearest(path: &Path) -> &Path {
    let named = path.ancestors().find(|above| above.exists());
    named.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn identity(log: &LogArgs) -> LogIdentity {
    match log.log {
        LogKind::Embedded => LogIdentity::Embedded,
        // The cluster is asked elsewhere.
        LogKind::Kafka => LogIdentity::Kafka { cluster: String::new(), prefix: log.kafka.topic_prefix.clone() },
    }
}
