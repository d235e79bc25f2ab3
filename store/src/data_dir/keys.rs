//! Which secret each stream key's id means here. A digit changed by accident in the key file would make the ledger seal with a
//! secret that nobody else has, and take its own records for forged: it is refused instead.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use orderledger_domain::ids::KeyId;

use super::DataDir;
use crate::{Error, atomic_file};

const KEYS: &str = "stream-keys";

impl DataDir {
    /// [`Error::Refused`] when a key of that id was used here that has another fingerprint.
    pub fn check_keys(&self, keys: impl IntoIterator<Item = (KeyId, u64)>) -> Result<(), Error> {
        let (path, pinned) = (self.path.join(KEYS), self.pinned_keys()?);
        for (id, fingerprint) in keys {
            if pinned.get(id.as_str()).is_some_and(|pinned| *pinned != fingerprint) {
                let what = format!(
                    "the stream key {id} is another secret than the one that was named here first under this id; correct the \
                     key file. If that one was wrong, and not this, take the line of {id} out of this file"
                );
                return Err(Error::refused(path, what));
            }
        }
        Ok(())
    }

    /// From now on the ids of these keys mean these secrets here; to be called once the log was found to fit the first of them. Whether
    /// a later one is right shows where the streams take it.
    pub fn pin_keys(&self, keys: impl IntoIterator<Item = (KeyId, u64)>) -> Result<(), Error> {
        let mut pinned = self.pinned_keys()?;
        let before = pinned.len();
        for (id, fingerprint) in keys {
            pinned.entry(id.as_str().to_owned()).or_insert(fingerprint);
        }
        if pinned.len() == before {
            return Ok(());
        }
        let text: String = pinned.iter().map(|(id, fingerprint)| format!("{id} {fingerprint:016x}\n")).collect();
        let path = self.path.join(KEYS);
        atomic_file::replace(&path, &[text.as_bytes()])
            .map_err(|error| Error::unavailable(path, "can't write it").with_source(error))
    }

    fn pinned_keys(&self) -> Result<BTreeMap<String, u64>, Error> {
        let path = self.path.join(KEYS);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) if error.kind() == ErrorKind::InvalidData => String::from("damaged"),
            text => text.map_err(|error| Error::unavailable(&path, "can't read it").with_source(error))?,
        };
        let line = |line: &str| {
            let (id, fingerprint) = line.split_once(' ')?;
            Some((id.to_owned(), u64::from_str_radix(fingerprint, 16).ok()?))
        };
        let damaged = || Error::refused(&path, "a line of it is no key id and its fingerprint; remove this file");
        text.lines().map(|text| line(text).ok_or_else(damaged)).collect()
    }
}
