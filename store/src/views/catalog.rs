//! Which sorted files stand above sled, and the head and the digest that belong to all of them: one small file, replaced as a
//! whole. What it does not name is not there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Schema;
use super::block_cache::BlockCache;
use super::head::{self, DigestAt};
use super::sorted::{self, Sorted};
use crate::error::At;
use crate::{Error, atomic_file, codec};

const NAME: &str = "catalog";

/// The shape of the file.
const CATALOG_SCHEMA: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    /// As the head row of sled.
    head: Vec<u8>,
    /// Oldest first.
    files: Vec<u64>,
}

/// Gives files their numbers and says which of them count.
#[derive(Debug)]
pub(super) struct Catalog {
    dir: PathBuf,
    schema: Schema,
    next: u64,
}

impl Catalog {
    /// The catalog of a directory, and, where one was written: where its fold stands, and its files. What it doesn't name is removed.
    #[expect(clippy::type_complexity, reason = "two parts, or none of both")]
    pub(super) fn open(
        dir: &Path,
        schema: Schema,
        cache: &Arc<BlockCache>,
    ) -> Result<(Catalog, Option<(DigestAt, Vec<Arc<Sorted>>)>), Error> {
        let at = At::from(dir.join(NAME).as_path());
        let stored = read(dir)?;
        let numbers = stored.as_ref().map_or(&[][..], |stored| &stored.files);
        sorted::remove_others(dir, numbers)?;
        let next = numbers.iter().max().map_or(1, |last| last.saturating_add(1));
        let open = |stored: Stored| {
            let files = stored.files.iter().map(|&number| Sorted::open(dir, number, cache).map(Arc::new));
            Ok((head::decode(&at, schema, &[], &stored.head)?.1, files.collect::<Result<_, Error>>()?))
        };
        let found = stored.map(open).transpose()?;
        Ok((Catalog { dir: dir.to_owned(), schema, next }, found))
    }

    /// The number of the next file.
    pub(super) const fn number(&mut self) -> u64 {
        let number = self.next;
        self.next = number.saturating_add(1);
        number
    }

    /// Whether the catalog on the disk names that file, or can't be read and might: a write that failed may have been done.
    pub(super) fn names(&self, number: u64) -> bool {
        read(&self.dir).map_or(true, |stored| stored.is_some_and(|stored| stored.files.contains(&number)))
    }

    /// From here on these files count, and the head and digest are these; what is on the disk when this returns survives a power
    /// loss, as far as the files themselves are synced.
    pub(super) fn write(&self, at: &DigestAt, files: &[Arc<Sorted>]) -> Result<(), Error> {
        let files = files.iter().map(|file| file.number).collect();
        let stored = Stored { head: head::encode(self.schema, at)?, files };
        let frame = codec::encode(CATALOG_SCHEMA, &stored)?;
        let failed =
            |cause| Error::unavailable(&self.dir, "the view's catalog could not be written").with_source(cause);
        atomic_file::replace(&self.dir.join(NAME), &[&frame]).map_err(failed)
    }
}

/// The catalog of a directory whose rows are all in sled: it says what they are to whoever looks at the directory from outside.
pub(super) fn write_first(dir: &Path, schema: Schema, at: &DigestAt) -> Result<(), Error> {
    Catalog { dir: dir.to_owned(), schema, next: 1 }.write(at, &[])
}

/// Whether the files of rows in that directory are there that its catalog names; without a catalog there are none. One that can't be
/// read now may be whole.
pub(super) fn has_its_files(dir: &Path) -> bool {
    match read(dir) {
        Ok(Some(stored)) => stored.files.iter().all(|&number| sorted::path(dir, number).is_file()),
        Ok(None) => !sorted::has_any(dir),
        Err(error) => !matches!(error, Error::Corrupt { .. }),
    }
}

/// The version of the rows in that directory, as its catalog says; none where it can't be read, or is of another schema.
pub(super) fn version(dir: &Path, name: &str) -> Option<u8> {
    read(dir).ok().flatten().and_then(|stored| head::version(name, &stored.head))
}

/// The catalog of a directory, where one was written.
fn read(dir: &Path) -> Result<Option<Stored>, Error> {
    let path = dir.join(NAME);
    match std::fs::read(&path) {
        Ok(frame) => codec::decode_at(&At::from(path.as_path()), CATALOG_SCHEMA, &frame).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::unavailable(&path, "it could not be read").with_source(cause)),
    }
}
