//! The data directory: one process owns it, and its partition count and the log that it belongs to are pinned.
//! So are the secrets of the stream keys, by their fingerprints.

mod keys;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::Error;
use crate::atomic_file;
use crate::event_log::embedded::files;

/// Format 1 doesn't say which log it belongs to.
const FORMAT: u32 = 2;
const FORMAT_WITHOUT_LOG: u32 = 1;
const LOCK: &str = "LOCK";
const META: &str = "meta";
const LOG: &str = "log.redb";
const META_UNFINISHED: &str = "meta.tmp";
const SERVER: &str = "server";
const LOG_UNFINISHED: &str = "log.redb.unfinished";
/// What may stand in a directory that isn't one of ours yet.
const STRANGERS_ALLOWED: [&str; 3] = [LOCK, META_UNFINISHED, "lost+found"];

/// Which log a data directory belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogIdentity {
    /// The one that lies in it.
    Embedded,
    /// One on a Kafka cluster.
    Kafka {
        /// The cluster's id; empty as long as the cluster has not been asked.
        cluster: String,
        /// What stands before its topics' names.
        prefix: String,
    },
}

/// A data directory, locked as long as this value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    meta: Option<Meta>,
    _lock: File,
}

/// What is pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Meta {
    partitions: u32,
    log: Option<LogIdentity>,
}

impl DataDir {
    /// Opens the directory, creating it for its owner alone when it is missing. [`Error::InUse`] when another process has
    /// it, [`Error::Refused`] when it holds something else.
    pub fn open(path: &Path) -> Result<DataDir, Error> {
        create(path)?;
        DataDir::lock(path, &is_no_stranger)
    }

    /// The same for a log that is to be made there as [`DataDir::unfinished_log_path`]. What an attempt before left of it is removed.
    pub fn open_to_restore(path: &Path) -> Result<DataDir, Error> {
        create(path)?;
        let data = DataDir::lock(path, &|name| is_no_stranger(name) || name.starts_with(LOG_UNFINISHED))?;
        if data.meta.is_none() {
            data.remove_unfinished_log()?;
        }
        Ok(data)
    }

    /// Opens a directory that must be there with its partition count pinned.
    pub fn open_existing(path: &Path) -> Result<DataDir, Error> {
        if !path.join(META).is_file() {
            return Err(Error::refused(
                path,
                "there is no data directory of orderledger; name another one with --data",
            ));
        }
        DataDir::lock(path, &is_no_stranger)
    }

    /// Pins the partition count and the log of a new directory for ever, synced; [`Error::Refused`] when it has others.
    pub fn pin(&mut self, partitions: u32, log: &LogIdentity) -> Result<(), Error> {
        self.check(Some(partitions), log)?;
        match &self.meta {
            None if partitions == 0 => {
                Err(Error::refused(&self.path, "topics need at least one partition; use --partitions 1 or more"))
            }
            Some(Meta { log: Some(_), .. }) => Ok(()),
            _ => {
                let meta = Meta { partitions, log: Some(log.clone()) };
                let written = atomic_file::replace(&self.path.join(META), &[meta.text().as_bytes()]);
                written
                    .map_err(|error| Error::unavailable(self.path.join(META), "can't write it").with_source(error))?;
                self.meta = Some(meta);
                Ok(())
            }
        }
    }

    /// [`Error::Refused`] when the directory belongs to another log than this, or has another partition count pinned.
    pub fn check(&self, partitions: Option<u32>, log: &LogIdentity) -> Result<(), Error> {
        if let Some(pinned) = self.log().filter(|pinned| !pinned.may_be(log)) {
            let what = format!(
                "it belongs to {}, not to {}; name another directory with --data, or the log that it belongs to",
                pinned.in_words(),
                log.in_words()
            );
            return Err(Error::refused(&self.path, what));
        }
        match (self.partitions(), partitions) {
            (Some(pinned), Some(partitions)) if pinned != partitions => {
                let what = format!(
                    "it has {pinned} partitions a topic and can't be used with {partitions}; use {pinned}, or name a new \
                     directory with --data"
                );
                Err(Error::refused(&self.path, what))
            }
            _ => Ok(()),
        }
    }

    /// The pinned partition count of every topic; `None` in a new directory.
    pub fn partitions(&self) -> Option<u32> {
        self.meta.as_ref().map(|meta| meta.partitions)
    }

