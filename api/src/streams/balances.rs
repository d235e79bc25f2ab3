//! `balances:{userId}`: every asset's row, then the rows that changed.

use std::collections::BTreeMap;

use bytes::Bytes;
use orderledger_domain::account::Balance;
use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_projections::settlement::queries::balances;
use orderledger_store::Error;

use super::channel::Channel;
use super::hub::Present;
use super::look::Look;
use super::message::Message;
use crate::rows::BalanceRow;

/// The balances of one account as its readers know them.
pub(super) struct Balances {
    user: UserId,
    home: TopicPartition,
    told: BTreeMap<Asset, Balance>,
    place: Option<Position>,
    /// Of the newest look.
    head: Option<Bytes>,
}

impl Balances {
    pub(super) const fn new(user: UserId, home: TopicPartition) -> Balances {
        Balances { user, home, told: BTreeMap::new(), place: None, head: None }
    }

    fn message(&self, asset: Asset, balance: Balance) -> Option<Message> {
        Message::new(&Channel::Balances(self.user.clone()), &BalanceRow::new(asset, balance), self.place)
    }
}

impl Present for Balances {
    fn advance(&mut self, look: &Look<'_>) -> Result<Vec<Message>, Error> {
        let settlement = look.settlement()?;
        let place = settlement.next_offset(self.home).checked_sub(1).map(|offset| self.home.offset(offset));
        // A look may be older than the one before it. What waited and is released is booked at a position that was passed before.
        let head = settlement.reader.head();
        let is_same = self.head.as_ref().is_some_and(|seen| seen.as_ptr() == head.as_ptr() && seen.len() == head.len());
        if place < self.place || is_same {
            return Ok(Vec::new());
        }
        (self.place, self.head) = (place, Some(head.clone()));
        let Some(found) = balances(&settlement.reader, &self.user)? else { return Ok(Vec::new()) };
        let mut messages = Vec::new();
        for (asset, balance) in found.account.iter() {
            if self.told.insert(asset, balance) != Some(balance) {
                messages.extend(self.message(asset, balance));
            }
        }
        Ok(messages)
    }

    fn snapshot(&self) -> Vec<Message> {
        self.told.iter().filter_map(|(asset, balance)| self.message(*asset, *balance)).collect()
    }
}
