//! Records of every version as they were written, and what each says today: the golden corpus.
//!
//! One file a version, one record a line: its value byte for byte, a tab, and its payload in the present version. What
//! stands before the tab never changes.

use crate::envelope::{self, Envelope};

use super::Version;

/// The files by the version that their records have.
const FILES: &[(Version, &str)] = &[
    (Version::V1_0, include_str!("../../golden/1.0.tsv")),
    (Version::V2_0, include_str!("../../golden/2.0.tsv")),
    (Version::V2_1, include_str!("../../golden/2.1.tsv")),
];

/// A record of the corpus.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// The version it is of.
    pub version: Version,
    /// Its value.
    pub record: &'static str,
    /// Its payload in the present version.
    pub reads: &'static str,
}

/// Every record.
pub fn lines() -> impl Iterator<Item = Line> {
    FILES.iter().flat_map(|(version, file)| {
        file.lines().map(|line| {
            let (record, reads) = line.split_once('\t').unwrap_or((line, ""));
            Line { version: *version, record, reads }
        })
    })
}

impl Line {
    /// Reads the record twice, and compares.
    ///
    /// # Errors
    /// What it doesn't say today, in words.
    pub fn check(&self) -> Result<Envelope, String> {
        let wrong = |what: &str| format!("{what}: {:.200}", self.record);
        let read = || envelope::read(Some(self.record.as_bytes()));
        let once = read().map_err(|refusal| wrong(&refusal.to_string()))?;
        if read().as_ref() != Ok(&once) {
            return Err(wrong("reads differently the second time"));
        }
        if once.version != self.version {
            return Err(wrong(&format!("is of version {}, not {}", once.version, self.version)));
        }
        let event = once.event.as_ref().map_err(|refusal| wrong(&refusal.to_string()))?;
        let payload = envelope::payload_bytes(event);
        if payload != self.reads.as_bytes() {
            return Err(wrong(&format!("reads as {}", String::from_utf8_lossy(&payload))));
        }
        Ok(once)
    }
}
