//! The generations of a projection's view: `DIR/PROJECTION/gen-000001/`, and the file `CURRENT` that names the live one.
//!
//! A rebuild makes the next generation beside the live one and promotes it; the one before is kept for rollback.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Error, atomic_file, faults};

/// The file that names the live generation.
const CURRENT: &str = "CURRENT";

/// The generations of one projection. One process has them; `DataDir`'s lock sees to it.
#[derive(Debug)]
pub struct Generations {
    dir: PathBuf,
    current: u64,
}

/// What a generation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenerationState {
    /// Kept for rollback.
    Previous,
    /// The one that is read.
    Live,
    /// Made but not promoted (yet).
    Building,
}

impl GenerationState {
    /// The word for status pages.
    pub const fn name(self) -> &'static str {
        match self {
            GenerationState::Previous => "previous",
            GenerationState::Live => "live",
            GenerationState::Building => "building",
        }
    }
}

/// One generation of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its number, from 1, never used again while the projection's directory stands.
    pub number: u64,
    /// What it is for.
    pub state: GenerationState,
    /// When its directory was made, where the file system knows.
    pub created_at: Option<SystemTime>,
    /// Its directory.
    pub path: PathBuf,
}

impl Generations {
    /// The generations under `dir/projection`. Makes the first one if there is none, and removes those that were begun
    /// after the live one and never promoted.
    pub fn open(dir: &Path, projection: &str) -> Result<Generations, Error> {
        let dir = dir.join(projection);
        fs::create_dir_all(&dir).map_err(|cause| unavailable(&dir, cause))?;
        let numbers = numbers(&dir)?;
        let mut generations = Generations { current: 1, dir };
        match generations.read_current()? {
            Some(number) if numbers.contains(&number) => generations.current = number,
            found => {
                if let Some(&newest) = numbers.last() {
                    let dir = generations.dir.display();
                    tracing::warn!(%dir, ?found, newest, "CURRENT names no generation; the newest is taken");
                    generations.current = newest;
                }
                generations.make(generations.current)?;
                generations.write_current()?;
            }
        }
        generations.remove(|number, current| number > current)?;
        Ok(generations)
    }

    /// The live generation's number.
    pub fn current(&self) -> u64 {
        self.current
    }

    /// The live generation's directory.
    pub fn current_path(&self) -> PathBuf {
        self.path(self.current)
    }

    /// The newest generation before the live one, if it is still there.
    pub fn previous(&self) -> Result<Option<u64>, Error> {
        Ok(numbers(&self.dir)?.into_iter().rfind(|&number| number < self.current))
    }

    /// A generation's directory.
    pub fn path(&self, number: u64) -> PathBuf {
        self.dir.join(name(number))
    }

    /// Makes the next generation's directory, empty: its number and path.
    pub fn create_next(&self) -> Result<(u64, PathBuf), Error> {
        let newest = numbers(&self.dir)?.last().copied().unwrap_or_default();
        let number = newest.max(self.current).saturating_add(1);
        self.make(number)?;
        Ok((number, self.path(number)))
    }

    /// Makes a generation the live one, for good before it returns, and removes all older than the one it replaces;
    /// those must not be open any more. An older number is a rollback: the next start then removes the newer ones.
    pub fn promote(&mut self, number: u64) -> Result<(), Error> {
        if !numbers(&self.dir)?.contains(&number) {
            return Err(Error::refused(self.path(number), "there is no such generation to promote"));
        }
        faults::point("generation.before-promotion");
        let replaced = std::mem::replace(&mut self.current, number);
        if let Err(error) = self.write_current() {
            self.current = replaced;
            return Err(error);
        }
        faults::point("generation.after-promotion");
        self.remove(|number, current| number < replaced && number < current)
    }

    /// All generations, oldest first.
    pub fn list(&self) -> Result<Vec<Generation>, Error> {
        let generation = |number: u64| {
            let path = self.path(number);
            let created_at = fs::metadata(&path).and_then(|meta| meta.created().or_else(|_| meta.modified())).ok();
            let state = match number.cmp(&self.current) {
                std::cmp::Ordering::Less => GenerationState::Previous,
                std::cmp::Ordering::Equal => GenerationState::Live,
                std::cmp::Ordering::Greater => GenerationState::Building,
            };
            Generation { number, state, created_at, path }
        };
        Ok(numbers(&self.dir)?.into_iter().map(generation).collect())
    }

    fn make(&self, number: u64) -> Result<(), Error> {
        let made = fs::create_dir_all(self.path(number)).and_then(|()| atomic_file::sync_dir(Some(&self.dir)));
        made.map_err(|cause| unavailable(&self.dir, cause))
    }

