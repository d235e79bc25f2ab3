//! The projections there are, each as what it takes to open it.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use orderledger_domain::entity::Entity;
use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::analytics::Analytics;
use orderledger_projections::audit::Audit;
use orderledger_projections::market::Market;
use orderledger_projections::notifications::Notifications;
use orderledger_projections::parking::dry_run::{DryRun, dry_run};
use orderledger_projections::settlement::Settlement;
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::folding::Folding;
use orderledger_projections::worker::progress::Standing;
use orderledger_projections::worker::standing::of_older;
use orderledger_store::event_log::EventLog;
use orderledger_store::generations::Generations;
use orderledger_store::views::{Direction, Options, Schema, View, bulk_load};
use orderledger_store::{At, Error};

use super::rebuild::room::check_room;

/// After so many rows it is looked whether there is room for more.
const ROWS_BETWEEN_LOOKS: u64 = 4096;

/// How a projection is taken up where its view stands.
type Resume = fn(Arc<View>, &dyn EventLog, &StreamKey, &str) -> Result<Box<dyn AnyFolding>, Error>;

/// How a projection tries what waits of an entity, without writing anything.
pub(crate) type TryParked = fn(&View, &dyn EventLog, &StreamKey, &Entity, usize) -> Result<Option<DryRun>, Error>;

/// A projection, as what it takes to open it.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Its name, and the version of its rows.
    pub(crate) schema: Schema,
    /// Earlier versions that its queries read.
    older: &'static [u8],
    /// The topics whose records make its rows.
    pub(crate) topics: &'static [Topic],
    /// Takes it up where its view stands.
    pub(crate) resume: Resume,
    /// Tries what waits of an entity.
    pub(crate) try_parked: TryParked,
    /// Whether nobody waits for its rows.
    pub(crate) may_lag: bool,
}

