//! Who places the orders of a feed that names no owners.

use orderledger_domain::ids::{Asset, BadName, Symbol, UserId};
use orderledger_domain::money::{Amount, BasisPoints};
use orderledger_domain::partition;
use orderledger_domain::terms::Side;

use super::step::Order;

/// The synthetic accounts of one import: buyers and sellers apart, so that maker and taker are never the same, and all
/// of one partition, so that the log keeps the file's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    buyers: Vec<UserId>,
    sellers: Vec<UserId>,
}

impl Accounts {
    /// `per_side` buyers and as many sellers, named `{prefix}-b{number}` and `{prefix}-s{number}`, all in the symbol's
    /// own partition. The prefix tells imports apart: the same one gives the same accounts.
    pub fn new(prefix: &str, symbol: Symbol, per_side: usize, partitions: u32) -> Result<Accounts, BadName> {
        let home = partition::of_key(symbol.as_str().as_bytes(), partitions);
        let names = |side: &str| -> Result<Vec<UserId>, BadName> {
            let candidates = (1_u64..).map(|number| format!("{prefix}-{side}{number}"));
            let at_home = candidates.filter(|name| partition::of_key(name.as_bytes(), partitions) == home);
            at_home.take(per_side.max(1)).map(|name| UserId::new(&name)).collect()
        };
        Ok(Accounts { buyers: names("b")?, sellers: names("s")? })
    }

    /// The account of a side's owner number.
    pub fn user(&self, side: Side, owner: usize) -> Option<&UserId> {
        self.of(side).get(owner)
    }

    /// All accounts of a side.
    pub fn of(&self, side: Side) -> &[UserId] {
        match side {
            Side::Buy => &self.buyers,
            Side::Sell => &self.sellers,
        }
    }
}

/// What the accounts need before the first order, so that none is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funding {
    symbol: Symbol,
    cash: Vec<Amount>,
    shares: Vec<Amount>,
}

/// What one account needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Whose side: buyers need cash, sellers shares.
    pub side: Side,
    /// Which of its accounts.
    pub owner: usize,
    /// What it needs.
    pub asset: Asset,
    /// How much of it.
    pub amount: Amount,
}

impl Funding {
    /// Nothing yet, for so many accounts of each side.
    pub fn new(symbol: Symbol, per_side: usize) -> Funding {
        let none = vec![Amount::ZERO; per_side.max(1)];
        Funding { symbol, cash: none.clone(), shares: none }
    }

    /// The order needs all that it can ever reserve, as if nothing were released before.
    pub fn add(&mut self, order: &Order) {
        let (needs, more) = match order.side {
            Side::Buy => (&mut self.cash, order.price.times(order.quantity)),
            Side::Sell => (&mut self.shares, order.quantity.amount()),
        };
        if let Some(need) = needs.get_mut(order.owner) {
            *need = need.plus(more);
        }
    }

    /// What every account needs that needs anything. Cash covers the highest fee rate that there is.
    pub fn needs(&self) -> Vec<Need> {
        let with_fee = |cash: &Amount| {
            let fee = cash.units().saturating_mul(i128::from(BasisPoints::MAX)).saturating_add(9_999) / 10_000;
            cash.plus(Amount::from_units(fee))
        };
        let need = |side, asset| move |(owner, amount)| Need { side, owner, asset, amount };
        let cash = self.cash.iter().map(with_fee).enumerate().map(need(Side::Buy, Asset::USD));
        let shares = self.shares.iter().copied().enumerate().map(need(Side::Sell, self.symbol.asset()));
        cash.chain(shares).filter(|need| !need.amount.is_zero()).collect()
    }
}

impl Need {
    /// The deposits that cover it: more than one where it is more than one may be.
    pub fn deposits(&self) -> impl Iterator<Item = Amount> {
        let mut left = self.amount;
        std::iter::from_fn(move || {
            let next = left.min(Amount::MAX_MOVED);
            left = left.minus(next);
            (!next.is_zero()).then_some(next)
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::ids::OrderId;
    use orderledger_domain::money::{Price, Quantity};
    use orderledger_domain::terms::TimeInForce;

    use super::*;

    #[test]
    fn all_accounts_live_in_the_partition_of_the_symbol() {
        let symbol = Symbol::new("AAPL").unwrap();
        let accounts = Accounts::new("lobster-AAPL", symbol, 500, 12).unwrap();
        let home = partition::of_key(b"AAPL", 12);
        for side in [Side::Buy, Side::Sell] {
            let users = accounts.of(side);
            assert_eq!(users.iter().collect::<std::collections::BTreeSet<_>>().len(), 500);
            assert!(users.iter().all(|user| partition::of_key(user.as_str().as_bytes(), 12) == home));
        }
        assert_eq!(accounts, Accounts::new("lobster-AAPL", symbol, 500, 12).unwrap());
        assert!(Accounts::new("no name", symbol, 1, 12).is_err());
    }

    #[test]
    fn buyers_need_cash_and_its_highest_fee_and_sellers_need_shares() {
        let mut funding = Funding::new(Symbol::new("AAPL").unwrap(), 2);
        for (side, owner, price, quantity) in [
            (Side::Buy, 0, 10_001, 3),
            (Side::Buy, 0, 5, 1),
            (Side::Sell, 1, 7, 40),
            (Side::Buy, 1, 10_000_000_000, 100_000_000_000),
        ] {
            let (price, quantity) = (Price::from_units(price).unwrap(), Quantity::new(quantity).unwrap());
            let id = OrderId::new("1").unwrap();
            funding.add(&Order { id, side, owner, price, quantity, time_in_force: TimeInForce::Gtc });
        }
        let line = |need: &Need| {
            let deposits: Vec<String> = need.deposits().map(|amount| amount.to_string()).collect();
            format!("{} {} {} {}", need.side, need.owner, need.asset, deposits.join(" + "))
        };
        let lines: Vec<String> = funding.needs().iter().map(line).collect();
        let most = ["100000000000000"; 1100].join(" + ");
        assert_eq!(lines, ["buy 0 USD 3.3009".to_owned(), format!("buy 1 USD {most}"), "sell 1 AAPL 40".to_owned()]);
    }
}
