//! The files of a log: the first one has the log's own name, the others the same with a number behind it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::atomic_file::{UNFINISHED, sync_dir};

/// The number of the file that has the log's own name.
pub(super) const FIRST: u32 = 1;

/// Where the log's file of that number lies: `log.redb`, `log.redb.000002`, …
pub(super) fn path_of(log: &Path, number: u32) -> PathBuf {
    if number == FIRST { log.to_owned() } else { with_suffix(log, &format!("{number:06}")) }
}

/// Where the log's journal lies.
pub(super) fn journal_of(log: &Path) -> PathBuf {
    with_suffix(log, "journal")
}

/// Where the file of that number is made, before it gets its name.
pub(super) fn unfinished(log: &Path, number: u32) -> PathBuf {
    with_suffix(&path_of(log, number), UNFINISHED)
}

/// The numbers of the log's files that are there, in order; what a kill left of one without a name is removed.
pub(super) fn tidied(log: &Path) -> Result<Vec<u32>, Error> {
    let numbers = numbers(log)?;
    let next = numbers.last().map_or(FIRST, |last| last.saturating_add(1));
    remove(&unfinished(log, next))?;
    Ok(numbers)
}

/// Removes all files of a log, the newest first, for a log without its first file is none.
pub(crate) fn remove_all(log: &Path) -> Result<(), Error> {
    for number in tidied(log)?.into_iter().rev() {
        remove(&path_of(log, number))?;
    }
    remove(&journal_of(log))
}

/// Gives the files of a log another log's name, the first one last: until then they are still the files of `from`.
pub(crate) fn rename_all(from: &Path, to: &Path) -> Result<(), Error> {
    let renamed = |number| fs::rename(path_of(from, number), path_of(to, number));
    let moved = numbers(from)?.into_iter().rev().try_for_each(renamed).and_then(|()| sync_dir(to.parent()));
    moved.map_err(|error| Error::unavailable(to, "can't give the log its name").with_source(error))
}

/// Removes the file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::unavailable(path, "can't remove it").with_source(error))
        }
        _ => Ok(()),
    }
}

/// The numbers of the log's files that are there, in order.
pub(super) fn numbers(log: &Path) -> Result<Vec<u32>, Error> {
    let directory = log.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let listed = || -> io::Result<Vec<u32>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            found.extend(number_of(log, &entry?.file_name()));
        }
        found.sort_unstable();
        Ok(found)
    };
    listed().map_err(|error| Error::unavailable(directory, "can't list it").with_source(error))
}

/// Which file of the log has that name, if one has.
fn number_of(log: &Path, name: &OsString) -> Option<u32> {
    if log.file_name() == Some(name) {
        return Some(FIRST);
    }
    let number = name.to_str()?.rsplit_once('.')?.1.parse().ok().filter(|number| *number > FIRST)?;
    (path_of(log, number).file_name() == Some(name)).then_some(number)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_log_are_told_from_all_others_and_stand_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log.redb");
        let names = [
            "log.redb.000010",
            "log.redb.000002",
            "log.redb",
            "log.redb.1000000",
            "log.redb.000001",
            "log.redb.3",
            "log.redb.000011.tmp",
            "log.redb.unfinished",
            "log.redb.unfinished.000002",
            "ids.redb.000002",
        ];
        for name in names {
            fs::write(dir.path().join(name), name).unwrap();
        }
        assert_eq!(numbers(&log).unwrap(), [1, 2, 10, 1_000_000]);
        let unfinished = dir.path().join("log.redb.unfinished");
        assert_eq!(numbers(&unfinished).unwrap(), [1, 2]);
        assert_eq!(path_of(&unfinished, 2), dir.path().join("log.redb.unfinished.000002"));
        remove_all(&log).unwrap();
        assert!(numbers(&log).unwrap().is_empty());
        rename_all(&unfinished, &log).unwrap();
        assert_eq!(numbers(&log).unwrap(), [1, 2]);
        assert_eq!(fs::read(path_of(&log, 2)).unwrap(), b"log.redb.unfinished.000002");
    }
}
