//! What a projection parks; with the feature `faults` nothing, if `ORDERLEDGER_PARKING=off`: the benchmarks compare.

use orderledger_domain::entity::EntityKind;

use super::fold::Fold;

/// The kind of entity that waits alone when one of its records can't be applied; none: the worker halts there.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub(crate) const fn parks<F: Fold>() -> Option<EntityKind> {
    F::PARKS
}

/// The kind of entity that waits alone when one of its records can't be applied; none: the worker halts there.
#[cfg(feature = "faults")]
pub(crate) fn parks<F: Fold>() -> Option<EntityKind> {
    use std::sync::OnceLock;
    static IS_OFF: OnceLock<bool> = OnceLock::new();
    if *IS_OFF.get_or_init(|| std::env::var_os("ORDERLEDGER_PARKING").is_some_and(|value| value == "off")) {
        return None;
    }
    F::PARKS
}
