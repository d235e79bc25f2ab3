//! The exact, unbounded memory of outside ids: which id first stood where, and what it said.
//!
//! One redb file. New claims gather in memory and are written sorted, together with the positions up to which the log was
//! read: claims and position are one write, so no claim in the file ever stands at or above the position there, and an
//! index that is behind is simply read on from its position. A thread of its own writes, for the random places of thousands of
//! ids take longer than an order may wait; what it writes is looked up in memory meanwhile. Only claims since the last two commits take heap.

mod file;
mod kept;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::urgent::be_ordinary;
use crate::{Error, breathe, lag_no_more, while_lagging};

use file::{Claims, ClaimsFile, Committed, Positions};

pub use kept::Kept;

/// Small, because a commit copies a page a claim: 65,536 made the file of four million ids four times as large.
const FULL_AT_CLAIMS: usize = 8_192;
/// So many wait at most for the commit that is under way.
const MOST_CLAIMS: usize = 4 * FULL_AT_CLAIMS;
/// Pages freed by commits that aren't durable are used again only after a durable one.
const DURABLE_EVERY_COMMITS: u32 = 16;

/// Which of a user's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKind {
    /// (userId, eventId).
    Event,
    /// (userId, orderId).
    Order,
}

/// Where an id first stood, and a digest of what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The offset of the record, in the partition of the claim.
    pub offset: u64,
    /// The digest of its type and payload.
    pub digest: u128,
}

/// Up to where a partition's ids are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexPosition {
    /// The offset of the first record that isn't in yet.
    pub next_offset: u64,
    /// The digest of the last record that is.
    pub digest_of_last_record: u64,
}

/// The index; one thread owns it.
pub struct IdIndex {
    file: Arc<ClaimsFile>,
    /// Whether the caller's own thread writes: a simulation has no other.
    writes_itself: bool,
    /// The file as of the last commit; `None` after a commit failed.
    committed: Option<Committed>,
    positions: Positions,
    fresh: Claims,
    highest_fresh: BTreeMap<u32, u64>,
    under_way: Option<UnderWay>,
    /// Why a commit beside failed.
    failure: Option<Error>,
    commits_since_durable: u32,
}

/// A commit that is being written.
struct UnderWay {
    claims: Arc<Claims>,
    positions: Positions,
    kept: Kept,
    thread: JoinHandle<Result<Committed, Error>>,
}

impl IdIndex {
    /// Opens or creates the file. [`Error::Corrupt`] when it is damaged: remove it, and read all ids from the log again.
    pub fn open(path: &Path) -> Result<IdIndex, Error> {
        IdIndex::read(ClaimsFile::open(path)?, false)
    }

    /// Opens or creates the file in memory, for a simulation.
    #[cfg(feature = "faults")]
    pub fn in_memory(disk: crate::memory_disk::MemoryDisk) -> Result<IdIndex, Error> {
        IdIndex::read(ClaimsFile::in_memory(disk)?, true)
    }

    fn read(file: ClaimsFile, writes_itself: bool) -> Result<IdIndex, Error> {
        let (committed, positions) = file.read()?;
        Ok(IdIndex {
            file: Arc::new(file),
            writes_itself,
            committed: Some(committed),
            positions,
            fresh: Claims::new(),
            highest_fresh: BTreeMap::new(),
            under_way: None,
            failure: None,
            commits_since_durable: 0,
        })
    }

    /// Where that id first stood, if anywhere; claims that aren't committed yet count.
    pub fn get(&self, partition: u32, kind: IdKind, user: &str, id: &[u8]) -> Result<Option<Claim>, Error> {
        let key = key(partition, kind, user, id);
        let committed = self.committed.as_ref().ok_or_else(|| self.failed())?;
        let written = self.under_way.as_ref().and_then(|commit| commit.claims.get(&key));
        let claims = [self.file.get(committed, &key)?, written.copied(), self.fresh.get(&key).copied()];
        Ok(claims.into_iter().flatten().min_by_key(|claim| claim.offset))
    }

    /// Remembers where an id stands, unless it stood earlier already.
    pub fn claim(&mut self, partition: u32, kind: IdKind, user: &str, id: &[u8], claim: Claim) {
        if self.under_way.as_ref().is_some_and(|commit| commit.thread.is_finished()) {
            self.take_in();
        }
        let earliest = self.fresh.entry(key(partition, kind, user, id)).or_insert(claim);
        if claim.offset < earliest.offset {
            *earliest = claim;
        }
        let highest = self.highest_fresh.entry(partition).or_default();
        *highest = claim.offset.max(*highest);
    }

    /// Whether so many claims wait that a commit is due; heap is bounded by committing then. As long as one is under way more may wait than else.
    pub fn is_full(&self) -> bool {
        let is_busy = self.under_way.as_ref().is_some_and(|commit| !commit.kept.has_ended());
        self.fresh.len() >= if is_busy { MOST_CLAIMS } else { FULL_AT_CLAIMS }
    }

