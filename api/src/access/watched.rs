//! Files that are read again when they change.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// How often files are looked at: what was revoked holds no longer than this.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// What tells one state of a file from another, also when it was replaced by a file of the same size.
type State = Option<(u64, u64, u32, i64, i64, i64, i64)>;

/// Files as they were before they were read.
pub(crate) struct Watched {
    paths: Vec<PathBuf>,
    states: Vec<State>,
}

impl Watched {
    /// Looks at the files: call it before reading them, so that no change is missed.
    pub(crate) fn before_reading(paths: Vec<PathBuf>) -> Watched {
        let states = states(&paths);
        Watched { paths, states }
    }

    /// Whether one of them has changed since the last look.
    pub(crate) fn has_changed(&mut self) -> bool {
        let before = std::mem::replace(&mut self.states, states(&self.paths));
        before != self.states
    }

    /// Reads again at every change, as long as the program runs.
    pub(crate) fn at_changes(mut self, name: &str, read: impl Fn() + Send + 'static) -> std::io::Result<()> {
        let look = move || {
            loop {
                std::thread::sleep(LOOKED_AT_EVERY);
                if self.has_changed() {
                    read();
                }
            }
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(look).map(drop)
    }
}

fn states(paths: &[PathBuf]) -> Vec<State> {
    let state = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        let (changed, changed_nsec) = (found.ctime(), found.ctime_nsec());
        // Of a file that could not be read for its rights alone, nothing but these changes.
        Some((found.ino(), found.size(), found.mode(), found.mtime(), found.mtime_nsec(), changed, changed_nsec))
    };
    paths.iter().map(state).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_replaced_or_removed_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, "a").unwrap();
        let mut watched = Watched::before_reading(vec![path.clone()]);
        assert!(!watched.has_changed());
        let other = directory.path().join("g");
        std::fs::write(&other, "b").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(watched.has_changed() && !watched.has_changed());
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        assert!(watched.has_changed(), "its rights are others");
        std::fs::remove_file(&path).unwrap();
        assert!(watched.has_changed() && !watched.has_changed());
    }
}
