//! What lag means for a group.

use std::time::Duration;

/// How far behind a group may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Somebody waits for it: an answer, a trade, a price.
    Critical,
    /// It is looked at later.
    MayLag,
    /// Whenever it gets there.
    BestEffort,
}

impl Class {
    /// That of a group. One that nobody thought of is critical.
    pub(crate) fn of(group: &str) -> Class {
        match group {
            "audit" | "analytics" => Class::MayLag,
            "notifications" => Class::BestEffort,
            _ => Class::Critical,
        }
    }

    /// Within which time a record is to be applied.
    pub(crate) const fn target(self) -> Option<Duration> {
        match self {
            Class::Critical => Some(Duration::from_millis(100)),
            Class::MayLag => Some(Duration::from_secs(300)),
            Class::BestEffort => None,
        }
    }

    /// The class's name in answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Class::Critical => "critical",
            Class::MayLag => "may_lag",
            Class::BestEffort => "best_effort",
        }
    }

    /// Whether a lag of so many milliseconds is more than it may be.
    pub(crate) fn is_exceeded_by(self, millis: i64) -> bool {
        let lag = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        self.target().is_some_and(|target| lag > target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_exceeded_by_more_than_it() {
        for (group, class, within, beyond) in [
            ("settlement", Class::Critical, 100, Some(101)),
            ("audit", Class::MayLag, 300_000, Some(300_001)),
            ("analytics", Class::MayLag, 300_000, Some(300_001)),
            ("notifications", Class::BestEffort, i64::MAX, None),
        ] {
            assert_eq!(Class::of(group), class);
            assert!(!class.is_exceeded_by(within) && !class.is_exceeded_by(-1));
            assert!(beyond.is_none_or(|millis| class.is_exceeded_by(millis)), "{group}");
        }
    }
}
