//! What one run does: all of it follows from these few numbers.

use orderledger_tests::dice::Dice;

use crate::faults::Faults;

/// A run, said in full: the same plan is the same run, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) faults: Faults,
    /// How often the outside asks for something.
    pub(crate) requests: u64,
    pub(crate) users: u64,
    pub(crate) symbols: u64,
}

impl Plan {
    /// The run of a seed.
    pub(crate) fn of(seed: u64) -> Plan {
        let mut dice = Dice::of(seed, "plan");
        Plan {
            seed,
            faults: Faults::swarm(&mut dice),
            requests: dice.range(20, 140),
            users: dice.range(2, 7),
            symbols: dice.range(1, 3),
        }
    }

    /// The arguments that repeat it.
    pub(crate) fn command(&self) -> String {
        let Plan { seed, faults, requests, users, symbols } = self;
        format!(
            "cargo run --release -p orderledger-tests --bin simulation -- --seed {seed} --faults {faults} --requests {requests} \
             --users {users} --symbols {symbols}"
        )
    }

    /// Simpler runs to try instead of a failing one, the simplest first.
    pub(crate) fn simpler(&self) -> Vec<Plan> {
        let half = |now: u64, least: u64| (now / 2).max(least);
        let mut plans = vec![
            Plan { faults: Faults::NONE, ..*self },
            Plan { requests: half(self.requests, 1), ..*self },
            Plan { requests: self.requests - (self.requests / 8).max(1).min(self.requests - 1), ..*self },
            Plan { symbols: 1, ..*self },
            Plan { users: half(self.users, 1), ..*self },
        ];
        plans.extend(self.faults.iter().map(|fault| Plan { faults: self.faults.without(fault), ..*self }));
        plans.retain(|plan| plan != self);
        plans
    }
}
