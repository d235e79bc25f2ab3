//! The trading floor: where prices wander and orders of every kind are thought up.

use orderledger_domain::ids::{Asset, Symbol};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::terms::{OrderType, Side, TimeInForce};

use super::accounts::Desk;
use super::dice::Dice;
use super::step::{Ask, Draft};

/// Units of a price tick: one cent.
const TICK_UNITS: i64 = 100;
/// So many of a thousand orders are of each kind; the rest are market buys.
const PASSIVE: u64 = 580;
const POST_ONLY: u64 = 60;
const CROSSING: u64 = 150;
const IOC: u64 = 70;
const FOK: u64 = 40;
const MARKET_SELL: u64 = 45;

/// One symbol and where its price is.
#[derive(Clone, Debug)]
struct Pit {
    symbol: Symbol,
    desk: Desk,
    /// The price that everyone has in mind, in ticks.
    mid: i64,
    lowest: i64,
    highest: i64,
}

/// All symbols.
#[derive(Clone, Debug)]
pub(super) struct Floor {
    pits: Vec<Pit>,
    pub(super) dice: Dice,
}

/// What is wrong with an order that is meant to be rejected.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flaw {
    /// It costs, or sells, far more than anyone has.
    Unfunded(Side),
    /// Its notional is above the bound.
    TooLarge,
    /// A market order that is good till canceled.
    Contradiction,
}

impl Floor {
    /// Symbols that open at these prices (in ticks), each with the desk that trades it.
    pub(super) fn new(symbols: impl IntoIterator<Item = (Symbol, i64, Desk)>, dice: Dice) -> Floor {
        let pit = |(symbol, open, desk): (Symbol, i64, Desk)| Pit {
            symbol,
            desk,
            mid: open,
            lowest: open.saturating_div(2).max(20),
            highest: open.saturating_mul(2),
        };
        Floor { pits: symbols.into_iter().map(pit).collect(), dice }
    }

    /// The next order.
    pub(super) fn order(&mut self) -> Option<Draft> {
        let (mut draft, mid) = self.plain()?;
        let mut kind = self.dice.below(1000);
        let mut is = |share: u64| {
            let hit = kind < share;
            kind = kind.saturating_sub(share);
            hit
        };
        if is(PASSIVE) {
            draft.time_in_force = self.stay();
            draft.price = self.passive(draft.side, mid);
        } else if is(POST_ONLY) {
            let careless = self.dice.per_mille(120);
            draft.price = if careless { self.crossing(draft.side, mid) } else { self.passive(draft.side, mid) };
            (draft.post_only, draft.time_in_force) = (true, self.stay());
        } else if is(CROSSING) {
            draft.price = self.crossing(draft.side, mid);
            draft.time_in_force = self.stay();
        } else if is(IOC) {
            (draft.time_in_force, draft.price) = (TimeInForce::Ioc, self.crossing(draft.side, mid));
        } else if is(FOK) {
            (draft.time_in_force, draft.price) = (TimeInForce::Fok, self.crossing(draft.side, mid));
        } else {
            let side = if is(MARKET_SELL) { Side::Sell } else { Side::Buy };
            let time_in_force = if self.dice.per_mille(150) { TimeInForce::Fok } else { TimeInForce::Ioc };
            (draft.side, draft.order_type, draft.time_in_force) = (side, OrderType::Market, time_in_force);
            if side == Side::Buy {
                draft.max_cost = self.budget(draft.quantity, mid);
            }
        }
        Some(draft)
    }

