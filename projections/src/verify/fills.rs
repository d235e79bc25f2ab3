//! Fills by user: where each stands and a digest of what it says, for they are too many to keep whole.

use std::collections::{BTreeMap, VecDeque};

use orderledger_domain::event::OrderFilled;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::Position;
use orderledger_domain::stream::StreamKey;
use orderledger_store::Error;

use super::compare::missing;
use super::report::{Check, Report};
use super::rows::{FillRow, ViewRows};

/// All fills of the log; a user's stand in one partition, in order.
#[derive(Debug, Default)]
pub(super) struct Fills(BTreeMap<UserId, VecDeque<(Position, u64)>>);

impl Fills {
    pub(super) fn add(&mut self, fill: &FillRow) {
        let mark = (fill.position, digest(fill));
        match self.0.get_mut(&fill.user) {
            Some(fills) => fills.push_back(mark),
            None => drop(self.0.insert(fill.user.clone(), VecDeque::from([mark]))),
        }
    }

    /// Compares them with the rows of the settlement view.
    pub(super) fn compare(mut self, rows: &dyn ViewRows, report: &mut Report) -> Result<(), Error> {
        for row in rows.fills() {
            let row = row?;
            let mut none = VecDeque::new();
            let fills = self.0.get_mut(&row.user).unwrap_or(&mut none);
            while let Some((position, _)) = fills.pop_front_if(|(position, _)| *position < row.position) {
                missing(report, Check::Fills, format!("fill of {}", row.user), format!("the fill at {position}"));
            }
            let expected = fills.pop_front_if(|(position, _)| *position == row.position).map(|(_, digest)| digest);
            report.count(Check::Fills);
            if expected != Some(digest(&row)) {
                let expected = if expected.is_some() { "what that record says" } else { "no fill there" };
                report.differs(Check::Fills, row.position, expected, format!("{row:?}"));
            }
        }
        for (user, fills) in self.0 {
            for (position, _) in fills {
                missing(report, Check::Fills, format!("fill of {user}"), format!("the fill at {position}"));
            }
        }
        Ok(())
    }
}

fn digest(fill: &FillRow) -> u64 {
    StreamKey::default().digest(None, Some(format!("{fill:?}").as_bytes()))
}

impl FillRow {
    pub(super) fn of(position: Position, fill: &OrderFilled) -> FillRow {
        FillRow {
            user: fill.user_id.clone(),
            position,
            order_id: fill.order_id.clone(),
            trade_id: fill.trade_id.clone(),
            price: fill.price.units(),
            quantity: fill.quantity.shares(),
            fee: fill.fee,
            liquidity: fill.liquidity,
            leaves_quantity: fill.leaves_quantity.shares(),
        }
    }
}
