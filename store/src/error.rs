//! What can go wrong in the store, named by what the caller can do about it.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orderledger_domain::position::{Position, TopicPartition};

/// What lies beneath an [`Error`]; shared, because one failed commit fails many batches.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// An error of the store. Its text says where and what, never what lies beneath: that is its `source`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Not now; the outcome of what was asked is unknown. Retry with backoff.
    #[error("{at}: {what}")]
    Unavailable {
        /// Where.
        at: At,
        /// What could not be done.
        what: Cow<'static, str>,
        /// What lies beneath, if anything.
        source: Option<Cause>,
    },
    /// Another writer has taken over. Step down.
    #[error("{at}: {what}")]
    Fenced {
        /// Where.
        at: At,
        /// Who took over, as far as it is known.
        what: Cow<'static, str>,
        /// What lies beneath, if anything.
        source: Option<Cause>,
    },
    /// Stored bytes are not what was written. Quarantine and rebuild; for the log itself: restore a copy.
    #[error("{at}: {what}")]
    Corrupt {
        /// Where.
        at: At,
        /// What is wrong with the bytes.
        what: Cow<'static, str>,
        /// What lies beneath, if anything.
        source: Option<Cause>,
    },
    /// Closed, by us or by an earlier failure; nothing more is written. Stop.
    #[error("{at}: {what}")]
    Closed {
        /// Where.
        at: At,
        /// Why.
        what: Cow<'static, str>,
        /// What lies beneath, if anything.
        source: Option<Cause>,
    },
    /// Another process has the directory or file.
    #[error("{} is in use by another orderledger; stop that process or name another directory with --data", .path.display())]
    InUse {
        /// The directory or file.
        path: PathBuf,
    },
    /// The log, the store and what was asked for disagree; it will never work like this. The text says what to do.
    #[error("{at}: {what}")]
    Refused {
        /// Where.
        at: At,
        /// What disagrees, and what to do.
        what: Cow<'static, str>,
    },
}

/// Where an [`Error`] happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// The event log as a whole.
    Log,
    /// A partition of the log.
    Partition(TopicPartition),
    /// A record of the log.
    Position(Position),
    /// A file or directory.
    Path(PathBuf),
    /// A framed value on its own, wherever it was kept.
    Frame,
}

impl Error {
    /// An [`Error::Unavailable`]: retry.
    pub fn unavailable(at: impl Into<At>, what: impl Into<Cow<'static, str>>) -> Error {
        Error::Unavailable { at: at.into(), what: what.into(), source: None }
    }

    /// An [`Error::Fenced`]: step down.
    pub fn fenced(at: impl Into<At>, what: impl Into<Cow<'static, str>>) -> Error {
        Error::Fenced { at: at.into(), what: what.into(), source: None }
    }

    /// An [`Error::Corrupt`]: quarantine and rebuild.
    pub fn corrupt(at: impl Into<At>, what: impl Into<Cow<'static, str>>) -> Error {
        Error::Corrupt { at: at.into(), what: what.into(), source: None }
    }

    /// An [`Error::Closed`]: stop.
    pub fn closed(at: impl Into<At>, what: impl Into<Cow<'static, str>>) -> Error {
        Error::Closed { at: at.into(), what: what.into(), source: None }
    }

    /// An [`Error::InUse`]: another process has it.
    pub fn in_use(path: impl Into<PathBuf>) -> Error {
        Error::InUse { path: path.into() }
    }

    /// An [`Error::Refused`]; `what` says what disagrees and what to do.
    pub fn refused(at: impl Into<At>, what: impl Into<Cow<'static, str>>) -> Error {
        Error::Refused { at: at.into(), what: what.into() }
    }

    /// The same error with what lies beneath it; `InUse` and `Refused` say all themselves and stay as they are.
    #[must_use]
    pub fn with_source(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
        match &mut self {
            Error::Unavailable { source, .. }
            | Error::Fenced { source, .. }
            | Error::Corrupt { source, .. }
            | Error::Closed { source, .. } => *source = Some(Arc::new(cause)),
            Error::InUse { .. } | Error::Refused { .. } => {}
        }
        self
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Log => f.write_str("the event log"),
            At::Partition(partition) => partition.fmt(f),
            At::Position(position) => position.fmt(f),
            At::Path(path) => path.display().fmt(f),
            At::Frame => f.write_str("a framed value"),
        }
    }
}

impl From<TopicPartition> for At {
    fn from(partition: TopicPartition) -> At {
        At::Partition(partition)
    }
}

impl From<Position> for At {
    fn from(position: Position) -> At {
        At::Position(position)
    }
}

impl From<&Path> for At {
    fn from(path: &Path) -> At {
        At::Path(path.to_owned())
    }
}

impl From<&PathBuf> for At {
    fn from(path: &PathBuf) -> At {
        At::Path(path.clone())
    }
}

impl From<PathBuf> for At {
    fn from(path: PathBuf) -> At {
        At::Path(path)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use orderledger_domain::position::Topic;

    use super::*;

    fn check(error: &Error, text: &str, source: Option<&str>) {
        assert_eq!(error.to_string(), text);
        assert_eq!(error.source().map(|cause| cause.to_string()).as_deref(), source);
    }

    #[test]
    fn the_text_says_where_and_what_and_leaves_the_cause_to_source() {
        let at = Topic::Orders.at(3).offset(42);
        let path = Path::new("/data");
        let cause = || io::Error::other("disk on fire");
        check(&Error::unavailable(At::Log, "no answer"), "the event log: no answer", None);
        check(&Error::unavailable(path, "no space").with_source(cause()), "/data: no space", Some("disk on fire"));
        check(
            &Error::corrupt(at, "bad checksum").with_source(cause()),
            "orders-3@42: bad checksum",
            Some("disk on fire"),
        );
        check(&Error::closed(at.topic_partition(), "closed"), "orders-3: closed", None);
        check(&Error::fenced(At::Log, "a newer writer"), "the event log: a newer writer", None);
        check(&Error::refused(path, "use --partitions 4").with_source(cause()), "/data: use --partitions 4", None);
        check(
            &Error::in_use(path),
            "/data is in use by another orderledger; stop that process or name another directory with --data",
            None,
        );
    }
}
