//! The exact, unbounded memory of outside ids: which id first stood where, and what it said.
//!
//! One redb file. New claims gather in memory and are written sorted, together with the positions up to which the log was
//! read: claims and position are one write, so no claim in the file ever stands at or above the position there, and an
//! index that is behind is simply read on from its position. Only claims since the last commit take heap.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};

use crate::redb_file::{self, Kind, storage_error};
use crate::{Error, faults};

/// Partition (big-endian), kind, length of the user's id, the user's id, the id.
const CLAIMS: TableDefinition<&[u8], &StoredClaim> = TableDefinition::new("claims");
/// Partition → next offset, digest of the record before it.
const POSITIONS: TableDefinition<u32, (u64, u64)> = TableDefinition::new("positions");
const KIND: Kind = Kind { name: "orderledger id index format", format: 1, known: &[1] };
/// Offset (little-endian), digest.
type StoredClaim = [u8; 24];

const PAGE_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Small, because a commit copies a page a claim: 65,536 made the file of four million ids four times as large.
const FULL_AT_CLAIMS: usize = 8_192;
/// Pages freed by commits that aren't durable are used again only after a durable one.
const DURABLE_EVERY_COMMITS: u32 = 16;

type CommittedClaims = ReadOnlyTable<&'static [u8], &'static StoredClaim>;

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
    database: Database,
    path: PathBuf,
    /// The file as of the last commit; `None` after a commit failed.
    committed: Option<CommittedClaims>,
    positions: BTreeMap<u32, IndexPosition>,
    fresh: HashMap<Vec<u8>, Claim>,
    highest_fresh: BTreeMap<u32, u64>,
    commits_since_durable: u32,
}

impl IdIndex {
    /// Opens or creates the file. [`Error::Corrupt`] when it is damaged: remove it, and read all ids from the log again.
    pub fn open(path: &Path) -> Result<IdIndex, Error> {
        let database = redb_file::open(path, PAGE_CACHE_BYTES, KIND)?;
        IdIndex::read(database, path)
    }

    /// Opens or creates the file in memory, for a simulation.
    #[cfg(feature = "faults")]
    pub fn in_memory(disk: crate::memory_disk::MemoryDisk) -> Result<IdIndex, Error> {
        let path = Path::new("memory");
        IdIndex::read(redb_file::open_backend(path, disk, KIND)?, path)
    }

    fn read(database: Database, path: &Path) -> Result<IdIndex, Error> {
        let read = || -> Result<_, redb::Error> {
            let mut create = database.begin_write()?;
            // It is the newest durable commit until the next one: a kill until then must not cost a walk through the file, either.
            create.set_quick_repair(true);
            create.open_table(CLAIMS)?;
            create.open_table(POSITIONS)?;
            create.commit()?;
            let mut positions = BTreeMap::new();
            for row in database.begin_read()?.open_table(POSITIONS)?.iter()? {
                let (partition, position) = row?;
                let (next_offset, digest_of_last_record) = position.value();
                positions.insert(partition.value(), IndexPosition { next_offset, digest_of_last_record });
            }
            Ok((database.begin_read()?.open_table(CLAIMS)?, positions))
        };
        let read = || read().map_err(|error| storage_error(path, "can't read it", error));
        let (committed, positions) = redb_file::guarded(path, read)?;
        let (fresh, highest_fresh) = (HashMap::new(), BTreeMap::new());
        let committed = Some(committed);
        Ok(IdIndex {
            database,
            path: path.to_owned(),
            committed,
            positions,
            fresh,
            highest_fresh,
            commits_since_durable: 0,
        })
    }

    /// Where that id first stood, if anywhere; claims that aren't committed yet count.
    pub fn get(&self, partition: u32, kind: IdKind, user: &str, id: &[u8]) -> Result<Option<Claim>, Error> {
        let key = key(partition, kind, user, id);
        let committed = self.committed.as_ref();
        let committed = committed.ok_or_else(|| Error::closed(&self.path, "an earlier write failed; open it again"))?;
        let stored = redb_file::guarded(&self.path, || {
            let stored = committed.get(key.as_slice());
            let stored = stored.map_err(|error| storage_error(&self.path, "can't read it", error.into()))?;
            Ok(stored.map(|claim| read_claim(claim.value())))
        })?;
        Ok(match (stored, self.fresh.get(&key)) {
            (Some(stored), Some(fresh)) if fresh.offset < stored.offset => Some(*fresh),
            (None, fresh) => fresh.copied(),
            (stored, _) => stored,
        })
    }

