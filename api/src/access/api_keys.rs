//! API keys: `olk_` and 256 random bits. The file has a digest of each; the key itself is shown once and kept nowhere.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use orderledger_domain::ids::UserId;
use orderledger_domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::roles::{Role, Roles};

/// What every key begins with, so that one that got out is recognized.
pub(crate) const PREFIX: &str = "olk_";
/// How many hexadecimal digits of the digest name a key.
const ID_DIGITS: usize = 12;

/// The SHA-256 of a key.
pub(crate) type KeyDigest = [u8; 32];

/// What the file says of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRow {
    pub(crate) id: String,
    pub(crate) sha256: String,
    pub(crate) roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<Timestamp>,
}

impl KeyRow {
    pub(crate) fn digest(&self) -> Result<KeyDigest, String> {
        let digits = self.sha256.as_bytes();
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            let pair =
                std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(|| self.wrong("sha256"))?;
        }
        if digits.len() == 64 { Ok(digest) } else { Err(self.wrong("sha256")) }
    }

    pub(crate) fn roles(&self) -> Result<Roles, String> {
        self.roles
            .iter()
            .map(|name| name.parse::<Role>())
            .collect::<Result<Roles, _>>()
            .map_err(|_| self.wrong("roles"))
    }

    pub(crate) fn account(&self) -> Result<Option<UserId>, String> {
        let account = self.account.as_deref().map(UserId::new).transpose();
        account.map_err(|_| self.wrong("account"))
    }

    /// What the log calls whoever has the key.
    pub(crate) fn actor(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    fn wrong(&self, field: &str) -> String {
        format!("the {field} of key {} can't be read", self.id)
    }
}

/// All keys of a file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFile {
    #[serde(default, rename = "key")]
    pub(crate) keys: Vec<KeyRow>,
}

/// A key just made, the only time it is seen.
pub(crate) struct Secret(pub(crate) String);

impl Secret {
    pub(crate) fn random() -> Result<Secret, String> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|error| format!("the system gives no random bytes: {error}"))?;
        Ok(Secret(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bits))))
    }
}

/// The digest of what a caller calls its key.
pub(crate) fn digest_of(secret: &str) -> KeyDigest {
    Sha256::digest(secret.as_bytes()).into()
}

/// What names a key in lists and commands: the beginning of its digest.
pub(crate) fn id_of(digest: &KeyDigest) -> String {
    hex(digest).chars().take(ID_DIGITS).collect()
}

pub(crate) fn hex(digest: &KeyDigest) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl KeyFile {
    /// Reads it. Nobody but its owner may write it: whoever does gives himself any right.
    pub(crate) fn read(path: &Path) -> Result<KeyFile, String> {
        let said = |what: String| format!("{}: {what}", path.display());
        let unreadable = |error: std::io::Error| said(format!("can't be read: {error}"));
        let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
        if mode & 0o022 != 0 {
            return Err(said("others than its owner may write it: chmod 600 it, and look at its keys".to_owned()));
        }
        if mode & 0o044 != 0 {
            tracing::warn!(file = %path.display(), "others than its owner may read the keys' digests: chmod 600 it");
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let file: KeyFile = toml::from_str(&text).map_err(|error| said(error.message().replace('\n', ", ")))?;
        for key in &file.keys {
            key.digest().and_then(|_| key.roles()).and_then(|_| key.account()).map_err(said)?;
        }
        Ok(file)
    }

    /// Changes it, one command at a time, and puts the new one in its place whole.
    pub(crate) fn change<T>(path: &Path, change: impl FnOnce(&mut KeyFile) -> Result<T, String>) -> Result<T, String> {
        let said = |error: std::io::Error| format!("{}: can't be written: {error}", path.display());
        let private =
            |path: &PathBuf| OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path);
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let lock = private(&beside(".lock")).map_err(said)?;
        lock.lock().map_err(said)?;
        let mut file = if path.exists() { KeyFile::read(path)? } else { KeyFile::default() };
        let changed = change(&mut file)?;
        let text = toml::to_string(&file).map_err(|error| error.to_string())?;
        let new = beside(".new");
        let mut written: File = private(&new).map_err(said)?;
        written.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(said)?;
        written.write_all(format!("{HEAD}{text}").as_bytes()).and_then(|()| written.sync_all()).map_err(said)?;
        std::fs::rename(&new, path).map_err(said)?;
        // What was revoked stays so when the power fails.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(said)?;
        Ok(changed)
    }
}

const HEAD: &str = "# API keys: written by `orderledger keys`; only digests, never a key.\n\n";

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn row(secret: &str) -> KeyRow {
        let digest = digest_of(secret);
        let (id, sha256) = (id_of(&digest), hex(&digest));
        let created = Timestamp::from_micros(0);
        let roles = vec!["trader".to_owned()];
        KeyRow { id, sha256, roles, account: Some("u1".to_owned()), name: None, created, expires: None, revoked: None }
    }

    #[test]
    fn a_key_is_256_random_bits_and_its_digest_says_nothing_of_it() {
        let (a, b) = (Secret::random().unwrap().0, Secret::random().unwrap().0);
        assert_eq!((a.len(), a.starts_with(PREFIX)), (47, true));
        assert_ne!(a, b);
        let row = row(&a);
        assert_eq!(row.digest().unwrap(), digest_of(&a));
        assert!(row.sha256.starts_with(&row.id) && !toml::to_string(&row).unwrap().contains(&a));
    }

    #[test]
    fn the_file_is_its_owners_alone_and_one_that_others_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        KeyFile::change(&path, |file| {
            file.keys.push(row("olk_a"));
            Ok(())
        })
        .unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(KeyFile::read(&path).unwrap().keys, [row("olk_a")]);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o620)).unwrap();
        assert!(KeyFile::read(&path).unwrap_err().contains("chmod 600"));
    }

    #[test]
    fn a_row_that_cannot_be_read_refuses_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        for (field, value) in [("sha256", "\"00\""), ("roles", "[\"king\"]"), ("account", "\"a b\""), ("colour", "1")] {
            let mut table = toml::Table::try_from(row("olk_a")).unwrap();
            let value: toml::Table = format!("v = {value}").parse().unwrap();
            table.insert(field.to_owned(), value.get("v").unwrap().clone());
            std::fs::write(&path, format!("[[key]]\n{table}")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(KeyFile::read(&path).unwrap_err().contains(field), "{field}");
        }
    }
}
