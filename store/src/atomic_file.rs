//! Replacing a file as a whole: after a crash there is the old one or the new one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::faults;

/// What unfinished files end in.
pub(crate) const UNFINISHED: &str = "tmp";

/// Writes the parts one after another beside `path`, syncs, renames, and syncs the directory. One writer a path.
pub(crate) fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let unfinished = unfinished(path);
    let mut file = File::create(&unfinished)?;
    for part in parts {
        file.write_all(part)?;
    }
    faults::point("file.before-sync");
    file.sync_all()?;
    drop(file);
    faults::point("file.before-rename");
    fs::rename(&unfinished, path)?;
    faults::point("file.after-rename");
    sync_dir(path.parent())
}

/// Makes what was created, renamed or removed in a directory survive a power loss.
pub(crate) fn sync_dir(dir: Option<&Path>) -> io::Result<()> {
    let dir = dir.filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(UNFINISHED);
    PathBuf::from(name)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        replace(&path, &[b"a longer ", b"first"]).unwrap();
        replace(&path, &[b"second"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
