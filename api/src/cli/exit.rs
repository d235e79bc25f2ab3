//! How a command ends.

use std::fmt;
use std::process::ExitCode;

use orderledger_projections::worker::fold;
use orderledger_store::Error;

const FAILED: u8 = 1;
pub(super) const BAD_USAGE: u8 = 2;
const REFUSED: u8 = 3;
const DIFFERENCE: u8 = 4;

/// A command's failure: its exit code, and one sentence that says what to do.
#[derive(Clone, Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// It was tried and failed: exit 1.
    pub fn failed(message: impl fmt::Display) -> Failure {
        Failure { code: FAILED, message: message.to_string() }
    }

    /// The command can't be meant like this: exit 2.
    pub fn usage(message: impl fmt::Display) -> Failure {
        Failure { code: BAD_USAGE, message: message.to_string() }
    }

    /// Log, store and settings disagree: exit 3.
    pub fn refused(message: impl fmt::Display) -> Failure {
        Failure { code: REFUSED, message: message.to_string() }
    }

    /// A verification found a difference: exit 4.
    pub fn difference(message: impl fmt::Display) -> Failure {
        Failure { code: DIFFERENCE, message: message.to_string() }
    }

    /// Whether it is one of log, store and settings.
    pub(super) fn is_refusal(&self) -> bool {
        self.code == REFUSED
    }

    /// Says so on stderr and gives the exit code.
    pub(super) fn report(self) -> ExitCode {
        ExitCode::from(self.say())
    }

    /// The same, with the bare code.
    pub(super) fn say(self) -> u8 {
        use std::io::Write;
        // There is nobody left to tell if stderr is gone.
        let _ = writeln!(std::io::stderr().lock(), "orderledger: {}", self.message);
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// An error with everything that lies beneath it.
pub(super) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match &error {
            Error::InUse { .. } | Error::Refused { .. } => Failure::refused(in_full(&error)),
            _ => Failure::failed(in_full(&error)),
        }
    }
}

impl From<fold::Failure> for Failure {
    fn from(failure: fold::Failure) -> Failure {
        match failure {
            fold::Failure::View(error) => error.into(),
            fold::Failure::Record(error) => Failure::failed(error),
            fold::Failure::Halt(why) => Failure::failed(why),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::failed(error)
    }
}
