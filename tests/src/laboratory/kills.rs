//! When a server ends.

use std::time::Duration;

use crate::dice::Dice;

/// Fail points with the most passes that one life sees of them.
const EMBEDDED: [(&str, u64); 31] = [
    ("log.before-write", 120),
    ("log.after-write", 120),
    ("log.before-acknowledgement", 120),
    ("journal.before-mark", 1),
    ("journal.before-place", 8),
    ("journal.after-place", 8),
    ("segment.before-rename", 2),
    ("segment.after-rename", 2),
    ("segment.before-seal", 2),
    ("segment.before-close", 2),
    ("segment.after-close", 2),
    ("stage.before-append", 120),
    ("stage.after-append", 120),
    ("stage.acknowledged", 120),
    ("view.before-commit", 120),
    ("view.after-commit", 120),
    ("view.before-batch", 4),
    ("view.after-batch", 4),
    ("view.before-sync", 2),
    ("view.after-sync", 2),
    ("view.before-merge", 1),
    ("view.after-merge", 1),
    ("snapshot.before-write", 6),
    ("snapshot.after-write", 6),
    ("mark.before-write", 6),
    ("mark.after-write", 6),
    ("file.before-sync", 14),
    ("file.before-rename", 14),
    ("file.after-rename", 14),
    ("ids.before-commit", 4),
    ("ids.after-commit", 4),
];
/// On Kafka the log is written elsewhere, and the groups' positions are told.
const KAFKA_ALONE: [(&str, u64); 2] = [("group.before-commit", 3), ("group.after-commit", 3)];
/// While views are rebuilt, offline or beside the live ones.
pub(super) const REBUILDING: [&str; 6] = [
    "view.before-load",
    "view.loaded",
    "generation.before-promotion",
    "generation.after-promotion",
    "file.before-rename",
    "file.after-rename",
];
/// While one takes the live one's place.
const SWAPPING: [&str; 2] = ["generation.before-swap", "generation.after-swap"];

/// Whether a server passes that fail point only if it is asked for a rebuild.
pub(super) fn is_of_a_rebuild(point: &str) -> bool {
    SWAPPING.contains(&point)
        || point.starts_with("generation.")
        || point == "view.before-load"
        || point == "view.loaded"
}

/// How a life of a server ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// kill -9 so long after it was ready.
    AfterReady(Duration),
    /// kill -9 so long after it was started, ready or not.
    WhileStarting(Duration),
    /// At the so-many-th pass of a fail point; by kill -9 if it doesn't come there.
    AtPoint(&'static str, u64),
    /// SIGTERM.
    InOrder,
    /// It is stopped for so long while another goes on, then continues, and is killed so long after that.
    Zombie(Duration, Duration),
}

/// Chooses an end.
pub(super) fn choose(dice: &mut Dice, kafka: bool, several: bool) -> End {
    let millis = |dice: &mut Dice, from, to| Duration::from_millis(dice.range(from, to));
    match dice.range(0, 100) {
        0..45 => point(dice, kafka),
        45..57 => End::WhileStarting(millis(dice, 1, 400)),
        57..60 => End::InOrder,
        60..85 if several => End::Zombie(millis(dice, 100, 1500), millis(dice, 1, 800)),
        _ => End::AfterReady(millis(dice, 1, 500)),
    }
}

fn point(dice: &mut Dice, kafka: bool) -> End {
    let points: Vec<(&'static str, u64)> = if kafka {
        let elsewhere = |(point, _): &&(&'static str, u64)| {
            !matches!(*point, "log.before-write" | "log.after-write")
                && !point.starts_with("segment.")
                && !point.starts_with("journal.")
        };
        EMBEDDED.iter().filter(elsewhere).chain(&KAFKA_ALONE).copied().collect()
    } else {
        EMBEDDED.to_vec()
    };
    if dice.percent(15) {
        let of_a_rebuild = REBUILDING.iter().chain(&SWAPPING).filter(|point| is_of_a_rebuild(point));
        let names: Vec<&'static str> = of_a_rebuild.copied().collect();
        // One rebuild of all five views passes each five times.
        return End::AtPoint(dice.choose(&names).copied().unwrap_or("view.loaded"), dice.range(1, 6));
    }
    let (name, most) = dice.choose(&points).copied().unwrap_or(("stage.acknowledged", 1));
    // Early passes are those of a start: half of the kills come there.
    let most = if dice.percent(50) { most.min(8) } else { most };
    End::AtPoint(name, dice.range(1, most + 1))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn points_of(dir: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                points_of(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let names = text.split("faults::point(\"").skip(1).filter_map(|after| after.split('"').next());
                found.extend(names.map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_fail_point_of_the_program_is_known_here_and_every_one_known_is_there() {
        let mut there = BTreeSet::new();
        for member in ["store/src", "projections/src", "api/src"] {
            points_of(&crate::checkout().join(member), &mut there);
        }
        let known = EMBEDDED.iter().chain(&KAFKA_ALONE).map(|(name, _)| *name).chain(REBUILDING).chain(SWAPPING);
        assert_eq!(there, known.map(str::to_owned).collect());
    }
}
