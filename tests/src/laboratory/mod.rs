//! The crash laboratory: real processes of the program, killed again and again while clients write, and an audit of what
//! stands in the log.
//!
//! In: a seed, a number of kills, a log. Out: figures, or the first thing that is wrong, with the directory as it was. A kill
//! comes at a random moment, at a start, or at a named fail point; marks, snapshots, the index of ids and views may be gone
//! afterwards or be those of an earlier time. On Kafka a second server with a directory of its own may run beside the first,
//! stopped and continued. Clients keep their own record of every answer and repeat under their keys what has none.

mod checks;
mod clients;
mod damage;
mod flow;
mod ground;
mod kills;
mod lives;
mod process;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use checks::{settle, shown};
pub use damage::{Damage, copy_dir};
pub use ground::{Ground, LogKind};
pub use process::Process;

use crate::dice::Dice;

/// What the laboratory is to do.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Chooses everything that is left to chance but the moments themselves.
    pub seed: u64,
    /// How often a server is killed.
    pub kills: u64,
    /// Which log.
    pub log: LogKind,
    /// `orderledger-faults`.
    pub program: PathBuf,
    /// After how many kills everything is audited.
    pub audit_every: u64,
    /// After how many audits a fresh log is begun: an audit takes as long as its log.
    pub fresh_every: u64,
    /// A planted bug that is switched on in every server.
    pub planted: Option<String>,
    /// Is told how far the run is, after each audit.
    pub say: fn(&str),
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How often a server was killed.
    pub kills: u64,
    /// Of these at a fail point, by its name.
    pub at_points: BTreeMap<&'static str, u64>,
    /// How often each fail point was armed, whether the server then came there or not.
    pub armed: BTreeMap<&'static str, u64>,
    /// What else happened: audits, requests, answers, damages, each with its number.
    pub counts: BTreeMap<String, u64>,
    /// The slowest start after a kill, from the process to readiness.
    pub slowest_start: Duration,
}

impl Report {
    /// Counts something.
    pub fn count(&mut self, what: impl Into<String>, number: u64) {
        *self.counts.entry(what.into()).or_default() += number;
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "kills: {}, slowest start: {} ms", self.kills, self.slowest_start.as_millis())?;
        for (what, number) in &self.counts {
            writeln!(f, "{what}: {number}")?;
        }
        write!(f, "kills at fail points, of times armed:")?;
        for (point, armed) in &self.armed {
            write!(f, " {point} {}/{armed}", self.at_points.get(point).copied().unwrap_or_default())?;
        }
        Ok(())
    }
}

/// What is wrong, and how to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// After how many kills.
    pub kill: u64,
    /// What is wrong, in words.
    pub what: String,
    /// The directory, kept.
    pub kept: PathBuf,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Failure { seed, kill, what, kept } = self;
        write!(f, "seed {seed}, after kill {kill}: {what}\nkept: {}", kept.display())
    }
}

/// Runs the laboratory.
///
/// # Errors
/// The first thing that is wrong.
pub fn run(setup: &Setup) -> Result<Report, Box<Failure>> {
    let (mut report, mut dice) = (Report::default(), Dice::new(setup.seed));
    while report.kills < setup.kills {
        let of_this_log = (setup.audit_every * setup.fresh_every).min(setup.kills - report.kills);
        let mut ground = Ground::new(&setup.program, &setup.log, setup.planted.as_deref())
            .map_err(|what| Box::new(Failure { seed: setup.seed, kill: report.kills, what, kept: PathBuf::new() }))?;
        let lived = lives::live(setup, of_this_log, &ground, &mut dice.fork(), &mut report);
        if let Err(what) = lived {
            let kept = ground.keep();
            return Err(Box::new(Failure { seed: setup.seed, kill: report.kills, what, kept }));
        }
        report.count("logs", 1);
    }
    Ok(report)
}
