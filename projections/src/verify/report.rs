//! What verifying came to: checks with what they compared, and the first differences of each.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// So many differences of a check are kept; all are counted.
const DIFFERENCES_KEPT: usize = 10;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Every derived record is the next of its stream or a repeat, under its own id and key.
    Streams,
    /// Every outside record is answered once, in order, by what it asked for.
    Answers,
    /// What intake says to books, other partitions and dead letters is what it answered.
    Copies,
    /// Trades, fills and ends of orders are those of a naive book, in order.
    Matching,
    /// Fees, releases and reserves follow the rules, nothing is below zero, all accounts sum to zero.
    Money,
    /// What rests in the books are the open orders.
    Resting,
    /// What waits in the settlement and market views, behind a record that can't be applied.
    Parked,
    /// Balances of the settlement view.
    Balances,
    /// Clearing, fees and the world outside in the settlement view.
    SystemAccounts,
    /// Orders of the settlement view.
    Orders,
    /// Fills of the settlement view.
    Fills,
    /// Postings of the settlement view, summed.
    Postings,
    /// The tape of the market view.
    Tape,
    /// Candles of the market view.
    Candles,
    /// Figures of the market view.
    Markets,
    /// What users are told of, in the notifications view.
    Inboxes,
    /// What was traded and asked for on each day, in the analytics view.
    Days,
    /// The hash chains of the audit view.
    Chains,
    /// The records of the audit view, byte for byte.
    Records,
    /// The digest that each view keeps beside its rows.
    Digests,
}

impl Check {
    /// Every check, in the order of a report.
    pub const ALL: [Check; 20] = [
        Check::Streams,
        Check::Answers,
        Check::Copies,
        Check::Matching,
        Check::Money,
        Check::Resting,
        Check::Parked,
        Check::Balances,
        Check::SystemAccounts,
        Check::Orders,
        Check::Fills,
        Check::Postings,
        Check::Tape,
        Check::Candles,
        Check::Markets,
        Check::Inboxes,
        Check::Days,
        Check::Chains,
        Check::Records,
        Check::Digests,
    ];

    /// The check in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Check::Streams => "streams",
            Check::Answers => "answers",
            Check::Copies => "copies of answers",
            Check::Matching => "matching",
            Check::Money => "money",
            Check::Resting => "resting orders",
            Check::Parked => "parked records",
            Check::Balances => "balances",
            Check::SystemAccounts => "system accounts",
            Check::Orders => "orders",
            Check::Fills => "fills",
            Check::Postings => "postings",
            Check::Tape => "tape",
            Check::Candles => "candles",
            Check::Markets => "markets",
            Check::Inboxes => "inboxes",
            Check::Days => "days",
            Check::Chains => "hash chains",
            Check::Records => "records",
            Check::Digests => "digests of views",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where: a position, or a row's key in words.
    pub at: String,
    /// What the log and the rules give.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// What one check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// How many things were compared.
    pub compared: u64,
    /// How many differ.
    pub differences: u64,
    /// The first that differ.
    pub first: Vec<Difference>,
}

/// What verifying came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Outside records at the log's end that intake has not answered yet.
    pub unanswered: u64,
    /// Derived records that the stages have still to write. A running ledger that has settled has none.
    pub pending: u64,
    checks: BTreeMap<Check, Compared>,
}

impl Report {
    /// Whether everything that was compared is equal.
    pub fn is_equal(&self) -> bool {
        self.checks.values().all(|compared| compared.differences == 0)
    }

    /// Every check in its order; one that had nothing to compare is there, too.
    pub fn checks(&self) -> impl Iterator<Item = (Check, Compared)> + '_ {
        Check::ALL.into_iter().map(|check| (check, self.check(check)))
    }

    /// What one check came to.
    pub fn check(&self, check: Check) -> Compared {
        self.checks.get(&check).cloned().unwrap_or_default()
    }

    /// Compares; both texts are only made where they differ.
    pub(super) fn compare<T: PartialEq>(
        &mut self,
        check: Check,
        at: impl fmt::Display,
        expected: &T,
        found: &T,
        text: impl Fn(&T) -> String,
    ) -> bool {
        self.count(check);
        let equal = expected == found;
        if !equal {
            self.differs(check, at, text(expected), text(found));
        }
        equal
    }

    /// Counts one thing compared.
    pub(super) fn count(&mut self, check: Check) {
        let compared = self.checks.entry(check).or_default();
        compared.compared = compared.compared.saturating_add(1);
    }

    /// Notes a difference of something counted.
    pub(super) fn differs(
        &mut self,
        check: Check,
        at: impl fmt::Display,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        let compared = self.checks.entry(check).or_default();
        compared.differences = compared.differences.saturating_add(1);
        if compared.first.len() < DIFFERENCES_KEPT {
            let (expected, found) = (expected.into(), found.into());
            compared.first.push(Difference { at: at.to_string(), expected, found });
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<18} {:>12}", "records", self.records)?;
        for (check, compared) in self.checks() {
            let outcome =
                if compared.differences == 0 { "equal".to_owned() } else { format!("{} DIFFER", compared.differences) };
            writeln!(f, "{:<18} {:>12}  {outcome}", check.as_str(), compared.compared)?;
            for Difference { at, expected, found } in &compared.first {
                writeln!(f, "    {at}\n      expected {expected}\n      found    {found}")?;
            }
        }
        if self.unanswered > 0 || self.pending > 0 {
            let Report { unanswered, pending, .. } = self;
            writeln!(f, "at the log's end {unanswered} records are unanswered, {pending} are still to be written")?;
        }
        Ok(())
    }
}
