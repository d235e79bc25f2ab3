//! The command line itself: what it is configured by, what it says of that, and the pages about it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod config;
mod delivery;
mod doctor;
mod json;
mod pages;
mod secrets;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A working directory of its own, with a configuration file if one is written.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    /// The same with that as its `orderledger.toml`, which only its owner may read.
    pub(crate) fn with(file: &str) -> Place {
        let place = Place::new();
        place.write("orderledger.toml", file, 0o600);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// Runs the program here, with these variables and no others of its own.
    pub(crate) fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(orderledger_tests::program());
        let others = std::env::vars_os().map(|(name, _)| name);
        for name in others.filter(|name| name.to_string_lossy().starts_with("ORDERLEDGER_")) {
            command.env_remove(name);
        }
        command.current_dir(self.path()).args(arguments).envs(variables.iter().copied()).output().unwrap()
    }

    /// What it prints as JSON.
    pub(crate) fn json(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
        let output = self.run(arguments, variables);
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// It must be refused as bad usage; the one sentence that it says.
    pub(crate) fn refused(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let output = self.run(arguments, variables);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        said(&output)
    }
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
