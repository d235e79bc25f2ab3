//! Replacing a file as a whole: after a crash there is the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::faults;

/// What unfinished files end in.
pub(crate) const UNFINISHED: &str = "tmp";

/// Writes the parts one after another beside `path`, syncs, renames, and syncs the directory. One writer a path.
pub(crate) fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let unfinished = unfinished(path);
    finish(path, &unfinished, File::create(&unfinished)?, parts)
}

/// The same for a secret: nobody but its owner may ever read it.
pub fn replace_secret(path: &Path, secret: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    finish(path, &unfinished, file, &[secret])
}

fn finish(path: &Path, unfinished: &Path, mut file: File, parts: &[&[u8]]) -> io::Result<()> {
    for part in parts {
        file.write_all(part)?;
    }
    faults::point("file.before-sync");
    file.sync_all()?;
    drop(file);
    faults::point("file.before-rename");
    fs::rename(unfinished, path)?;
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

    #[test]
    fn a_secret_is_its_owners_alone_whatever_was_left_beside_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(dir.path().join("key.tmp"), "half of an old one, that everybody may read").unwrap();
        replace_secret(&path, b"secret").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
