//! The API keys that hold now: read from the file, and again when it changes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use orderledger_domain::timestamp::Timestamp;
use subtle::ConstantTimeEq;

use super::api_keys::{KeyDigest, KeyFile, digest_of, id_of};
use super::caller::Caller;
use super::watched::Watched;
use crate::ledger;

/// A key that was not revoked.
struct Key {
    digest: KeyDigest,
    expires: Option<Timestamp>,
    caller: Caller,
}

/// Keys by their ids.
type Keys = HashMap<String, Key>;

/// The keys as they are now.
pub(crate) struct KeyRing {
    keys: Arc<ArcSwap<Keys>>,
}

impl KeyRing {
    /// Reads the file, and again when it changes: a key that is revoked there holds for seconds at most. A file that can't be read any
    /// more changes nothing.
    pub(crate) fn open(path: PathBuf) -> Result<KeyRing, String> {
        let watched = Watched::before_reading(vec![path.clone()]);
        let keys = Arc::new(ArcSwap::from_pointee(read(&path)?));
        let current = Arc::clone(&keys);
        let again = move || match read(&path) {
            Ok(read) => current.store(Arc::new(read)),
            Err(why) => tracing::error!("{why}; the keys read before stay"),
        };
        watched.at_changes("auth-keys", again).map_err(|error| error.to_string())?;
        Ok(KeyRing { keys })
    }

    /// Whose key it is, if it holds.
    pub(crate) fn caller(&self, secret: &str) -> Option<Caller> {
        caller(&self.keys.load(), secret, ledger::now())
    }
}

fn caller(keys: &Keys, secret: &str, now: Timestamp) -> Option<Caller> {
    let digest = digest_of(secret);
    let key = keys.get(&id_of(&digest))?;
    let same = bool::from(key.digest.ct_eq(&digest));
    let holds = key.expires.is_none_or(|expires| now < expires);
    (same && holds).then(|| key.caller.clone())
}

fn read(path: &Path) -> Result<Keys, String> {
    keys_of(&KeyFile::read(path)?)
}

fn keys_of(file: &KeyFile) -> Result<Keys, String> {
    let mut keys = Keys::new();
    for row in file.keys.iter().filter(|row| row.revoked.is_none()) {
        let digest = row.digest()?;
        let actor = row.actor().to_owned();
        let caller = Caller::known(row.roles()?, row.account()?, format!("key {}", row.id), actor);
        keys.insert(id_of(&digest), Key { digest, expires: row.expires, caller });
    }
    Ok(keys)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::api_keys::{KeyRow, hex};
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn row(secret: &str) -> KeyRow {
        let digest = digest_of(secret);
        let name = Some(secret.to_owned());
        let (id, sha256, roles) = (id_of(&digest), hex(&digest), vec!["auditor".to_owned()]);
        KeyRow { id, sha256, roles, account: None, name, created: at(0), expires: None, revoked: None }
    }

    #[test]
    fn a_key_holds_until_it_expires_or_is_revoked() {
        let expiring = KeyRow { expires: Some(at(10)), ..row("olk_b") };
        let revoked = KeyRow { revoked: Some(at(1)), ..row("olk_c") };
        let keys = keys_of(&KeyFile { keys: vec![row("olk_a"), expiring, revoked] }).unwrap();
        let who = |secret: &str, now| caller(&keys, secret, at(now)).map(|caller| caller.actor().unwrap().to_owned());
        assert_eq!(who("olk_a", 99).as_deref(), Some("olk_a"));
        assert_eq!(who("olk_b", 9).as_deref(), Some("olk_b"));
        for (secret, now) in [("olk_b", 10), ("olk_c", 0), ("olk_d", 0), ("olk_", 0)] {
            assert_eq!(who(secret, now), None, "{secret}");
        }
    }

    #[test]
    fn the_same_id_is_not_the_same_key() {
        let mut keys = keys_of(&KeyFile { keys: vec![row("olk_a")] }).unwrap();
        keys.values_mut().for_each(|key| key.digest[31] ^= 1);
        assert!(caller(&keys, "olk_a", at(0)).is_none());
    }
}
