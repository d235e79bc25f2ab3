//! A fresh log and the data directories of the servers on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use orderledger_store::event_log::kafka::{KafkaSettings, topics};
use tempfile::TempDir;

use super::process::Process;
use crate::auditor::Log;
use crate::kafka::unique_prefix;

/// Few, so that users and symbols share some and not others.
pub(super) const PARTITIONS: u32 = 3;

/// Where the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// A file in the data directory.
    Embedded,
    /// A cluster.
    Kafka {
        /// Where clients begin: `HOST:PORT`.
        brokers: String,
    },
}

/// A log, and a place for the data directories of its servers.
pub struct Ground {
    program: PathBuf,
    dir: Option<TempDir>,
    path: PathBuf,
    kafka: Option<KafkaSettings>,
    planted: Option<String>,
}

impl Ground {
    /// A fresh one; on Kafka its topics are made.
    ///
    /// # Errors
    /// There is no room for it, or no cluster.
    pub fn new(program: &Path, log: &LogKind, planted: Option<&str>) -> Result<Ground, String> {
        let dir = tempfile::Builder::new().prefix("crash-").tempdir().map_err(|error| error.to_string())?;
        let kafka = match log {
            LogKind::Embedded => None,
            LogKind::Kafka { brokers } => {
                let prefix = unique_prefix("crash");
                let settings = KafkaSettings { brokers: brokers.clone(), prefix, ..KafkaSettings::default() };
                topics::create(&settings, PARTITIONS, None).map_err(|error| error.to_string())?;
                Some(settings)
            }
        };
        let (program, planted) = (program.to_owned(), planted.map(str::to_owned));
        Ok(Ground { program, path: dir.path().to_owned(), dir: Some(dir), kafka, planted })
    }

    /// Whether the log is a file of the data directory.
    pub fn has_log_file(&self) -> bool {
        self.kafka.is_none()
    }

    /// The data directory of a server, by its number.
    pub fn data(&self, server: usize) -> PathBuf {
        self.path.join(format!("data-{server}"))
    }

    /// A place in the same directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Keeps the directory after this value's end; where it is.
    pub fn keep(&mut self) -> PathBuf {
        self.dir.take().map_or_else(|| self.path.clone(), TempDir::keep)
    }

    fn options(&self, server: usize) -> Vec<String> {
        let data = self.data(server).to_string_lossy().into_owned();
        let mut options = vec!["--data".to_owned(), data, "--partitions".to_owned(), PARTITIONS.to_string()];
        if let Some(KafkaSettings { brokers, prefix, .. }) = &self.kafka {
            let log = ["--log", "kafka", "--kafka-brokers", brokers, "--topic-prefix", prefix];
            options.extend(log.map(str::to_owned));
        }
        options
    }

    fn environment(&self, points: &str) -> Vec<(String, String)> {
        let mut environment = vec![("ORDERLEDGER_FAULT_POINTS".to_owned(), points.to_owned())];
        environment.extend(self.planted.iter().map(|bug| ("ORDERLEDGER_PLANTED".to_owned(), bug.clone())));
        environment
    }

    /// Starts a server with fail points armed, if there are some.
    ///
    /// # Errors
    /// It can't be started.
    pub fn serve(&self, server: usize, points: &str) -> Result<Process, String> {
        let said = self.path.join(format!("said-{server}"));
        Process::start(&self.program, &self.options(server), &self.environment(points), &said)
    }

    /// Runs another command offline: its exit code (none: killed) and what it printed.
    ///
    /// # Errors
    /// It can't be started.
    pub fn run(&self, server: usize, arguments: &[&str], points: &str) -> Result<(Option<i32>, String), String> {
        let mut command = Command::new(&self.program);
        command.args(arguments).args(self.options(server)).envs(self.environment(points));
        let output = command.env("ORDERLEDGER_LOG_LEVEL", "error").output().map_err(|error| error.to_string())?;
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code(), said))
    }

    /// Everything in the log, offline.
    ///
    /// # Errors
    /// The dump failed.
    pub fn dump(&self, server: usize) -> Result<Log, String> {
        let (code, said) = self.run(server, &["log", "dump"], "")?;
        if code != Some(0) {
            return Err(format!("log dump ended with {code:?}: {said}"));
        }
        Log::from_dump(PARTITIONS, &said)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(settings) = self.kafka.as_ref().filter(|_| self.dir.is_some()) {
            // The broker goes soon; until then it has less to look after.
            let _ = topics::delete(settings);
        }
    }
}