    /// Remembers where an id stands, unless it stood earlier already.
    pub fn claim(&mut self, partition: u32, kind: IdKind, user: &str, id: &[u8], claim: Claim) {
        let earliest = self.fresh.entry(key(partition, kind, user, id)).or_insert(claim);
        if claim.offset < earliest.offset {
            *earliest = claim;
        }
        let highest = self.highest_fresh.entry(partition).or_default();
        *highest = claim.offset.max(*highest);
    }

    /// Whether so many claims wait that a commit is due; heap is bounded by committing then.
    pub fn is_full(&self) -> bool {
        self.fresh.len() >= FULL_AT_CLAIMS
    }

    /// Forgets the claims that wait: who made them reads the log once more, from the positions in the file or before.
    pub fn forget_uncommitted(&mut self) {
        self.fresh.clear();
        self.highest_fresh.clear();
    }

    /// Writes the waiting claims and, in the same write, the positions up to which these partitions were read. A commit
    /// that isn't durable may be lost in a crash, whole, until a later durable one; every now and then one is made durable.
    /// [`Error::Refused`] when a waiting claim stands at or above its partition's position.
    pub fn commit(&mut self, positions: &[(u32, IndexPosition)], durable: bool) -> Result<(), Error> {
        let mut next = self.positions.clone();
        next.extend(positions.iter().copied());
        for (partition, highest) in &self.highest_fresh {
            if next.get(partition).is_none_or(|position| position.next_offset <= *highest) {
                let what =
                    format!("ids of partition {partition} stand at offset {highest}, above the position to write");
                return Err(Error::refused(&self.path, what));
            }
        }
        let durable = durable || self.commits_since_durable >= DURABLE_EVERY_COMMITS;
        // An open read transaction would keep the pages that this commit frees.
        self.committed = None;
        let committed = self.write(positions, durable);
        self.committed = Some(committed.map_err(|error| storage_error(&self.path, "can't write to it", error))?);
        self.commits_since_durable = if durable { 0 } else { self.commits_since_durable + 1 };
        self.positions = next;
        self.fresh.clear();
        self.highest_fresh.clear();
        Ok(())
    }

    /// The committed position of a partition; `None`: nothing of it was read.
    pub fn position(&self, partition: u32) -> Option<IndexPosition> {
        self.positions.get(&partition).copied()
    }

    fn write(&self, positions: &[(u32, IndexPosition)], durable: bool) -> Result<CommittedClaims, redb::Error> {
        let mut sorted: Vec<(&Vec<u8>, &Claim)> = self.fresh.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
        // Otherwise the next start after a kill walks the whole file, which holds every id for ever.
        transaction.set_quick_repair(durable);
        let mut claims = transaction.open_table(CLAIMS)?;
        for (key, claim) in sorted {
            let earlier = claims.insert(key.as_slice(), &stored_claim(claim))?.map(|claim| read_claim(claim.value()));
            if let Some(earlier) = earlier.filter(|earlier| earlier.offset < claim.offset) {
                claims.insert(key.as_slice(), &stored_claim(&earlier))?;
            }
        }
        drop(claims);
        let mut rows = transaction.open_table(POSITIONS)?;
        for (partition, position) in positions {
            rows.insert(partition, (position.next_offset, position.digest_of_last_record))?;
        }
        drop(rows);
        faults::point("ids.before-commit");
        transaction.commit()?;
        faults::point("ids.after-commit");
        Ok(self.database.begin_read()?.open_table(CLAIMS)?)
    }
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

fn stored_claim(claim: &Claim) -> StoredClaim {
    let mut stored = [0; 24];
    let (offset, digest) = stored.split_at_mut(8);
    offset.copy_from_slice(&claim.offset.to_le_bytes());
    digest.copy_from_slice(&claim.digest.to_le_bytes());
    stored
}

fn read_claim(stored: &StoredClaim) -> Claim {
    let offset = stored.first_chunk().map_or(0, |offset| u64::from_le_bytes(*offset));
    let digest = stored.last_chunk().map_or(0, |digest| u128::from_le_bytes(*digest));
    Claim { offset, digest }
}

#[cfg(test)]
mod tests;