    /// The log that the directory belongs to; `None` in a new one.
    pub fn log(&self) -> Option<LogIdentity> {
        let meta = self.meta.as_ref()?;
        // Before format 2 there was no other log.
        meta.log.clone().or_else(|| self.log_path().exists().then_some(LogIdentity::Embedded))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first file of the embedded event log; what follows it has its name with a number behind.
    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// The first file of a log that is made to become the directory's. While it is there the directory is nobody's.
    pub fn unfinished_log_path(&self) -> PathBuf {
        self.path.join(LOG_UNFINISHED)
    }

    /// Removes all of that log.
    pub fn remove_unfinished_log(&self) -> Result<(), Error> {
        files::remove_all(&self.unfinished_log_path())
    }

    /// Makes that log, which is complete and synced, the log of this new directory, with its partition count, for ever.
    pub fn adopt_log(&mut self, partitions: u32) -> Result<(), Error> {
        self.pin(partitions, &LogIdentity::Embedded)?;
        self.name_log()
    }

    /// Gives the complete log of a pinned directory its name, where a kill came before that.
    fn name_log(&self) -> Result<(), Error> {
        let (unfinished, path) = (self.unfinished_log_path(), self.log_path());
        if path.exists() || !unfinished.exists() {
            return Ok(());
        }
        files::rename_all(&unfinished, &path)
    }

    /// The file in which the server that has the directory says where it listens. Whoever takes the directory removes it.
    pub fn server_path(&self) -> PathBuf {
        self.path.join(SERVER)
    }

    /// The file that says where and when the topics on Kafka began.
    pub fn first_records_path(&self) -> PathBuf {
        self.path.join("first-records")
    }

    /// The file of the index of outside ids.
    pub fn ids_path(&self) -> PathBuf {
        self.path.join("ids.redb")
    }

    /// The directory of the projections' views.
    pub fn views_path(&self) -> PathBuf {
        self.path.join("views")
    }

    /// The file of the key that webhooks' secrets are made from, where no other is configured.
    pub fn webhooks_key_path(&self) -> PathBuf {
        self.path.join("webhooks.key")
    }

    /// The directory of the stages' snapshots.
    pub fn stages_path(&self) -> PathBuf {
        self.path.join("stages")
    }

    /// In a directory that isn't one of ours yet only the allowed names may stand.
    fn lock(path: &Path, allowed: &dyn Fn(&str) -> bool) -> Result<DataDir, Error> {
        let lock_path = path.join(LOCK);
        if !path.join(META).exists() {
            check_not_foreign(path, allowed)?;
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let lock = lock.map_err(|error| Error::unavailable(&lock_path, "can't open it").with_source(error))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(Error::in_use(path)),
            Err(error) => return Err(Error::unavailable(&lock_path, "can't lock it").with_source(error)),
        }
        let data = DataDir { path: path.to_owned(), meta: read_meta(&path.join(META))?, _lock: lock };
        if data.meta.is_some() {
            data.name_log()?;
        }
        // Who had the directory before listens no more, or not for it.
        remove(&data.server_path())?;
        Ok(data)
    }
}

impl LogIdentity {
    /// Whether this pinned identity and one that may not know its cluster yet can be the same.
    fn may_be(&self, asked: &LogIdentity) -> bool {
        match (self, asked) {
            (LogIdentity::Kafka { prefix, .. }, LogIdentity::Kafka { cluster, prefix: other })
                if cluster.is_empty() =>
            {
                prefix == other
            }
            (pinned, asked) => pinned == asked,
        }
    }

    fn in_words(&self) -> String {
        match self {
            LogIdentity::Embedded => "the embedded log inside it (--log embedded)".to_owned(),
            LogIdentity::Kafka { cluster, prefix } => {
                let cluster = if cluster.is_empty() { String::new() } else { format!(" {cluster}") };
                format!("the Kafka cluster{cluster} with the topic prefix \"{prefix}\"")
            }
        }
    }
}

impl Meta {
    fn text(&self) -> String {
        let partitions = self.partitions;
        let log = match &self.log {
            None => {
                return format!("orderledger data directory\nformat {FORMAT_WITHOUT_LOG}\npartitions {partitions}\n");
            }
            Some(LogIdentity::Embedded) => "log embedded\n".to_owned(),
            Some(LogIdentity::Kafka { cluster, prefix }) => format!("log kafka\ncluster {cluster}\nprefix {prefix}\n"),
        };
        format!("orderledger data directory\nformat {FORMAT}\npartitions {partitions}\n{log}")
    }
}

fn read_meta(path: &Path) -> Result<Option<Meta>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(unreadable(path)),
        Err(error) => return Err(Error::unavailable(path, "can't read it").with_source(error)),
    };
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let number = |name: &str| -> Option<u32> { field(name)?.parse().ok() };
    let log = match field("log") {
        Some("embedded") => Some(LogIdentity::Embedded),
        Some("kafka") => Some(LogIdentity::Kafka {
            cluster: field("cluster").unwrap_or_default().to_owned(),
            prefix: field("prefix").unwrap_or_default().to_owned(),
        }),
        _ => None,
    };
    let meta = number("partitions").map(|partitions| Meta { partitions, log }).filter(|meta| meta.text() == text);
    match (meta, number("format")) {
        (Some(meta), _) => Ok(Some(meta)),
        (None, Some(format)) if format > FORMAT => Err(Error::refused(
            path,
            format!("the directory has format {format}, this binary knows {FORMAT}; use the release that wrote it"),
        )),
        (None, _) => Err(unreadable(path)),
    }
}

fn unreadable(path: &Path) -> Error {
    Error::refused(path, "it can't be understood; restore it from a copy, or name a new directory with --data")
}

/// The directory, for its owner alone.
fn create(path: &Path) -> Result<(), Error> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
    created.map_err(|error| Error::unavailable(path, "can't create the data directory").with_source(error))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::unavailable(path, "can't remove it").with_source(error))
        }
        _ => Ok(()),
    }
}

fn is_no_stranger(name: &str) -> bool {
    STRANGERS_ALLOWED.contains(&name)
}

/// A directory without our meta file may hold nothing that could be somebody's.
fn check_not_foreign(path: &Path, allowed: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    let unlisted = |error| Error::unavailable(path, "can't list it").with_source(error);
    for entry in fs::read_dir(path).map_err(unlisted)? {
        let name = entry.map_err(unlisted)?.file_name();
        if !name.to_str().is_some_and(allowed) {
            let what = "it holds files but is no data directory of orderledger; name an empty or a new one with --data";
            return Err(Error::refused(path, what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
