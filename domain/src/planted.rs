//! Deliberately planted bugs: each shows that the tests which should find it do.
//!
//! Without the feature `faults` none can be switched on, and asking costs nothing.

/// A bug that can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// Intake doesn't look whether an id was used before: a repeated deposit counts twice.
    SkippedDeduplication = 1,
    /// A fee is rounded down instead of up.
    FeeRoundedDown,
    /// A view's positions are committed before the rows that they stand for.
    PositionBeforeRows,
    /// A restored stage numbers its streams from 1 again.
    SequenceReset,
    /// A cancel takes effect when intake accepts it, and not when the book does: a fill may stand before that.
    CancelRace,
    /// What an expired order holds is not released.
    ExpiryKeepsReserve,
    /// A restored stage reads on one record too late.
    SnapshotOneRecordOff,
    /// Records go to `books` before the records of `orders` that they follow are acknowledged.
    BooksBeforeOrders,
    /// A batch counts as acknowledged although its records for `books` are not.
    AcknowledgedInPart,
    /// After a gap the marks are trusted, so what is missing is never sent again.
    MarksTrustedAfterGap,
    /// A repeat of a stream's last record is applied once more.
    RepeatApplied,
    /// A view forgets how far each stream is known when it is opened again.
    ViewWithoutStreamMarks,
    /// Snapshots don't keep the numbers of the orders' owners: self-trades pass, or strangers' trades are taken for such.
    OwnersForgotten,
    /// A fee schedule takes effect at its request, and not where it is read.
    FeesAtRequest,
    /// A snapshot is used although the index of ids lost what stands before it.
    IndexBehindTrusted,
    /// An id that stands later in the log counts as used: a replay decides otherwise.
    LaterIdCounts,
    /// What a stage writes depends on how the log handed it its records: a second process diverges.
    OutputsDependOnBatches,
    /// A record of a parked entity is applied before those that wait.
    ParkedSuccessorEarly,
    /// Whoever may write to `orders` changes the key of the streams.
    UnsealedKeyChange,
}

impl Bug {
    /// All of them.
    pub const ALL: &[Bug] = &[
        Bug::SkippedDeduplication,
        Bug::FeeRoundedDown,
        Bug::PositionBeforeRows,
        Bug::SequenceReset,
        Bug::CancelRace,
        Bug::ExpiryKeepsReserve,
        Bug::SnapshotOneRecordOff,
        Bug::BooksBeforeOrders,
        Bug::AcknowledgedInPart,
        Bug::MarksTrustedAfterGap,
        Bug::RepeatApplied,
        Bug::ViewWithoutStreamMarks,
        Bug::OwnersForgotten,
        Bug::FeesAtRequest,
        Bug::IndexBehindTrusted,
        Bug::LaterIdCounts,
        Bug::OutputsDependOnBatches,
        Bug::ParkedSuccessorEarly,
        Bug::UnsealedKeyChange,
    ];
}

/// Whether the bug is switched on.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}

#[cfg(feature = "faults")]
pub use switch::{is, plant};

#[cfg(feature = "faults")]
mod switch {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    /// The number of the bug that is on, 0 for none.
    static PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Switches one bug on for the whole process, or all off.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.store(bug.map_or(0, |bug| bug as u8), Ordering::Relaxed);
    }

    /// Whether the bug is switched on.
    pub fn is(bug: Bug) -> bool {
        PLANTED.load(Ordering::Relaxed) == bug as u8
    }
}
