//! Everything that happens in a run, as a digest: two runs of one plan are the same if their traces are.

/// FNV-1a over all that was noted, and the words themselves where they are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    digest: u64,
    words: Option<Vec<String>>,
}

impl Default for Trace {
    fn default() -> Trace {
        Trace { digest: 0xcbf2_9ce4_8422_2325, words: None }
    }
}

impl Trace {
    /// From now on the words are kept too.
    pub(crate) fn keep(&mut self) {
        self.words.get_or_insert_default();
    }

    /// Notes what happens.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let what = what();
        self.bytes(what.as_bytes());
        if let Some(words) = &mut self.words {
            words.push(what);
        }
    }

    /// Notes bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The digest of everything noted so far.
    pub(crate) const fn digest(&self) -> u64 {
        self.digest
    }

    /// The words kept.
    pub(crate) fn words(&self) -> &[String] {
        self.words.as_deref().unwrap_or_default()
    }
}
