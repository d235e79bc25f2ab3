//! The versions of records: which there are, and how a payload of each becomes one of the present.
//!
//! A newer minor version only adds what a reader may pass over; a newer major one may mean something else. So a minor
//! version that came after this program is read as the present one, and a major one is not read at all.

use std::fmt;

use crate::envelope::{Refusal, refuse_json};
use crate::event::{Event, EventType, OrderCreated, OrderCreatedV1};
use crate::object;
use crate::reason::RefuseReason;

pub mod corpus;

/// The version of a record's form, as `metadata.version` names it: `2.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u16,
    minor: u16,
}

/// A way between versions that does not lead to the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// No step leads on from there.
    #[error("there is no step from version {0} on: this program lacks an upcaster")]
    Gap(Version),
    /// More than one step leads on from there.
    #[error("more than one step leads on from version {0}")]
    Fork(Version),
    /// The steps lead back to there.
    #[error("the steps lead back to version {0}")]
    Cycle(Version),
}

/// A step from a version to the next one. Its upcaster takes any payload and gives one, and knows nothing else: it is
/// pure and total by its type.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The version it leads from.
    pub from: Version,
    /// The version it leads to.
    pub to: Version,
    /// What it does to payloads, in words.
    pub says: &'static str,
    upcast: fn(Payload) -> Payload,
}

/// A payload on its way to the present version.
#[derive(Debug)]
enum Payload {
    /// An OrderCreated that has neither side nor type.
    OrderCreatedV1(OrderCreatedV1),
    /// One that later versions have not changed.
    Present(Event),
}

/// Every step, the oldest first.
pub const STEPS: &[Step] = &[
    Step {
        from: Version::V1_0,
        to: Version::V2_0,
        says: "an OrderCreated becomes a good-till-canceled limit buy",
        upcast: with_side_and_type,
    },
    Step {
        from: Version::V2_0,
        to: Version::V2_1,
        says: "payloads stay as they are; metadata may have a correlationId",
        upcast: |payload| payload,
    },
];

fn with_side_and_type(payload: Payload) -> Payload {
    match payload {
        Payload::OrderCreatedV1(old) => Payload::Present(Event::OrderCreated(OrderCreated::from(old))),
        other => other,
    }
}

impl Version {
    /// An OrderCreated has neither side nor type.
    pub const V1_0: Version = Version { major: 1, minor: 0 };
    /// Orders have sides, types and times in force.
    pub const V2_0: Version = Version { major: 2, minor: 0 };
    /// Metadata may have a `correlationId`.
    pub const V2_1: Version = Version { major: 2, minor: 1 };
    /// The version whose payloads this program works with.
    pub const PRESENT: Version = Version::V2_1;
    /// Every version known.
    pub const ALL: &'static [Version] = &[Version::V1_0, Version::V2_0, Version::V2_1];

    /// The version of that name: two numbers without leading zeros, parted by a point.
    pub fn parse(text: &str) -> Option<Version> {
        let (major, minor) = text.split_once('.')?;
        let number = |digits: &str| {
            let is_plain =
                digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
            if is_plain { digits.parse().ok() } else { None }
        };
        Some(Version { major: number(major)?, minor: number(minor)? })
    }

    /// The version of that name, if records of it can be read.
    pub fn readable(text: &str) -> Option<Version> {
        Version::parse(text).filter(|version| version.form().is_some())
    }

    /// The known version in whose form its records are read: its own, or, of a newer minor version, the present one's.
    /// None: they can't be read.
    pub fn form(self) -> Option<Version> {
        let newer_minor = self.major == Version::PRESENT.major && self.minor > Version::PRESENT.minor;
        if newer_minor { Some(Version::PRESENT) } else { Version::ALL.contains(&self).then_some(self) }
    }