    /// A buy by each desk's last account, which does nothing else, of as much as all its cash may cost.
    pub(super) fn all_in(&self) -> impl Iterator<Item = Draft> + '_ {
        let mut seen = std::collections::BTreeSet::new();
        self.pits.iter().filter(move |pit| seen.insert(pit.desk.first)).filter_map(|pit| {
            Some(Draft {
                user: pit.desk.last(),
                symbol: pit.symbol,
                side: Side::Buy,
                order_type: OrderType::Market,
                time_in_force: TimeInForce::Ioc,
                post_only: false,
                quantity: Quantity::new(10_000).ok()?,
                price: None,
                max_cost: None,
            })
        })
    }

    /// An order that will be rejected.
    pub(super) fn flawed(&mut self, flaw: Flaw) -> Option<Draft> {
        let (mut draft, mid) = self.plain()?;
        draft.price = price(mid);
        match flaw {
            Flaw::Unfunded(side) => (draft.side, draft.quantity) = (side, Quantity::new(500_000_000).ok()?),
            Flaw::TooLarge => draft.quantity = Quantity::MAX,
            Flaw::Contradiction => (draft.order_type, draft.price) = (OrderType::Market, None),
        }
        Some(draft)
    }

    /// New terms for an order: less, more, or another price.
    pub(super) fn amend(&mut self, order: usize, draft: &Draft) -> Ask {
        let shares = draft.quantity.shares();
        let quantity = |shares| Quantity::new(shares).ok();
        let (quantity, price) = match self.dice.below(3) {
            0 => (quantity(self.dice.below(shares).max(1)), None),
            1 => (quantity(shares.saturating_add(self.dice.below(200)).saturating_add(1)), None),
            _ => {
                let ticks = draft.price.map_or(0, Price::units) / TICK_UNITS;
                let moved = ticks.saturating_add(self.dice.between(-6, 6)).max(1);
                (None, price(moved))
            }
        };
        Ask::Amend { order, quantity, price }
    }

    /// A little cash or a few shares on the way out, and whose.
    pub(super) fn withdrawal(&mut self) -> Option<(usize, Asset, Amount)> {
        let (draft, _) = self.plain()?;
        let cash = self.dice.per_mille(700);
        let asset = if cash { Asset::USD } else { draft.symbol.asset() };
        Some((draft.user, asset, draft.quantity.amount()))
    }

    /// Any of the accounts that trade.
    pub(super) fn anyone(&mut self) -> Option<usize> {
        self.plain().map(|(draft, _)| draft.user)
    }

    /// A good-till-canceled limit order without a price yet, and the symbol's price.
    fn plain(&mut self) -> Option<(Draft, i64)> {
        let dice = &mut self.dice;
        let index = dice.below(u64::try_from(self.pits.len()).ok()?);
        let pit = self.pits.get_mut(usize::try_from(index).ok()?)?;
        if dice.per_mille(350) {
            pit.mid = pit.mid.saturating_add(dice.between(-2, 2)).clamp(pit.lowest, pit.highest);
        }
        let traders = pit.desk.count.saturating_sub(1).max(1);
        let trader = usize::try_from(dice.below(u64::try_from(traders).ok()?)).ok()?;
        let round_lot = dice.per_mille(700);
        let shares = if round_lot { 100 * dice.below(5).saturating_add(1) } else { dice.below(99).saturating_add(1) };
        let draft = Draft {
            user: pit.desk.first.saturating_add(trader),
            symbol: pit.symbol,
            side: if dice.per_mille(500) { Side::Buy } else { Side::Sell },
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            quantity: Quantity::new(shares).ok()?,
            price: None,
            max_cost: None,
        };
        Some((draft, pit.mid))
    }

    fn stay(&mut self) -> TimeInForce {
        if self.dice.per_mille(450) { TimeInForce::Day } else { TimeInForce::Gtc }
    }

    fn passive(&mut self, side: Side, mid: i64) -> Option<Price> {
        let away = self.dice.between(1, 15).min(self.dice.between(1, 15));
        price(if side == Side::Buy { mid.saturating_sub(away) } else { mid.saturating_add(away) })
    }

    fn crossing(&mut self, side: Side, mid: i64) -> Option<Price> {
        let through = self.dice.between(0, 6);
        price(if side == Side::Buy { mid.saturating_add(through) } else { mid.saturating_sub(through) })
    }

    /// Mostly a little more than it should cost, sometimes half of that.
    fn budget(&mut self, quantity: Quantity, mid: i64) -> Option<Amount> {
        let percent = if self.dice.per_mille(150) { 50 } else { 102 };
        let units = price(mid)?.times(quantity).units().saturating_mul(percent).saturating_div(100);
        Amount::movable(units).ok()
    }
}

fn price(ticks: i64) -> Option<Price> {
    Price::from_units(i128::from(ticks.saturating_mul(TICK_UNITS))).ok()
}
