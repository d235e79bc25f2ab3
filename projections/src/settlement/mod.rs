//! settlement: the fold of `orders` alone into balances, orders, fills, postings and withdrawals.
//!
//! In: derived events, and outside records that intake has not judged yet (placeholders). Out: rows, and reads of them.
//! Invariant: after every record the sum over all accounts per asset is zero and no user's account is below zero.
//! Never: a decision. A record that breaks the rules of money is refused whole, nothing of it is applied.
//!
//! In memory: the users that were active last, with the open orders that were, and of fewer of them the newest blocks; placeholders
//! and system accounts. Everything else is in rows alone and read back when a record names it.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;
use orderledger_domain::account::SystemAccounts;
use orderledger_domain::entity::{Entity, EntityKind};
use orderledger_domain::event::FeeSchedule;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::Topic;
use orderledger_store::Error;
use orderledger_store::keys::{self, KeyReader};
use orderledger_store::views::{Changes, Direction, View};

use crate::worker::fold::{Failure, Fold, Outcome};
use crate::worker::partition::Arrived;
use crate::worker::read::Read;

pub mod blocks;
pub mod past;
pub mod queries;
pub mod rows;

mod control;
mod events;
mod holder;
mod pending;
mod tracked;

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests;

use control::Control;
use holder::Holder;
use pending::Pending;
use rows::{AdjustmentRow, WithdrawalRow};

/// The version of the rows' shapes and keys. Version 2 has rows more than 1: the clients' names of orders (`SINCE_NAMES`); 3 those of
/// closed sessions (`SINCE_SESSIONS`). All other rows are the same, byte for byte but for the version in their frames.
pub const SCHEMA: u8 = 3;
/// From this version on an order is found by its client's name.
const SINCE_NAMES: u8 = 2;
/// From this version on closed sessions are kept.
const SINCE_SESSIONS: u8 = 3;

/// How many users are in memory.
#[derive(Clone, Copy, Debug)]
struct Room {
    /// So many stay between two batches; others are read back when a record names them.
    users: usize,
    /// So many of them with their newest blocks.
    active: usize,
    /// With so many bytes of all of that a commit is due.
    bytes: usize,
}

/// A user in memory takes 0.5 to 1 KiB, with few open orders.
const USER_BYTES: usize = 1 << 10;
/// The newest blocks of one take up to 8 KiB, half of that on the average.
const ACTIVE_BYTES: usize = 4 << 10;

impl Default for Room {
    fn default() -> Room {
        // In tests one alone, so that they all read back.
        let (users, active) = if cfg!(test) { (1, 1) } else { (200_000, 16_384) };
        Room { users, active, bytes: usize::MAX }
    }
}

impl Room {
    /// Beside so many bytes of rows: up to twice as much, half of which may stay.
    fn beside(rows: usize) -> Room {
        let all = Room::default();
        let (users, active) = (all.users.min(rows / 2 / USER_BYTES), all.active.min(rows / 2 / ACTIVE_BYTES));
        Room { users, active, bytes: rows.saturating_mul(2) }
    }
}

/// The fold.
#[derive(Debug, Default)]
pub struct Settlement {
    holders: HashMap<UserId, Holder>,
    /// The user whom the record that is being applied named first.
    begun: Option<UserId>,
    /// Users with changed rows.
    touched: Vec<UserId>,
    room: Room,
    /// Users in memory, in the order in which they will be looked at for forgetting them.
    present: VecDeque<UserId>,
    /// Users whose newest blocks are in memory, in the order in which they will be looked at for forgetting them.
    active: VecDeque<UserId>,
    /// What their blocks took when they were read back.
    active_bytes: usize,
    pending: Pending,
    withdrawals: Vec<(UserId, WithdrawalRow)>,
    adjustments: Vec<(UserId, AdjustmentRow)>,
    system: BTreeMap<u32, Kept<SystemAccounts>>,
    control: Control,
}

/// A row in memory and whether the view has it like this.
#[derive(Debug, Default)]
struct Kept<T> {
    row: T,
    changed: bool,
}

impl Settlement {
    /// The fee rates as they stand in partition 0, where they are requested.
    pub fn fee_schedule(&self) -> FeeSchedule {
        self.control.fee_schedule()
    }

    /// Takes back what a refused record brought into memory: a user that no event named before, a closed order.
    fn forget_refused(&mut self, read: &Read) {
        if let Some(user) = self.begun.take() {
            self.holders.remove(&user);
        }
        let event = read.envelope.as_ref().ok().and_then(|envelope| envelope.event.as_ref().ok());
        if let Some((user, order_id)) = event.and_then(|event| event.user_id().zip(event.order_id()))
            && let Some(holder) = self.holders.get_mut(user)
        {
            holder.forget_read_back(order_id);
        }
    }

