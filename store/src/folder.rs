//! A folder of small files, each replaced as a whole: on disk, or in memory for a simulation.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic_file;

/// A folder; it is made with the first file.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    #[cfg(feature = "faults")]
    memory: Option<MemoryFiles>,
}

impl From<PathBuf> for Folder {
    fn from(path: PathBuf) -> Folder {
        Folder {
            path,
            #[cfg(feature = "faults")]
            memory: None,
        }
    }
}

impl From<&Path> for Folder {
    fn from(path: &Path) -> Folder {
        Folder::from(path.to_owned())
    }
}

impl Folder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of that name in it.
    pub fn join(&self, name: impl AsRef<Path>) -> Folder {
        let mut folder = self.clone();
        folder.path.push(name);
        folder
    }

    /// Writes the parts one after another; after a crash there is the old file or the new one, and the new one when this
    /// has returned.
    pub(crate) fn replace(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        #[cfg(feature = "faults")]
        if let Some(memory) = &self.memory {
            memory.files().insert(self.path.join(name), parts.concat());
            return Ok(());
        }
        fs::create_dir_all(&self.path)?;
        atomic_file::replace(&self.path.join(name), parts)
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        #[cfg(feature = "faults")]
        if let Some(memory) = &self.memory {
            return memory.files().get(&self.path.join(name)).cloned().ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        fs::read(self.path.join(name))
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        #[cfg(feature = "faults")]
        if let Some(memory) = &self.memory {
            memory.files().remove(&self.path.join(name));
            return Ok(());
        }
        fs::remove_file(self.path.join(name))
    }

    /// The names of all files; none if there is no such folder.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        #[cfg(feature = "faults")]
        if let Some(memory) = &self.memory {
            let files = memory.files();
            let here = files.keys().filter(|path| path.parent() == Some(&self.path));
            return Ok(here.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect());
        }
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }
}

#[cfg(feature = "faults")]
pub use memory::MemoryFiles;

#[cfg(feature = "faults")]
mod memory {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use super::Folder;

    /// Files in memory, by path, for a simulation: they survive a crash, and it may damage them.
    #[derive(Clone, Debug, Default)]
    pub struct MemoryFiles(Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>);

    impl MemoryFiles {
        /// A folder in them.
        pub fn folder(&self, path: impl Into<PathBuf>) -> Folder {
            Folder { memory: Some(self.clone()), ..Folder::from(path.into()) }
        }

        /// The same files apart: what happens to these doesn't happen to those.
        #[must_use]
        pub fn copy(&self) -> MemoryFiles {
            MemoryFiles(Arc::new(Mutex::new(self.files().clone())))
        }

        /// All of them.
        pub fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Vec<u8>>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