    /// Forgets the claims that wait: who made them reads the log once more, from the positions in the file or before.
    pub fn forget_uncommitted(&mut self) {
        self.take_in();
        self.fresh.clear();
        self.highest_fresh.clear();
    }

    /// Writes the waiting claims and, in the same write, the positions up to which these partitions were read, once the commit before is written. A commit
    /// that isn't durable may be lost in a crash, whole, until a later durable one; every now and then one is made durable.
    /// [`Error::Refused`] when a waiting claim stands at or above its partition's position. If a write fails, [`Kept::wait`] says so, and so does every later call.
    pub fn commit(&mut self, positions: &[(u32, IndexPosition)], durable: bool) -> Result<Kept, Error> {
        self.take_in();
        if self.committed.is_none() {
            return Err(self.failed());
        }
        let mut next = self.positions.clone();
        next.extend(positions.iter().copied());
        for (partition, highest) in &self.highest_fresh {
            if next.get(partition).is_none_or(|position| position.next_offset <= *highest) {
                let what =
                    format!("ids of partition {partition} stand at offset {highest}, above the position to write");
                return Err(Error::refused(self.file.path(), what));
            }
        }
        let durable = durable || self.commits_since_durable >= DURABLE_EVERY_COMMITS;
        self.commits_since_durable = if durable { 0 } else { self.commits_since_durable + 1 };
        self.highest_fresh.clear();
        let claims = std::mem::take(&mut self.fresh);
        if self.writes_itself {
            // An open read transaction would keep the pages that this commit frees.
            self.committed = None;
            self.committed = Some(self.file.write(&claims, &next, durable, &|| ())?);
            self.positions = next;
            return Ok(Kept::already());
        }
        self.write_beside(Arc::new(claims), next, durable)
    }

    /// The committed position of a partition; `None`: nothing of it was read. Waits for the commit that is under way.
    pub fn position(&self, partition: u32) -> Option<IndexPosition> {
        let written = self.under_way.as_ref().filter(|commit| commit.kept.wait().is_ok());
        written.map_or(&self.positions, |commit| &commit.positions).get(&partition).copied()
    }

    fn write_beside(&mut self, claims: Arc<Claims>, positions: Positions, durable: bool) -> Result<Kept, Error> {
        let kept = Kept::under_way();
        let write = {
            let (file, claims, positions, kept) =
                (Arc::clone(&self.file), Arc::clone(&claims), positions.clone(), kept.clone());
            move || {
                be_ordinary();
                // Orders go on meanwhile: thousands of ids at random places are tens of milliseconds of a core.
                let write =
                    || while_lagging(|| file.write(&claims, &positions, durable, &|| breathe_until_awaited(&kept)));
                let write = AssertUnwindSafe(write);
                let panicked = |_| Err(Error::closed(file.path(), "writing to it panicked; restart the process"));
                let written = catch_unwind(write).unwrap_or_else(panicked);
                kept.ended(written.as_ref().map(drop).map_err(Error::clone));
                written
            }
        };
        match thread::Builder::new().name("ids-commit".to_owned()).spawn(write) {
            Ok(thread) => self.under_way = Some(UnderWay { claims, positions, kept: kept.clone(), thread }),
            Err(error) => {
                self.committed = None;
                return Err(
                    Error::unavailable(self.file.path(), "can't start a thread that writes to it").with_source(error)
                );
            }
        }
        Ok(kept)
    }

    /// Waits for the commit that is under way.
    fn take_in(&mut self) {
        let Some(UnderWay { positions, thread, kept, .. }) = self.under_way.take() else { return };
        kept.await_soon();
        self.committed = None;
        match thread.join() {
            Ok(Ok(committed)) => {
                self.committed = Some(committed);
                self.positions = positions;
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the index of ids can't be written");
                self.failure = Some(error);
            }
            Err(_) => tracing::error!("writing the index of ids panicked"),
        }
    }

    fn failed(&self) -> Error {
        let what = "an earlier write failed: make room if the disk is full, and restart the process";
        let error = Error::closed(self.file.path(), what);
        match &self.failure {
            Some(cause) => error.with_source(cause.clone()),
            None => error,
        }
    }
}

impl Drop for IdIndex {
    fn drop(&mut self) {
        self.take_in();
    }
}

fn breathe_until_awaited(kept: &Kept) {
    if kept.is_awaited() {
        lag_no_more();
    }
    breathe();
}

fn key(partition: u32, kind: IdKind, user: &str, id: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + 1 + 4 + user.len() + id.len());
    key.extend_from_slice(&partition.to_be_bytes());
    key.push(match kind {
        IdKind::Event => 0,
        IdKind::Order => 1,
    });
    // Ids are bounded far below 4 GiB by the envelope.
    key.extend_from_slice(&u32::try_from(user.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend_from_slice(user.as_bytes());
    key.extend_from_slice(id);
    key
}

#[cfg(test)]
mod tests;
