//! Poison: records that a projection refuses because a test says so.
//!
//! Without the feature `faults` nothing is poisoned. With it: `ORDERLEDGER_POISON="settlement:orders-3@17,market:trades-0@5"`,
//! or a file named by `ORDERLEDGER_POISON_FILE` with an entry a line, read again whenever it changes (a test "fixes the
//! program" by rewriting it), or [`here`] and [`everywhere`] in process.

use orderledger_domain::position::Position;

/// Whether the projection must refuse the record there.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub(crate) const fn refuses(_: &str, _: Position) -> bool {
    false
}

/// What a thread that folds for this one does first: it refuses the same.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub(crate) const fn carried() -> impl FnOnce() + Send {
    || ()
}

#[cfg(feature = "faults")]
pub use set::{Poison, everywhere, here};
#[cfg(feature = "faults")]
pub(crate) use set::{carried, refuses};

#[cfg(feature = "faults")]
mod set {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::path::PathBuf;
    use std::sync::{Mutex, OnceLock, PoisonError, RwLock};
    use std::time::SystemTime;

    use super::Position;

    /// Projections and the positions that they refuse.
    pub type Poison = BTreeSet<(String, Position)>;

    thread_local! {
        static HERE: RefCell<Poison> = const { RefCell::new(BTreeSet::new()) };
    }
    static EVERYWHERE: RwLock<Poison> = RwLock::new(BTreeSet::new());

    /// From now on folds on this thread refuse these, and no others that were set so before.
    pub fn here(poison: Poison) {
        HERE.with(|slot| *slot.borrow_mut() = poison);
    }

    /// From now on folds on every thread refuse these, and no others that were set so before.
    pub fn everywhere(poison: Poison) {
        *EVERYWHERE.write().unwrap_or_else(PoisonError::into_inner) = poison;
    }

    /// What a thread that folds for this one does first: it refuses the same.
    pub(crate) fn carried() -> impl FnOnce() + Send {
        let poison = HERE.with_borrow(Poison::clone);
        move || here(poison)
    }

    /// Whether the projection must refuse the record there.
    pub(crate) fn refuses(projection: &str, at: Position) -> bool {
        let holds = |poison: &Poison| !poison.is_empty() && poison.contains(&(projection.to_owned(), at));
        HERE.with(|here| holds(&here.borrow()))
            || holds(&EVERYWHERE.read().unwrap_or_else(PoisonError::into_inner))
            || holds(from_environment())
            || from_file(&holds)
    }

    fn from_environment() -> &'static Poison {
        static POISON: OnceLock<Poison> = OnceLock::new();
        POISON.get_or_init(|| std::env::var("ORDERLEDGER_POISON").map(|text| parse(&text)).unwrap_or_default())
    }

    /// A file as it was read last.
    struct Kept {
        path: PathBuf,
        changed: Option<(SystemTime, u64)>,
        poison: Poison,
    }

    fn from_file(holds: &dyn Fn(&Poison) -> bool) -> bool {
        static KEPT: OnceLock<Option<Mutex<Kept>>> = OnceLock::new();
        let named = KEPT.get_or_init(|| {
            let path = PathBuf::from(std::env::var_os("ORDERLEDGER_POISON_FILE")?);
            Some(Mutex::new(Kept { path, changed: None, poison: Poison::new() }))
        });
        let Some(kept) = named else { return false };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = std::fs::metadata(&kept.path).and_then(|file| Ok((file.modified()?, file.len()))).ok();
        if now != kept.changed {
            kept.poison = std::fs::read_to_string(&kept.path).map(|text| parse(&text)).unwrap_or_default();
            kept.changed = now;
        }
        holds(&kept.poison)
    }

    fn parse(text: &str) -> Poison {
        let entry = |entry: &str| {
            let (projection, position) = entry.trim().split_once(':')?;
            Some((projection.to_owned(), position.parse().ok()?))
        };
        text.split([',', '\n']).filter_map(entry).collect()
    }

    #[cfg(test)]
    #[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    mod tests {
        use super::*;

        #[test]
        fn entries_are_a_projection_and_a_position() {
            let poison = parse("settlement:orders-3@17, market:trades-0@5\nnonsense,audit:x\n");
            let expected = [("market", "trades-0@5"), ("settlement", "orders-3@17")];
            let expected = expected.map(|(name, at)| (name.to_owned(), at.parse().unwrap()));
            assert_eq!(poison, Poison::from(expected));
        }

        #[test]
        fn what_is_poisoned_here_is_refused_here_and_where_it_is_carried_to_alone() {
            let at: Position = "orders-0@7".parse().unwrap();
            here(Poison::from([("settlement".to_owned(), at)]));
            assert!(refuses("settlement", at) && !refuses("market", at));
            assert!(!std::thread::spawn(move || refuses("settlement", at)).join().unwrap());
            let carried = carried();
            let refused = std::thread::spawn(move || {
                carried();
                refuses("settlement", at)
            });
            assert!(refused.join().unwrap());
            here(Poison::new());
            assert!(!refuses("settlement", at));
        }
    }
}