    /// Puts a user with changed rows on the list of those to be written.
    fn touch(&mut self, user: &UserId) {
        let Some(holder) = self.holders.get_mut(user) else { return };
        if !std::mem::replace(&mut holder.is_touched, true) {
            self.touched.push(user.clone());
        }
    }

    /// Keeps the users that were named last, and the newest blocks of those that were active last. Everything is in the view.
    fn forget_inactive(&mut self) {
        while self.present.len() > self.room.users {
            let Some(user) = self.present.pop_front() else { break };
            let Some(holder) = self.holders.get_mut(&user) else { continue };
            if std::mem::take(&mut holder.is_named) {
                self.present.push_back(user);
            } else {
                self.holders.remove(&user);
            }
        }
        while self.active.len() > self.room.active {
            let Some(user) = self.active.pop_front() else { return };
            let Some(holder) = self.holders.get_mut(&user) else { continue };
            if std::mem::take(&mut holder.is_active) {
                self.active.push_back(user);
            } else {
                holder.forget_newest();
            }
        }
        if self.room.bytes < usize::MAX {
            let held = self.active.iter().filter_map(|user| self.holders.get(user));
            self.active_bytes = held.map(Holder::newest_bytes).sum();
        }
    }
}

impl Fold for Settlement {
    const NAME: &'static str = "settlement";
    const TOPICS: &'static [Topic] = &[Topic::Orders];
    const SCHEMA: u8 = SCHEMA;
    const OLDER: &'static [u8] = &[1, 2];
    const PARKS: Option<EntityKind> = Some(EntityKind::User);
    const IS_WAITED_FOR: bool = true;

    fn load_entity(view: &View, _: u32, entity: &Entity) -> Result<Settlement, Error> {
        let mut settlement = Settlement::default();
        if let Entity::User(user) = entity {
            let reader = view.reader()?;
            settlement.pending = Pending::load(&reader, Some(user))?;
            settlement.control = Control::load(&reader)?;
        }
        Ok(settlement)
    }

    fn load(view: &View, _: u32) -> Result<Settlement, Error> {
        let reader = view.reader()?;
        let (pending, control) = (Pending::load(&reader, None)?, Control::load(&reader)?);
        let room = view.budget().map_or_else(Room::default, Room::beside);
        let mut settlement = Settlement { pending, control, room, ..Settlement::default() };
        for row in reader.scan_prefix_rows::<SystemAccounts>(&[keys::SYSTEM_ACCOUNT], Direction::Ascending) {
            let (key, row) = row?;
            let partition = KeyReader::new(keys::SYSTEM_ACCOUNT, &key)?.u32()?;
            settlement.system.insert(partition, Kept { row, changed: false });
        }
        Ok(settlement)
    }

    fn apply(&mut self, view: &View, read: &Read, arrived: Arrived) -> Result<Outcome, Failure> {
        let applied = match arrived {
            Arrived::Derived => {
                self.begun = None;
                self.derived(view, read).inspect_err(|_| self.forget_refused(read))?
            }
            Arrived::Outside => self.control.reads(read) && self.pending.ask(read),
            Arrived::Repeat { .. } => false,
        };
        Ok(if applied { Outcome::Applied } else { Outcome::Ignored })
    }

    fn is_full(&self) -> bool {
        self.present.len().saturating_mul(USER_BYTES).saturating_add(self.active_bytes) > self.room.bytes
    }

    fn write_rows(&mut self, _view: &View, changes: &mut Changes) -> Result<(), Error> {
        let mut touched = std::mem::take(&mut self.touched);
        // The rows of each kind then come in the order of their keys.
        touched.sort_unstable();
        for user in touched {
            if let Some(holder) = self.holders.get_mut(&user) {
                holder.is_touched = false;
                holder.write_rows(&user, changes)?;
            }
        }
        self.pending.write_rows(changes)?;
        for (user, row) in self.withdrawals.drain(..) {
            changes.put_row(rows::withdrawal_index_key(&user, &row.withdrawal_id), &row.requested)?;
            changes.put_row(rows::offset_key(keys::WITHDRAWAL, &user, row.requested), &row)?;
        }
        for (user, row) in self.adjustments.drain(..) {
            changes.put_row(rows::offset_key(keys::ADJUSTMENT, &user, row.position.offset), &row)?;
        }
        for (partition, kept) in self.system.iter_mut().filter(|(_, kept)| kept.changed) {
            changes.put_row(rows::system_key(*partition), &kept.row)?;
            kept.changed = false;
        }
        self.control.write_rows(changes)?;
        self.forget_inactive();
        Ok(())
    }
}

/// A user's name as it stands in a key.
fn user_of(name: &str) -> Result<UserId, Error> {
    UserId::new(name).map_err(|_| Error::corrupt(orderledger_store::At::Frame, "a key that names no user"))
}