    /// The versions that a payload of this one passes on its way to the present one, this one first.
    ///
    /// # Errors
    /// The way does not lead there.
    pub fn way(self) -> Result<Vec<Version>, Broken> {
        way(STEPS, Version::PRESENT, self.form().ok_or(Broken::Gap(self))?)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Whether every known version leads to the present one.
///
/// # Errors
/// The first that doesn't.
pub fn check() -> Result<(), Broken> {
    Version::ALL.iter().try_for_each(|version| version.way().map(drop))
}

fn way(steps: &[Step], present: Version, from: Version) -> Result<Vec<Version>, Broken> {
    let (mut passed, mut at) = (vec![from], from);
    while at != present {
        let mut next = steps.iter().filter(|step| step.from == at);
        let step = next.next().ok_or(Broken::Gap(at))?;
        if next.next().is_some() {
            return Err(Broken::Fork(at));
        }
        at = step.to;
        if passed.contains(&at) {
            return Err(Broken::Cycle(at));
        }
        passed.push(at);
    }
    Ok(passed)
}

/// Reads the payload of a record of that version, and brings it to the present one.
pub(crate) fn read_payload(version: Version, event_type: EventType, text: &str) -> Result<Event, Refusal> {
    let mut payload = if version == Version::V1_0 && event_type == EventType::OrderCreated {
        object::from_str(text).map(Payload::OrderCreatedV1)
    } else {
        Event::from_payload(event_type, text).map(Payload::Present)
    }
    .map_err(|error| refuse_json(&error))?;
    let mut at = version.form().unwrap_or(version);
    // The oldest step stands first, so one pass is the whole way.
    for step in STEPS {
        if step.from == at {
            payload = (step.upcast)(payload);
            at = step.to;
        }
    }
    match payload {
        Payload::Present(event) if at == Version::PRESENT => Ok(event),
        _ => Err(Refusal::new(RefuseReason::UnknownVersion, Broken::Gap(at).to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(from: u16, to: u16) -> Step {
        let version = |major| Version { major, minor: 0 };
        Step { from: version(from), to: version(to), says: "", upcast: |payload| payload }
    }

    #[test]
    fn every_version_reaches_the_present_one() {
        assert_eq!(check(), Ok(()));
        let way = |version: Version| version.way().map(|way| way.iter().map(Version::to_string).collect::<Vec<_>>());
        assert_eq!(way(Version::V1_0), Ok(vec!["1.0".into(), "2.0".into(), "2.1".into()]));
        assert_eq!(way(Version { major: 2, minor: 7 }), Ok(vec!["2.1".into()]));
        let newer = Version { major: 3, minor: 0 };
        assert_eq!(way(newer), Err(Broken::Gap(newer)));
    }

    #[test]
    fn the_steps_stand_in_order_and_each_leads_forward() {
        assert!(STEPS.iter().all(|step| step.from < step.to));
        assert!(STEPS.iter().zip(STEPS.iter().skip(1)).all(|(step, next)| step.to == next.from));
        assert!(Version::ALL.is_sorted() && Version::ALL.last() == Some(&Version::PRESENT));
    }

    #[test]
    fn a_gap_a_fork_and_a_cycle_are_found() {
        let version = |major| Version { major, minor: 0 };
        for (steps, expected) in [
            (vec![step(1, 2), step(2, 3)], Ok(vec![version(1), version(2), version(3)])),
            (vec![step(2, 3)], Err(Broken::Gap(version(1)))),
            (vec![step(1, 2)], Err(Broken::Gap(version(2)))),
            (vec![step(1, 2), step(1, 3)], Err(Broken::Fork(version(1)))),
            (vec![step(1, 2), step(2, 1), step(3, 4)], Err(Broken::Cycle(version(1)))),
            (vec![step(1, 1)], Err(Broken::Cycle(version(1)))),
        ] {
            assert_eq!(way(&steps, version(3), version(1)), expected);
        }
    }

    #[test]
    fn a_version_has_one_name() {
        for text in ["1.0", "2.0", "2.1", "2.10", "2.65535"] {
            assert_eq!(Version::readable(text).map(|version| version.to_string()).as_deref(), Some(text));
        }
        let no_names =
            ["", "2", "2.", ".1", "2.01", "02.1", "2.1.0", "+2.1", "2.+1", " 2.1", "2.1 ", "2.65536", "2,1", "2.x"];
        for text in no_names.iter().chain(&["0.9", "1.1", "3.0", "20.0"]) {
            assert_eq!(Version::readable(text), None, "{text}");
        }
    }
}