    fn read_current(&self) -> Result<Option<u64>, Error> {
        match fs::read(self.dir.join(CURRENT)) {
            Ok(bytes) => Ok(std::str::from_utf8(&bytes).ok().and_then(|text| number(text.trim_end()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable(&self.dir, error)),
        }
    }

    fn write_current(&self) -> Result<(), Error> {
        let line = format!("{}\n", name(self.current));
        let written = atomic_file::replace(&self.dir.join(CURRENT), &[line.as_bytes()]);
        written.map_err(|cause| unavailable(&self.dir, cause))
    }

    /// Removes the generations that `unwanted(number, current)` names, with what was put aside of them.
    fn remove(&self, unwanted: impl Fn(u64, u64) -> bool) -> Result<(), Error> {
        let failed = |cause| unavailable(&self.dir, cause);
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let entry_name = entry.file_name();
            let entry_name = entry_name.to_string_lossy();
            let of = entry_name.split_once('.').map_or(entry_name.as_ref(), |(generation, _)| generation);
            if number(of).is_some_and(|number| unwanted(number, self.current)) {
                tracing::info!(generation = %entry.path().display(), "removing a generation that is not needed");
                fs::remove_dir_all(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }
}

fn name(number: u64) -> String {
    format!("gen-{number:06}")
}

/// The number of a generation's directory name, if it is one.
fn number(text: &str) -> Option<u64> {
    let number = text.strip_prefix("gen-")?.parse().ok()?;
    (name(number) == text).then_some(number)
}

/// The generations there are, oldest first.
fn numbers(dir: &Path) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(|cause| unavailable(dir, cause))? {
        let name = entry.map_err(|cause| unavailable(dir, cause))?.file_name();
        numbers.extend(number(&name.to_string_lossy()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn unavailable(dir: &Path, cause: io::Error) -> Error {
    Error::unavailable(dir, "the view's generations could not be read or written").with_source(cause)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn text(generations: &Generations) -> String {
        let list = generations.list().unwrap();
        list.iter().map(|generation| format!("{} {}, ", generation.number, generation.state.name())).collect()
    }

    #[test]
    fn a_rebuild_is_promoted_and_the_one_before_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut generations = Generations::open(dir.path(), "market").unwrap();
        assert_eq!(generations.current_path(), dir.path().join("market/gen-000001"));
        for expected in ["1 previous, 2 live, ", "2 previous, 3 live, ", "3 previous, 4 live, "] {
            let (number, path) = generations.create_next().unwrap();
            assert!(path.is_dir());
            fs::create_dir(dir.path().join(format!("market/gen-{number:06}.quarantine-1"))).unwrap();
            generations.promote(number).unwrap();
            assert_eq!(text(&generations), expected);
            assert_eq!(text(&Generations::open(dir.path(), "market").unwrap()), expected);
        }
        assert_eq!(generations.previous().unwrap(), Some(3));
        assert_eq!(fs::read_to_string(dir.path().join("market/CURRENT")).unwrap(), "gen-000004\n");
        assert_eq!(fs::read_dir(dir.path().join("market")).unwrap().count(), 5);
    }

    #[test]
    fn one_that_was_never_promoted_is_removed_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let generations = Generations::open(dir.path(), "market").unwrap();
        let (_, path) = generations.create_next().unwrap();
        fs::write(path.join("db"), b"half").unwrap();
        assert_eq!(text(&generations), "1 live, 2 building, ");
        assert_eq!(text(&Generations::open(dir.path(), "market").unwrap()), "1 live, ");
    }

    #[test]
    fn a_rollback_makes_the_one_before_live() {
        let dir = tempfile::tempdir().unwrap();
        let mut generations = Generations::open(dir.path(), "market").unwrap();
        let (two, _) = generations.create_next().unwrap();
        generations.promote(two).unwrap();
        generations.promote(1).unwrap();
        assert_eq!(text(&generations), "1 live, 2 building, ");
        assert!(matches!(generations.promote(7), Err(Error::Refused { .. })));
        assert_eq!(text(&Generations::open(dir.path(), "market").unwrap()), "1 live, ");
    }

    #[test]
    fn without_a_readable_current_the_newest_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let mut generations = Generations::open(dir.path(), "market").unwrap();
        let (two, _) = generations.create_next().unwrap();
        generations.promote(two).unwrap();
        for garbage in [&b"\xff\xff"[..], b"", b"gen-000009\n", b"gen-2\n", b"../../etc"] {
            fs::write(dir.path().join("market/CURRENT"), garbage).unwrap();
            assert_eq!(Generations::open(dir.path(), "market").unwrap().current(), 2);
        }
    }
}
