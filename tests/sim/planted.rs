//! Planted bugs: each must be found, and the table says after how many seeds.

use std::sync::Mutex;

use orderledger_domain::planted::{Bug, plant};

use crate::audit::Seen;
use crate::say;
use crate::search::{Found, search};

/// Plants each bug, or that one, and searches until it is found. True if all are.
pub(crate) fn table(only: Option<&str>, seeds: u64, threads: u64) -> bool {
    let bugs = Bug::ALL.iter().filter(|bug| only.is_none_or(|only| format!("{bug:?}") == only));
    let mut all = true;
    for bug in bugs {
        plant(Some(*bug));
        let found = search(0, seeds, threads, &Mutex::new(Seen::new()));
        plant(None);
        let bug = format!("{bug:?}");
        match found {
            Some(Found { finding, after, plan }) => {
                let words: String = finding.lines().next().unwrap_or_default().chars().take(150).collect();
                say(&format!("{bug:<32} {after:>6} seeds (seed {}): {words}", plan.seed));
            }
            None => {
                all = false;
                say(&format!("{bug:<32} not found in {seeds} seeds"));
            }
        }
    }
    all
}