impl Kind {
    fn of<F: Fold + 'static>() -> Kind {
        Kind {
            schema: Schema { name: F::NAME, version: F::SCHEMA },
            older: F::OLDER,
            topics: F::TOPICS,
            resume: |view, log, key, kept| Ok(Box::new(Folding::<F>::resume(view, log, key, kept)?)),
            try_parked: dry_run::<F>,
            may_lag: !F::IS_WAITED_FOR,
        }
    }

    pub(crate) fn settlement() -> Kind {
        Kind::of::<Settlement>()
    }

    pub(crate) fn market() -> Kind {
        Kind::of::<Market>()
    }

    pub(crate) fn audit() -> Kind {
        Kind::of::<Audit>()
    }

    pub(crate) fn notifications() -> Kind {
        Kind::of::<Notifications>()
    }

    pub(crate) fn analytics() -> Kind {
        Kind::of::<Analytics>()
    }

    /// Its generations in that directory, and the live one opened; true if that was another before. Where a newer program's is live,
    /// and one of just these rows is still there and opens, that is live from now on, and this program goes on from where it had come to.
    pub(crate) fn open_live<T>(
        &self,
        views: &Path,
        open: impl Fn(&Path) -> Result<T, Error>,
    ) -> Result<(Generations, T, bool), Error> {
        let mut generations = Generations::open(views, self.name())?;
        if let Some(number) = generations.before_newer(self.schema)? {
            let name = self.name();
            match open(&generations.path(number)) {
                Ok(opened) => {
                    generations.promote(number)?;
                    tracing::warn!(
                        "the rows of {name} are those of a newer program: generation {number}, which this one wrote before, is live again"
                    );
                    return Ok((generations, opened, true));
                }
                Err(passing @ (Error::InUse { .. } | Error::Unavailable { .. })) => return Err(passing),
                Err(error) => tracing::warn!(%error, "generation {number} of {name} can't be gone back to"),
            }
        }
        let opened = open(&generations.current_path())?;
        Ok((generations, opened, false))
    }

    /// Takes it up on the view in that directory, made where there is none. One that makes no sense is put aside, and a fresh
    /// one is there in its place.
    pub(crate) fn open(&self, path: &Path, log: &dyn EventLog, key: &StreamKey) -> Result<Box<dyn AnyFolding>, Error> {
        again_if_condemned(|| {
            let view = Arc::new(View::open(path, self.schema, self.options())?);
            self.take_up(view, path, log, key)
        })
    }

    /// The same; but rows of an earlier version that its queries read are only read.
    pub(crate) fn open_to_serve(&self, path: &Path, log: &dyn EventLog, key: &StreamKey) -> Result<Served, Error> {
        again_if_condemned(|| {
            let view = Arc::new(View::open_or_older(path, self.schema, self.older, self.options())?);
            if !view.is_older() {
                return self.take_up(view, path, log, key).map(Served::Folding);
            }
            let standing = of_older(&view.reader()?, log, key, self.name(), path);
            standing.map(|standing| Served::Older(Arc::clone(&view), standing)).map_err(|error| condemned(&view, error))
        })
    }

    /// The view of a generation that is not live, to fold on.
    pub(crate) fn open_other(&self, path: &Path) -> Result<View, Error> {
        let view = View::open_or_older(path, self.schema, self.older, self.options())?;
        if view.is_older() {
            let (found, version) = (view.schema().version, self.schema.version);
            let what = format!("its rows are of schema version {found}, and this program goes on from {version} alone");
            return Err(Error::refused(path, what));
        }
        Ok(view)
    }

    fn options(&self) -> Options {
        Options { room: check_room, may_lag: self.may_lag, ..Options::default() }
    }

    fn take_up(
        &self,
        view: Arc<View>,
        path: &Path,
        log: &dyn EventLog,
        key: &StreamKey,
    ) -> Result<Box<dyn AnyFolding>, Error> {
        let taken_up = (self.resume)(Arc::clone(&view), log, key, &path.display().to_string());
        taken_up.map_err(|error| condemned(&view, error))
    }

    /// A fold from offset zero on a view in memory: at most so many bytes of it, the rest in nameless files of that directory.
    pub(crate) fn fresh(
        &self,
        log: &dyn EventLog,
        key: &StreamKey,
        (dir, budget): (&Path, usize),
    ) -> Result<Box<dyn AnyFolding>, Error> {
        let view = View::in_bounded_memory(self.schema, dir, budget, check_room);
        (self.resume)(Arc::new(view), log, key, "memory")
    }

    /// Writes all rows of a folding in key order into that directory; how many there were. `before` sees how many are written
    /// before each, and may end it.
    pub(crate) fn write(
        &self,
        path: &Path,
        folding: &dyn AnyFolding,
        mut before: impl FnMut(u64) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let reader = folding.view().reader()?;
        let all = (Bound::<Vec<u8>>::Unbounded, Bound::Unbounded);
        let mut written = 0;
        let rows = reader.scan(all, Direction::Ascending).map(|row| {
            if written % ROWS_BETWEEN_LOOKS == 0 {
                check_room(path, 0)?;
            }
            before(written)?;
            written += 1;
            row
        });
        bulk_load(path, self.schema, reader.rows_max(), rows, reader.head().clone())?;
        Ok(written)
    }

    /// All of them, in the order in which they are shown.
    pub(crate) fn all() -> [Kind; 5] {
        [Kind::settlement(), Kind::market(), Kind::audit(), Kind::notifications(), Kind::analytics()]
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.schema.name
    }
}

/// A view as a server takes it up.
pub(crate) enum Served {
    /// A fold goes on from it.
    Folding(Box<dyn AnyFolding>),
    /// Rows of an earlier version, and where they stand.
    Older(Arc<View>, Standing),
}

/// Once more where the view was condemned: then it is put aside.
fn again_if_condemned<T>(open: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    match open() {
        Err(error) if is_the_views(&error) => open(),
        opened => opened,
    }
}

/// What was read from the view makes no sense, if the view is what is damaged.
fn condemned(view: &View, error: Error) -> Error {
    if is_the_views(&error) { view.condemn(error) } else { error }
}

/// Whether what is kept of the view, and not the log, is damaged.
const fn is_the_views(error: &Error) -> bool {
    matches!(error, Error::Corrupt { at: At::Path(_) | At::Frame, .. })
}
