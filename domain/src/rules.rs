//! The versions of the stages' rules: what each decides or writes differently from the one before.
//!
//! A version takes effect in a partition at its RulesVersionSet there. All of them stay in the code, so that a replay
//! decides and writes what was decided and written then.

use serde::{Deserialize, Serialize};

use crate::book::SelfTrade;
use crate::event::EventType;
use crate::version::Version;

/// A version of the rules that this program knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u32", try_from = "u32")]
pub enum Rules {
    /// In force until another is set.
    #[default]
    V1,
    /// Self-trade prevention expires the resting order and lets the incoming one go on. Stream keys can be changed.
    /// The notice of a refused record holds its headers, and a value of another form is not taken for broken JSON.
    V2,
    /// What stages write is of version 2.1 and carries its cause's correlationId. Outside records of every minor version
    /// of the present major one are read.
    V3,
    /// Accounts can be adjusted.
    V4,
}

/// A version that this program doesn't know: a newer one set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this program knows the rules' versions 1 to {newest}, not {0}", newest = Rules::NEWEST.version())]
pub struct UnknownRules(pub u32);

impl Rules {
    /// The newest version known.
    pub const NEWEST: Rules = Rules::V4;

    /// The version's number, as control events name it.
    pub const fn version(self) -> u32 {
        match self {
            Rules::V1 => 1,
            Rules::V2 => 2,
            Rules::V3 => 3,
            Rules::V4 => 4,
        }
    }

    /// Which of two orders of one owner gives way.
    pub const fn self_trade(self) -> SelfTrade {
        match self {
            Rules::V1 => SelfTrade::ExpireIncoming,
            Rules::V2 | Rules::V3 | Rules::V4 => SelfTrade::ExpireResting,
        }
    }

    /// Whether the notice of a refused record holds the record's headers.
    pub const fn notes_headers(self) -> bool {
        !matches!(self, Rules::V1)
    }

    /// Whether a value of another form than its field's, such as a number for a side, is `bad_envelope`: it is JSON. Version 1
    /// says `not_json` of some.
    pub const fn tells_form_from_syntax(self) -> bool {
        !matches!(self, Rules::V1)
    }

    /// The version of the records that stages write.
    pub const fn writes(self) -> Version {
        match self {
            Rules::V1 | Rules::V2 => Version::V2_0,
            Rules::V3 | Rules::V4 => Version::V2_1,
        }
    }

    /// Whether outside records of that version are read, among those that this program can read.
    pub fn reads(self, version: Version) -> bool {
        match self {
            Rules::V1 | Rules::V2 => matches!(version, Version::V1_0 | Version::V2_0),
            Rules::V3 | Rules::V4 => true,
        }
    }

    /// Whether records of that type mean anything: one that came later is under older rules what it was to the programs
    /// of then, of no known type.
    pub const fn know(self, event_type: EventType) -> bool {
        match event_type {
            EventType::StreamKeyRequested | EventType::StreamKeySet | EventType::StreamKeyTaken => {
                !matches!(self, Rules::V1)
            }
            EventType::AdjustmentRequested | EventType::AccountAdjusted | EventType::AdjustmentRejected => {
                matches!(self, Rules::V4)
            }
            _ => true,
        }
    }

    /// Why a version that this program doesn't know is refused: the same words for ever, as they stand in records.
    pub const fn refusal_of_unknown(self) -> &'static str {
        match self {
            Rules::V1 => "this program knows rules version 1 alone",
            Rules::V2 | Rules::V3 | Rules::V4 => "no such version of the rules was known when it was asked for",
        }
    }
}

impl TryFrom<u32> for Rules {
    type Error = UnknownRules;

    fn try_from(version: u32) -> Result<Rules, UnknownRules> {
        match version {
            1 => Ok(Rules::V1),
            2 => Ok(Rules::V2),
            3 => Ok(Rules::V3),
            4 => Ok(Rules::V4),
            other => Err(UnknownRules(other)),
        }
    }
}

impl From<Rules> for u32 {
    fn from(rules: Rules) -> u32 {
        rules.version()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_known_by_its_number_and_no_other_is() {
        for number in 0..100 {
            let known = Rules::try_from(number).map(Rules::version);
            let expected =
                if (1..=Rules::NEWEST.version()).contains(&number) { Ok(number) } else { Err(UnknownRules(number)) };
            assert_eq!(known, expected);
        }
        assert_eq!(UnknownRules(5).to_string(), "this program knows the rules' versions 1 to 4, not 5");
    }

    #[test]
    fn the_versions_differ_as_this_table_says() {
        let newer = Version::readable("2.7");
        for (rules, number, self_trade, since_second, since_third, since_fourth) in [
            (Rules::V1, 1, SelfTrade::ExpireIncoming, false, false, false),
            (Rules::V2, 2, SelfTrade::ExpireResting, true, false, false),
            (Rules::V3, 3, SelfTrade::ExpireResting, true, true, false),
            (Rules::V4, 4, SelfTrade::ExpireResting, true, true, true),
        ] {
            assert_eq!((u32::from(rules), rules.self_trade()), (number, self_trade));
            assert_eq!((rules.notes_headers(), rules.tells_form_from_syntax()), (since_second, since_second));
            for event_type in EventType::ALL {
                let is_of_keys = event_type.as_str().starts_with("StreamKey");
                let is_adjusting = event_type.as_str().contains("Adjust");
                let known = (since_second || !is_of_keys) && (since_fourth || !is_adjusting);
                assert_eq!(rules.know(*event_type), known, "{event_type:?}");
            }
            assert_eq!(rules.writes(), if since_third { Version::V2_1 } else { Version::V2_0 });
            assert!(rules.reads(Version::V1_0) && rules.reads(Version::V2_0));
            assert_eq!(
                (rules.reads(Version::V2_1), newer.map(|newer| rules.reads(newer))),
                (since_third, Some(since_third))
            );
        }
        assert_eq!(Rules::V1.refusal_of_unknown(), "this program knows rules version 1 alone");
        let since_second = "no such version of the rules was known when it was asked for";
        assert_eq!([Rules::V2, Rules::V3, Rules::V4].map(Rules::refusal_of_unknown), [since_second; 3]);
    }
}
