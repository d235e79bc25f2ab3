//! The generations of a projection's view: `DIR/PROJECTION/gen-000001/`, and the file `CURRENT` that names the live one.
//!
//! A rebuild makes the next generation beside the live one and promotes it; the newest whole one before is kept for rollback.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Error, atomic_file, faults, views};

/// The file that names the live generation.
const CURRENT: &str = "CURRENT";
/// The file that names the generation that is being made.
const BUILDING: &str = "BUILDING";

/// The generations of one projection. One process has them; `DataDir`'s lock sees to it.
#[derive(Debug)]
pub struct Generations {
    dir: PathBuf,
    current: u64,
    building: Option<u64>,
    interrupted: Option<u64>,
}

/// What a generation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenerationState {
    /// Kept for rollback.
    Previous,
    /// The one that is read.
    Live,
    /// Being made.
    Building,
    /// Newer than the live one: it was, until a rollback.
    RolledBack,
}

impl GenerationState {
    /// The word for status pages.
    pub const fn name(self) -> &'static str {
        match self {
            GenerationState::Previous => "previous",
            GenerationState::Live => "live",
            GenerationState::Building => "building",
            GenerationState::RolledBack => "rolled_back",
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
        let mut generations = Generations { current: 1, dir, building: None, interrupted: None };
        match generations.read(CURRENT)? {
            Some(number) if numbers.contains(&number) => generations.current = number,
            found => {
                let begun = generations.read(BUILDING)?;
                let is_whole = |number: &&u64| Some(**number) != begun && views::is_whole(&generations.path(**number));
                if let Some(&newest) = numbers.iter().rfind(is_whole).or(numbers.last()) {
                    let dir = generations.dir.display();
                    tracing::warn!(%dir, ?found, newest, "CURRENT names no generation; the newest whole one is taken");
                    generations.current = newest;
                }
                generations.make(generations.current)?;
                generations.write_current()?;
            }
        }
        generations.interrupted = generations.read(BUILDING)?.filter(|number| *number > generations.current);
        generations.remove(|number, current| number > current)?;
        generations.end_building()?;
        Ok(generations)
    }

    /// Where a program with a newer version of this schema wrote the live generation: the newest whole one before whose rows are of
    /// just this version.
    pub fn before_newer(&self, schema: views::Schema) -> Result<Option<u64>, Error> {
        if !views::is_newer(&self.current_path(), schema) {
            return Ok(None);
        }
        let fits = |number: &u64| *number < self.current && views::fits(&self.path(*number), schema);
        Ok(numbers(&self.dir)?.into_iter().rfind(fits))
    }

    /// The generation that was being made when the last process ended; what there was of it is removed.
    pub fn interrupted(&self) -> Option<u64> {
        self.interrupted
    }

    /// The live generation's number.
    pub fn current(&self) -> u64 {
        self.current
    }

    /// The live generation's directory.
    pub fn current_path(&self) -> PathBuf {
        self.path(self.current)
    }

    /// The newest whole generation before the live one: what can be gone back to.
    pub fn previous(&self) -> Result<Option<u64>, Error> {
        let is_whole = |number: &u64| *number < self.current && views::is_whole(&self.path(*number));
        Ok(numbers(&self.dir)?.into_iter().rfind(is_whole))
    }

    /// The directory that holds them.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A generation's directory.
    pub fn path(&self, number: u64) -> PathBuf {
        self.dir.join(name(number))
    }

    /// Makes the next generation's directory, empty: its number and path. Until it is promoted or dismissed it is the one
    /// that is being made.
    pub fn create_next(&mut self) -> Result<(u64, PathBuf), Error> {
        let newest = numbers(&self.dir)?.last().copied().unwrap_or_default();
        let number = newest.max(self.current).saturating_add(1);
        self.make(number)?;
        self.write(BUILDING, number)?;
        self.building = Some(number);
        self.interrupted = None;
        Ok((number, self.path(number)))
    }

    /// Removes a generation that is not live; it must not be open any more.
    pub fn forget(&self, number: u64) -> Result<(), Error> {
        self.remove(|other, current| other == number && other != current)
    }

    /// Removes the generation that is being made; it must not be open any more.
    pub fn dismiss(&mut self, number: u64) -> Result<(), Error> {
        if self.building == Some(number) {
            self.remove(|other, _| other == number)?;
            self.end_building()?;
        }
        Ok(())
    }

    fn end_building(&mut self) -> Result<(), Error> {
        self.building = None;
        match fs::remove_file(self.dir.join(BUILDING)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unavailable(&self.dir, error)),
            _ => Ok(()),
        }
    }

    /// Makes a generation the live one, for good before it returns, and removes all but the one it replaces and, where that is not
    /// whole, the newest whole one before; those must not be open any more. An older number is a rollback: the next start then removes the newer ones.
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
        // It is live now, whatever becomes of the rest: what is left over goes at the next start.
        let ended = if self.building == Some(number) { self.end_building() } else { Ok(()) };
        let removed = self.remove_but(replaced);
        for error in [ended.err(), removed.err()].into_iter().flatten() {
            tracing::warn!(%error, "what is left of other generations goes at the next start");
        }
        Ok(())
    }

    /// Removes all generations but the live one, the one it replaced, which may be open, and one that can be gone back to. The one it
    /// replaced may be taken for damaged while its files are merged: then one more stays until the next.
    fn remove_but(&self, replaced: u64) -> Result<(), Error> {
        let kept = if views::is_whole(&self.path(replaced)) { None } else { self.previous()? };
        self.remove(|number, current| number != current && number != replaced && Some(number) != kept)
    }

    /// All generations, oldest first.
    pub fn list(&self) -> Result<Vec<Generation>, Error> {
        let generation = |number: u64| {
            let path = self.path(number);
            let created_at = fs::metadata(&path).and_then(|meta| meta.created().or_else(|_| meta.modified())).ok();
            let state = match number.cmp(&self.current) {
                std::cmp::Ordering::Less => GenerationState::Previous,
                std::cmp::Ordering::Equal => GenerationState::Live,
                std::cmp::Ordering::Greater if self.building == Some(number) => GenerationState::Building,
                std::cmp::Ordering::Greater => GenerationState::RolledBack,
            };
            Generation { number, state, created_at, path }
        };
        Ok(numbers(&self.dir)?.into_iter().map(generation).collect())
    }

    fn make(&self, number: u64) -> Result<(), Error> {
        let made = fs::create_dir_all(self.path(number)).and_then(|()| atomic_file::sync_dir(Some(&self.dir)));
        made.map_err(|cause| unavailable(&self.dir, cause))
    }

    /// The generation that a file names.
    fn read(&self, file: &str) -> Result<Option<u64>, Error> {
        match fs::read(self.dir.join(file)) {
            Ok(bytes) => Ok(std::str::from_utf8(&bytes).ok().and_then(|text| number(text.trim_end()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable(&self.dir, error)),
        }
    }

    fn write_current(&self) -> Result<(), Error> {
        self.write(CURRENT, self.current)
    }

    fn write(&self, file: &str, number: u64) -> Result<(), Error> {
        let line = format!("{}\n", name(number));
        let written = atomic_file::replace(&self.dir.join(file), &[line.as_bytes()]);
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
mod tests;
