//! The rows as a count says them that knows nothing of folds.

use std::collections::BTreeSet;

use orderledger_domain::ids::{Symbol, UserId};
use orderledger_domain::money::{Amount, Price};
use orderledger_domain::terms::{Liquidity, Side};
use orderledger_domain::timestamp::Day;

use super::{Given, What};
use crate::analytics::rows::{AccountDay, MarketDay, Prices};

/// The obvious way: everything of that day and symbol once more, sum by sum.
pub(super) fn naive_market(given: &[Given], day: Day, symbol: Option<Symbol>) -> MarketDay {
    let of: Vec<&Given> = given
        .iter()
        .filter(|one| !one.is_canarys() && one.day() == day && one.what != What::Deposit)
        .filter(|one| symbol.is_none_or(|symbol| symbol == one.symbol()))
        .collect();
    let count = |what: &dyn Fn(What) -> bool| u64::try_from(of.iter().filter(|one| what(one.what)).count()).unwrap();
    let shares = |what: &dyn Fn(What) -> bool| {
        of.iter().filter(|one| what(one.what)).map(|one| u128::from(one.shares)).sum::<u128>()
    };
    let is_trade = |what: What| matches!(what, What::Trade(_));
    let is_fill = |what: What| matches!(what, What::Fill(..));
    let trades: Vec<&Given> = of.iter().copied().filter(|one| is_trade(one.what)).collect();
    let turnover = trades.iter().map(|one| i128::from(one.price) * i128::from(one.shares)).sum();
    let mut row = MarketDay {
        accounts: u64::try_from(
            of.iter().filter(|one| !is_trade(one.what)).map(|one| one.user).collect::<BTreeSet<_>>().len(),
        )
        .unwrap(),
        trades: count(&is_trade),
        volume: shares(&is_trade),
        turnover: Amount::from_units(turnover),
        executed: shares(&is_fill),
        fees: Amount::from_units(i128::try_from(shares(&is_fill)).unwrap()),
        prices: symbol.and_then(|_| naive_prices(&trades)),
        ..MarketDay::default()
    };
    row.asked.accepted = count(&|what| what == What::Order);
    row.asked.rejected = count(&|what| what == What::Rejected);
    row.asked.cancels = count(&|what| what == What::Cancel);
    row.asked.quantity = shares(&|what| what == What::Order);
    row
}

fn naive_prices(trades: &[&Given]) -> Option<Prices> {
    let price = |one: &&Given| Price::from_units(i128::from(one.price)).unwrap();
    let side = |one: &&Given| if one.what == What::Trade(Side::Buy) { Side::Buy } else { Side::Sell };
    let last_of = |of: Side| trades.iter().rev().find(|one| side(one) == of).map(price);
    let mut samples = Vec::new();
    for pair in trades.windows(2) {
        if side(&pair[0]) != side(&pair[1]) {
            let apart = pair[0].price - pair[1].price;
            samples.push(i128::from(if side(&pair[0]) == Side::Buy { apart } else { -apart }));
        }
    }
    Some(Prices {
        open: price(trades.first()?),
        high: trades.iter().map(price).max()?,
        low: trades.iter().map(price).min()?,
        close: price(trades.last()?),
        last_side: side(trades.last()?),
        last_bought: last_of(Side::Buy),
        last_sold: last_of(Side::Sell),
        spreads: Amount::from_units(samples.iter().sum()),
        spread_samples: u64::try_from(samples.len()).unwrap(),
    })
}

pub(super) fn naive_account(given: &[Given], day: Day, user: &UserId, symbol: Option<Symbol>) -> AccountDay {
    let mut row = AccountDay::default();
    for (offset, one) in (1_u64..).zip(given) {
        let is_own = !matches!(one.what, What::Trade(_)) && one.user() == *user && one.day() == day;
        let is_of_symbol = symbol.is_none_or(|symbol| one.what != What::Deposit && one.symbol() == symbol);
        if !is_own || one.is_canarys() || !is_of_symbol {
            continue;
        }
        let (shares, cash) = (u128::from(one.shares), i128::from(one.price) * i128::from(one.shares));
        match one.what {
            What::Deposit => row.movements += 1,
            What::Order => {
                row.asked.accepted += 1;
                row.asked.quantity += shares;
            }
            What::Rejected => row.asked.rejected += 1,
            What::Cancel => row.asked.cancels += 1,
            What::Fill(side, liquidity) => {
                row.fills += 1;
                row.maker_fills += u64::from(liquidity == Liquidity::Maker);
                row.fees = Amount::from_units(row.fees.units() + i128::from(one.shares));
                match side {
                    Side::Buy => {
                        row.bought += shares;
                        row.bought_for = Amount::from_units(row.bought_for.units() + cash);
                    }
                    Side::Sell => {
                        row.sold += shares;
                        row.sold_for = Amount::from_units(row.sold_for.units() + cash);
                    }
                }
            }
            What::Trade(_) => {}
        }
        if symbol.is_none() {
            let first = if matches!(one.what, What::Order | What::Rejected) { offset - 1 } else { offset };
            row.places = Some(row.places.map_or((first, offset), |(from, _)| (from.min(first), offset)));
        }
    }
    row
}
