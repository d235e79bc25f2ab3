//! The redb file of the index: all claims and, in the same write, the positions up to which the log was read.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Claim, IndexPosition};
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

/// Claims by their keys.
pub(super) type Claims = HashMap<Vec<u8>, Claim>;
/// Where each partition's ids end.
pub(super) type Positions = BTreeMap<u32, IndexPosition>;

/// The file.
pub(super) struct ClaimsFile {
    database: Database,
    path: PathBuf,
}

/// The claims as of one commit. As long as this lives, the pages of that commit are not used again.
pub(super) struct Committed(ReadOnlyTable<&'static [u8], &'static StoredClaim>);

impl ClaimsFile {
    pub(super) fn open(path: &Path) -> Result<ClaimsFile, Error> {
        Ok(ClaimsFile { database: redb_file::open(path, PAGE_CACHE_BYTES, KIND)?, path: path.to_owned() })
    }

    #[cfg(feature = "faults")]
    pub(super) fn in_memory(disk: crate::memory_disk::MemoryDisk) -> Result<ClaimsFile, Error> {
        let path = Path::new("memory");
        Ok(ClaimsFile { database: redb_file::open_backend(path, disk, KIND)?, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it.
    pub(super) fn read(&self) -> Result<(Committed, Positions), Error> {
        let read = || -> Result<_, redb::Error> {
            let mut create = self.database.begin_write()?;
            // It is the newest durable commit until the next one: a kill until then must not cost a walk through the file, either.
            create.set_quick_repair(true);
            create.open_table(CLAIMS)?;
            create.open_table(POSITIONS)?;
            create.commit()?;
            let mut positions = Positions::new();
            for row in self.database.begin_read()?.open_table(POSITIONS)?.iter()? {
                let (partition, position) = row?;
                let (next_offset, digest_of_last_record) = position.value();
                positions.insert(partition.value(), IndexPosition { next_offset, digest_of_last_record });
            }
            Ok((Committed(self.database.begin_read()?.open_table(CLAIMS)?), positions))
        };
        redb_file::guarded(&self.path, || read().map_err(|error| storage_error(&self.path, "can't read it", error)))
    }

    /// The claim of that key.
    pub(super) fn get(&self, committed: &Committed, key: &[u8]) -> Result<Option<Claim>, Error> {
        redb_file::guarded(&self.path, || {
            let stored = committed.0.get(key);
            let stored = stored.map_err(|error| storage_error(&self.path, "can't read it", error.into()))?;
            Ok(stored.map(|claim| read_claim(claim.value())))
        })
    }

    /// Writes claims, of which the earliest of an id stays, and positions; calls that before each claim, and before it commits.
    pub(super) fn write(
        &self,
        claims: &Claims,
        positions: &Positions,
        durable: bool,
        before_each: &dyn Fn(),
    ) -> Result<Committed, Error> {
        let written = self.try_write(claims, positions, durable, before_each);
        written.map_err(|error| storage_error(&self.path, "can't write to it", error))
    }

    fn try_write(
        &self,
        fresh: &Claims,
        positions: &Positions,
        durable: bool,
        before_each: &dyn Fn(),
    ) -> Result<Committed, redb::Error> {
        let mut sorted: Vec<(&Vec<u8>, &Claim)> = fresh.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
        // Otherwise the next start after a kill walks the whole file, which holds every id for ever.
        transaction.set_quick_repair(durable);
        let mut claims = transaction.open_table(CLAIMS)?;
        for (key, claim) in sorted {
            before_each();
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
        before_each();
        faults::point("ids.before-commit");
        transaction.commit()?;
        faults::point("ids.after-commit");
        Ok(Committed(self.database.begin_read()?.open_table(CLAIMS)?))
    }
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
