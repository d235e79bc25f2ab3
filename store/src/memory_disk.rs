//! A file in memory, for a simulation: in a crash what was not synced is lost, as far as the simulation says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// A file that a database writes to.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<Content>>);

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// What the writes and new lengths since the last sync replaced, oldest first.
    unsynced: Vec<Undo>,
}

#[derive(Clone, Debug)]
struct Undo {
    length: usize,
    at: usize,
    before: Vec<u8>,
}

impl MemoryDisk {
    /// The file as a crash leaves it: as it was synced last, and of the writes since then the first `kept`. Whoever still has
    /// this one open changes nothing there.
    pub fn after_crash(&self, kept: usize) -> MemoryDisk {
        let Content { mut bytes, mut unsynced } = self.lock().clone();
        for Undo { length, at, before } in unsynced.drain(..).skip(kept).rev() {
            bytes.resize(length, 0);
            if let Some(place) = bytes.get_mut(at..at.saturating_add(before.len())) {
                place.copy_from_slice(&before);
            }
        }
        MemoryDisk(Arc::new(Mutex::new(Content { bytes, unsynced })))
    }

    /// How many writes were not synced yet.
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(offset: u64, length: usize) -> std::ops::Range<usize> {
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    from..from.saturating_add(length)
}

fn beyond() -> std::io::Error {
    std::io::ErrorKind::UnexpectedEof.into()
}

impl StorageBackend for MemoryDisk {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.lock().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let content = self.lock();
        out.copy_from_slice(content.bytes.get(place(offset, out.len())).ok_or_else(beyond)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> std::io::Result<()> {
        let mut content = self.lock();
        let Content { bytes, unsynced } = &mut *content;
        let at = place(length, 0).start;
        let before = bytes.get(at..).unwrap_or_default().to_vec();
        unsynced.push(Undo { length: bytes.len(), at, before });
        bytes.resize(at, 0);
        Ok(())
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.lock().unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        let mut content = self.lock();
        let Content { bytes, unsynced } = &mut *content;
        let length = bytes.len();
        let range = place(offset, data.len());
        let target = bytes.get_mut(range.clone()).ok_or_else(beyond)?;
        unsynced.push(Undo { length, at: range.start, before: target.to_vec() });
        target.copy_from_slice(data);
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_crash_takes_back_what_was_not_synced_from_the_last_write_on() {
        let disk = MemoryDisk::default();
        disk.set_len(4).unwrap();
        disk.write(0, b"abcd").unwrap();
        disk.sync_data().unwrap();
        disk.write(1, b"XX").unwrap();
        disk.set_len(6).unwrap();
        disk.write(3, b"YYY").unwrap();
        disk.set_len(2).unwrap();
        let bytes = |kept| disk.after_crash(kept).lock().bytes.clone();
        assert_eq!(disk.unsynced(), 4);
        assert_eq!([bytes(0), bytes(1), bytes(2)], [b"abcd".to_vec(), b"aXXd".to_vec(), b"aXXd\0\0".to_vec()]);
        assert_eq!([bytes(3), bytes(4)], [b"aXXYYY".to_vec(), b"aX".to_vec()]);
    }
}
