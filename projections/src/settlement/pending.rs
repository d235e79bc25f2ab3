//! Placeholders: orders and withdrawals that intake has not judged yet. Its answer, whatever it is, takes them away.

use std::collections::BTreeMap;

use bytes::Bytes;
use orderledger_domain::envelope::Envelope;
use orderledger_domain::event::Event;
use orderledger_domain::ids::{UserId, WithdrawalId};
use orderledger_domain::position::{Position, Topic};
use orderledger_store::Error;
use orderledger_store::keys::{self, KeyReader};
use orderledger_store::views::{Changes, Direction, ViewReader};

use super::rows::{OrderRow, WithdrawalRow, WithdrawalStatus, offset_key, user_key};
use crate::worker::read::Read;

/// A placeholder's row.
#[derive(Debug)]
enum Row {
    Order(Box<OrderRow>),
    Withdrawal(Box<WithdrawalRow>),
}

#[derive(Debug)]
struct Placeholder {
    user: UserId,
    /// None once it is in the view.
    unwritten: Option<Row>,
    prefix: u8,
}

/// All placeholders by partition and offset; as many as records that intake has not answered, at most.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: BTreeMap<(u32, u64), Placeholder>,
    unwritten: Vec<(u32, u64)>,
    deleted: Vec<Bytes>,
}

impl Pending {
    /// Those of one user, or all.
    pub(super) fn load(reader: &ViewReader, of: Option<&UserId>) -> Result<Pending, Error> {
        let mut pending = Pending::default();
        let prefix = |prefix| of.map_or_else(|| Bytes::copy_from_slice(&[prefix]), |user| user_key(prefix, user));
        for row in reader.scan_prefix_rows::<OrderRow>(&prefix(keys::PENDING_ORDER), Direction::Ascending) {
            let (key, row) = row?;
            pending.add_written(keys::PENDING_ORDER, &key, row.partition)?;
        }
        for row in reader.scan_prefix_rows::<WithdrawalRow>(&prefix(keys::PENDING_WITHDRAWAL), Direction::Ascending) {
            let (key, row) = row?;
            pending.add_written(keys::PENDING_WITHDRAWAL, &key, row.partition)?;
        }
        Ok(pending)
    }

    fn add_written(&mut self, prefix: u8, key: &Bytes, partition: u32) -> Result<(), Error> {
        let mut fields = KeyReader::new(prefix, key)?;
        let user = super::user_of(&fields.name()?)?;
        self.waiting.insert((partition, fields.u64()?), Placeholder { user, unwritten: None, prefix });
        fields.end()
    }

    /// Takes up an outside record, if it makes a placeholder.
    pub(super) fn ask(&mut self, read: &Read) -> bool {
        let Ok(envelope) = &read.envelope else { return false };
        let Some((user, prefix, row)) = placeholder(envelope, read.position) else { return false };
        if read.key.as_deref() != Some(user.as_str().as_bytes()) {
            return false;
        }
        let at = (read.position.partition, read.position.offset);
        self.waiting.insert(at, Placeholder { user, unwritten: Some(row), prefix });
        self.unwritten.push(at);
        true
    }

    /// Intake has answered the record there; whether it had a placeholder.
    pub(super) fn answered(&mut self, cause: Position) -> bool {
        if cause.topic != Topic::Orders {
            return false;
        }
        let Some(placeholder) = self.waiting.remove(&(cause.partition, cause.offset)) else { return false };
        if placeholder.unwritten.is_none() {
            self.deleted.push(offset_key(placeholder.prefix, &placeholder.user, cause.offset));
        }
        true
    }

    pub(super) fn write_rows(&mut self, changes: &mut Changes) -> Result<(), Error> {
        for at in self.unwritten.drain(..) {
            let Some(placeholder) = self.waiting.get_mut(&at) else { continue };
            let key = offset_key(placeholder.prefix, &placeholder.user, at.1);
            match placeholder.unwritten.take() {
                Some(Row::Order(row)) => changes.put_row(key, &*row)?,
                Some(Row::Withdrawal(row)) => changes.put_row(key, &*row)?,
                None => {}
            }
        }
        for key in self.deleted.drain(..) {
            changes.delete(key);
        }
        Ok(())
    }
}

fn placeholder(envelope: &Envelope, position: Position) -> Option<(UserId, u8, Row)> {
    let at = envelope.timestamp;
    match envelope.event.as_ref().ok()? {
        Event::OrderCreated(created) => {
            let row = OrderRow::placeholder(&created.terms(), position, at);
            Some((created.user_id.clone(), keys::PENDING_ORDER, Row::Order(Box::new(row))))
        }
        Event::WithdrawalRequested(wanted) => {
            let own_id = || WithdrawalId::new(&envelope.event_id.to_string()).ok();
            let row = WithdrawalRow {
                withdrawal_id: wanted.withdrawal_id.clone().or_else(own_id)?,
                request_id: envelope.event_id,
                asset: wanted.asset,
                amount: wanted.amount,
                status: WithdrawalStatus::Pending,
                partition: position.partition,
                requested: position.offset,
                changed: position.offset,
                created_at: at,
                updated_at: at,
            };
            Some((wanted.user_id.clone(), keys::PENDING_WITHDRAWAL, Row::Withdrawal(Box::new(row))))
        }
        _ => None,
    }
}
