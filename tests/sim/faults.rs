//! What may go wrong in a run: classes of faults, each on in half of all seeds.

use orderledger_tests::dice::Dice;

/// A class of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    /// A machine ends between two turns, and starts again from what is durable.
    Crash,
    /// A machine ends at a fail point, in the middle of a turn.
    FailPoint,
    /// A machine ends in order and starts again.
    Restart,
    /// A batch is written and its writer hears that the outcome is unknown.
    LostAcknowledgement,
    /// A batch is written and its writer never hears of it.
    SilentAcknowledgement,
    /// A batch is not written and its writer hears that the outcome is unknown.
    NotWritten,
    /// Acknowledgements come late.
    LateAcknowledgement,
    /// A batch is written twice, at once or later.
    WrittenTwice,
    /// What a dead machine had sent arrives after it has started again.
    LateArrival,
    /// The log gives errors instead of records.
    ReadError,
    /// Offsets without records, as a transaction's markers in Kafka.
    Holes,
    /// Marks, snapshots, the index of ids or views are gone after a crash.
    LostFiles,
    /// Snapshots and marks are cut or have other bytes after a crash.
    TornFiles,
    /// Some durable things come from an older backup after a crash.
    OldFiles,
    /// A second machine runs on the same log.
    Twin,
    /// A machine stands still for a while.
    Stopped,
    /// Time jumps, so that snapshots are due.
    TimeJumps,
    /// A projection can't apply some records.
    Poison,
}

impl Fault {
    pub(crate) const ALL: [Fault; 18] = [
        Fault::Crash,
        Fault::FailPoint,
        Fault::Restart,
        Fault::LostAcknowledgement,
        Fault::SilentAcknowledgement,
        Fault::NotWritten,
        Fault::LateAcknowledgement,
        Fault::WrittenTwice,
        Fault::LateArrival,
        Fault::ReadError,
        Fault::Holes,
        Fault::LostFiles,
        Fault::TornFiles,
        Fault::OldFiles,
        Fault::Twin,
        Fault::Stopped,
        Fault::TimeJumps,
        Fault::Poison,
    ];

    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Fault::Crash => "crash",
            Fault::FailPoint => "fail-point",
            Fault::Restart => "restart",
            Fault::LostAcknowledgement => "lost-ack",
            Fault::SilentAcknowledgement => "silent-ack",
            Fault::NotWritten => "not-written",
            Fault::LateAcknowledgement => "late-ack",
            Fault::WrittenTwice => "written-twice",
            Fault::LateArrival => "late-arrival",
            Fault::ReadError => "read-error",
            Fault::Holes => "holes",
            Fault::LostFiles => "lost-files",
            Fault::TornFiles => "torn-files",
            Fault::OldFiles => "old-files",
            Fault::Twin => "twin",
            Fault::Stopped => "stopped",
            Fault::TimeJumps => "time-jumps",
            Fault::Poison => "poison",
        }
    }
}

/// Which classes are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Faults(u32);

impl Faults {
    pub(crate) const NONE: Faults = Faults(0);

    /// The classes of a seed: each in half of all seeds.
    pub(crate) fn swarm(dice: &mut Dice) -> Faults {
        Fault::ALL
            .into_iter()
            .fold(Faults::NONE, |faults, fault| if dice.percent(50) { faults.with(fault) } else { faults })
    }

    pub(crate) const fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u8) != 0
    }

    pub(crate) const fn with(self, fault: Fault) -> Faults {
        Faults(self.0 | 1 << fault as u8)
    }

    pub(crate) const fn without(self, fault: Fault) -> Faults {
        Faults(self.0 & !(1 << fault as u8))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.has(*fault))
    }

    /// From the names, separated by commas; `none` for none.
    pub(crate) fn parse(text: &str) -> Result<Faults, String> {
        if text == "none" {
            return Ok(Faults::NONE);
        }
        text.split(',').try_fold(Faults::NONE, |faults, name| {
            let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name);
            Ok(faults.with(fault.ok_or_else(|| format!("no class of faults is named {name}"))?))
        })
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.iter().map(Fault::name).collect();
        f.write_str(if names.is_empty() { "none".to_owned() } else { names.join(",") }.as_str())
    }
}
