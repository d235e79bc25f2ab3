//! The accounts of the day and what they need so that none lacks funds.

use std::collections::BTreeMap;

use orderledger_domain::ids::{Asset, BadName, Symbol, UserId};
use orderledger_domain::money::{Amount, BasisPoints, Quantity};
use orderledger_domain::partition;
use orderledger_domain::terms::{OrderType, Side};

use super::step::{Ask, Draft};

/// What is deposited is a multiple of this: 10,000.00, and as many whole shares.
const ROUND: i128 = 100_000_000;

/// Accounts that trade the same symbols; all of one partition.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    /// Its accounts' numbers: `first` and the ones behind it.
    pub(super) first: usize,
    /// How many they are.
    pub(super) count: usize,
}

impl Desk {
    /// The number of its last account.
    pub(super) const fn last(&self) -> usize {
        self.first.saturating_add(self.count).saturating_sub(1)
    }
}

/// Names of accounts, `count` for each desk, at home in the partition of the desk's first symbol.
pub(super) fn open_desks(
    symbols: &[Symbol],
    symbols_per_desk: usize,
    count: usize,
    partitions: u32,
) -> Result<(Vec<Desk>, Vec<UserId>), BadName> {
    let (mut desks, mut users, mut number) = (Vec::new(), Vec::new(), 0_u64);
    for symbol in symbols.iter().step_by(symbols_per_desk) {
        let home = partition::of_key(symbol.as_str().as_bytes(), partitions);
        desks.push(Desk { first: users.len(), count });
        let full = users.len().saturating_add(count);
        while users.len() < full {
            number = number.saturating_add(1);
            let name = format!("trader-{number}");
            if partition::of_key(name.as_bytes(), partitions) == home {
                users.push(UserId::new(&name)?);
            }
        }
    }
    Ok((desks, users))
}

/// What every account can ever have reserved or withdrawn, as if nothing came back.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs(BTreeMap<(usize, Asset), Amount>);

impl Needs {
    /// The order's need; a market buy needs its budget.
    pub(super) fn add_order(&mut self, draft: &Draft) {
        let need = match (draft.side, draft.order_type) {
            (Side::Sell, _) => return self.add(draft.user, draft.symbol.asset(), draft.quantity.amount()),
            (Side::Buy, OrderType::Market) => draft.max_cost.unwrap_or(Amount::ZERO),
            (Side::Buy, OrderType::Limit) => {
                draft.price.map_or(Amount::ZERO, |price| with_fee(price.times(draft.quantity)))
            }
        };
        self.add(draft.user, Asset::USD, need);
    }

    /// The need of an order that was amended to these terms, all of it once more.
    pub(super) fn add_amend(&mut self, draft: &Draft, ask: &Ask) {
        if let Ask::Amend { quantity, price, .. } = *ask {
            let quantity: Quantity = quantity.unwrap_or(draft.quantity);
            self.add_order(&Draft { quantity, price: price.or(draft.price), ..*draft });
        }
    }

    /// So much of that asset.
    pub(super) fn add(&mut self, user: usize, asset: Asset, amount: Amount) {
        let need = self.0.entry((user, asset)).or_default();
        *need = need.plus(amount);
    }

    /// The deposits that cover it, rounded up to round sums.
    pub(super) fn deposits(&self) -> impl Iterator<Item = Ask> + '_ {
        self.0.iter().map(|((user, asset), need)| {
            let rounds = need.units().saturating_div(ROUND).saturating_add(1);
            Ask::Deposit { user: *user, asset: *asset, amount: Amount::from_units(rounds.saturating_mul(ROUND)) }
        })
    }
}

/// A notional and the highest fee rate that there is.
fn with_fee(notional: Amount) -> Amount {
    let fee = notional.units().saturating_mul(i128::from(BasisPoints::MAX)).saturating_div(10_000);
    notional.plus(Amount::from_units(fee.saturating_add(1)))
}
