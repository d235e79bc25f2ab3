//! The command line of the simulation.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::faults::Faults;
use crate::plan::Plan;

/// What is to be done.
pub(crate) enum Wish {
    One(Plan),
    Many { from: Option<u64>, seeds: u64 },
    Planted { bug: Option<String>, seeds: u64 },
}

pub(crate) struct Arguments {
    pub(crate) wish: Wish,
    pub(crate) threads: u64,
    pub(crate) trace: bool,
}

/// How many seeds a planted bug may take.
const PLANTED_SEEDS: u64 = 10_000;

impl Arguments {
    pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let (mut seed, mut from, mut seeds, mut planted) = (None, None, None, None);
        let (mut threads, mut trace) = (1, false);
        let (mut faults, mut requests, mut users, mut symbols) = (None, None, None, None);
        while let Some(name) = given.next() {
            if name == "--trace" {
                trace = true;
                continue;
            }
            let value = given.next().ok_or_else(|| format!("{name} needs a value"))?;
            let number = || value.parse::<u64>().map_err(|error| format!("{name} {value}: {error}"));
            match name.as_str() {
                "--seed" => seed = Some(number()?),
                "--from" => from = Some(number()?),
                "--seeds" => seeds = Some(number()?),
                "--threads" => threads = number()?.max(1),
                "--planted" => planted = Some(value),
                "--faults" => faults = Some(Faults::parse(&value)?),
                "--requests" => requests = Some(number()?),
                "--users" => users = Some(number()?.max(1)),
                "--symbols" => symbols = Some(number()?.clamp(1, 3)),
                _ => return Err(format!("unknown option {name}")),
            }
        }
        let wish = match (seed, planted) {
            (_, Some(bug)) => {
                let bug = (bug != "all").then_some(bug);
                Wish::Planted { bug, seeds: seeds.unwrap_or(PLANTED_SEEDS) }
            }
            (Some(seed), None) => {
                let plan = Plan::of(seed);
                Wish::One(Plan {
                    seed,
                    faults: faults.unwrap_or(plan.faults),
                    requests: requests.unwrap_or(plan.requests),
                    users: users.unwrap_or(plan.users),
                    symbols: symbols.unwrap_or(plan.symbols),
                })
            }
            (None, None) => Wish::Many { from, seeds: seeds.unwrap_or(300) },
        };
        Ok(Arguments { wish, threads, trace })
    }
}

/// A seed that nobody chose.
pub(crate) fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap() % 1_000_000_000 * 1_000
}
