//! One look at the views: each is read at one moment, and only if somebody asks.

use std::cell::OnceCell;

use orderledger_domain::position::TopicPartition;
use orderledger_store::Error;

use crate::ledger::{Ledger, Moment, ViewHandle};

/// One look.
pub(super) struct Look<'a> {
    pub(super) ledger: &'a Ledger,
    settlement: OnceCell<Moment>,
    market: OnceCell<Moment>,
    audit: OnceCell<Moment>,
    notifications: OnceCell<Moment>,
}

impl<'a> Look<'a> {
    /// A look from now on.
    pub(super) fn new(ledger: &'a Ledger) -> Look<'a> {
        let (settlement, market, audit) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Look { ledger, settlement, market, audit, notifications: OnceCell::new() }
    }

    /// Balances and orders.
    pub(super) fn settlement(&self) -> Result<&Moment, Error> {
        moment(&self.settlement, &self.ledger.settlement)
    }

    /// The tape and the candles.
    pub(super) fn market(&self) -> Result<&Moment, Error> {
        moment(&self.market, &self.ledger.market)
    }

    /// The log itself.
    pub(super) fn audit(&self) -> Result<&Moment, Error> {
        moment(&self.audit, &self.ledger.audit)
    }

    /// Inboxes.
    pub(super) fn notifications(&self) -> Result<&Moment, Error> {
        moment(&self.notifications, &self.ledger.notifications)
    }
}

/// The generation that is live now answers, so a swap between two looks is nobody's business.
fn moment<'c>(cell: &'c OnceCell<Moment>, view: &ViewHandle) -> Result<&'c Moment, Error> {
    if let Some(moment) = cell.get() {
        return Ok(moment);
    }
    let moment = view.moment()?;
    Ok(cell.get_or_init(|| moment))
}

impl Moment {
    /// The offset from which the view has not read that partition.
    pub(super) fn next_offset(&self, of: TopicPartition) -> u64 {
        self.partitions.get(&of).map_or(0, |at| at.next_offset)
    }
}
