//! What lies on the disk at a moment, and what a power loss may make of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const PAGE: usize = 4096;

/// The files of a directory, by name.
pub(super) type Image = BTreeMap<PathBuf, Vec<u8>>;

pub(super) fn image(directory: &Path) -> Image {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.file_name().into(), fs::read(file.path()).unwrap())).collect()
}

/// The files of that image in a directory of their own, and the log's path there.
pub(super) fn restored(image: &Image) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    image.iter().for_each(|(name, bytes)| fs::write(directory.path().join(name), bytes).unwrap());
    let log = directory.path().join("log.redb");
    (directory, log)
}

/// The file as a power loss may leave it that comes while it is changed: all pages but the head's, and garbage in the place of those that changed.
pub(super) fn torn(old: &[u8], new: &[u8]) -> [Vec<u8>; 2] {
    let mut without_head = new.to_vec();
    without_head[..PAGE].copy_from_slice(&old[..PAGE]);
    let mut garbage = without_head.clone();
    for (page, chunk) in garbage.chunks_mut(PAGE).enumerate().skip(1) {
        if old.get(page * PAGE..page * PAGE + chunk.len()) != Some(&*chunk) {
            chunk.fill(0x5a);
        }
    }
    [without_head, garbage]
}
