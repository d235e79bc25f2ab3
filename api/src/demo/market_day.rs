//! The day itself: deposits and fees before it, everything that is asked during it, the close.

use bytes::Bytes;
use orderledger_domain::envelope;
use orderledger_domain::event::{Event, FeeSchedule};
use orderledger_domain::ids::{BadName, Symbol, UserId};
use orderledger_domain::money::{Amount, BasisPoints};
use orderledger_domain::partition;
use orderledger_domain::position::Topic;
use orderledger_domain::terms::{OrderType, Side};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::NewRecord;
use uuid::Uuid;

use super::accounts::{Desk, Needs, open_desks};
use super::dice::Dice;
use super::floor::{Flaw, Floor};
use super::step::{Ask, Draft, Names};

/// What is traded, and where it opens in cents.
pub(crate) const SYMBOLS: [(&str, i64); 6] =
    [("AAPL", 15_025), ("MSFT", 41_450), ("NVDA", 13_610), ("AMZN", 22_040), ("TSLA", 40_320), ("KO", 6_215)];
const SYMBOLS_PER_DESK: usize = 2;
/// 2025-01-15, 14:30 UTC: the bell in New York, in microseconds since 1970.
const OPEN: i64 = 1_736_951_400_000_000;
/// Six and a half hours.
const SESSION_MICROS: i64 = 23_400_000_000;
/// Cancels and amends are of one of so many newest orders.
const NEWEST: usize = 60;
/// The key of control events.
const CONTROL: &str = "_control";
/// Who writes the records.
const SOURCE: &str = "demo";

/// How large the day is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many orders are placed.
    pub orders: usize,
    /// How many accounts there are.
    pub users: usize,
    /// What everything follows from.
    pub seed: u64,
}

/// A market day, not yet sent.
#[derive(Clone, Debug)]
pub struct MarketDay {
    partitions: u32,
    namespace: Uuid,
    users: Vec<UserId>,
    drafts: Vec<Draft>,
    opening: Vec<Ask>,
    session: Vec<Ask>,
}

impl MarketDay {
    /// The day that follows from the plan, on a log of so many partitions.
    pub fn new(plan: Plan, partitions: u32) -> Result<MarketDay, BadName> {
        let symbols = SYMBOLS.iter().map(|(name, _)| Symbol::new(name)).collect::<Result<Vec<_>, BadName>>()?;
        let per_desk = plan.users.checked_div(symbols.len().div_ceil(SYMBOLS_PER_DESK)).unwrap_or(0).max(2);
        let (desks, users) = open_desks(&symbols, SYMBOLS_PER_DESK, per_desk, partitions)?;
        let desk = |index: usize| desks.get(index / SYMBOLS_PER_DESK).cloned().unwrap_or(Desk { first: 0, count: 0 });
        let pits = symbols.iter().zip(SYMBOLS).enumerate();
        let pits = pits.map(|(index, (symbol, (_, open)))| (*symbol, open, desk(index)));
        let floor = Floor::new(pits, Dice::new(plan.seed));
        let mut writing = Writing::new(floor, plan.orders);
        writing.write();
        let mut opening: Vec<Ask> = writing.needs.deposits().collect();
        let rate = |rate| BasisPoints::new(rate).unwrap_or_default();
        opening.push(Ask::Fees(FeeSchedule { maker_bps: rate(1), taker_bps: rate(3) }));
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("market day {}", plan.seed).as_bytes());
        let Writing { drafts, session, .. } = writing;
        Ok(MarketDay { partitions, namespace, users, drafts, opening, session })
    }

    /// How many accounts there are.
    pub fn users(&self) -> &[UserId] {
        &self.users
    }

    /// How many orders are placed.
    pub fn orders(&self) -> usize {
        self.drafts.len()
    }

    /// How many orders are placed by the first so many records of the session.
    pub fn orders_within(&self, records: usize) -> u64 {
        let placed = self.session.iter().take(records);
        let placed = placed.filter(|ask| matches!(ask, Ask::Place { .. } | Ask::PlaceAsVersion1 { .. }));
        u64::try_from(placed.count()).unwrap_or(u64::MAX)
    }

    /// How many records the session has.
    pub fn session_records(&self) -> usize {
        self.session.len()
    }

    /// Deposits and the fee schedule.
    pub fn opening(&self) -> impl Iterator<Item = NewRecord> + '_ {
        self.records(&self.opening, OPEN.saturating_sub(SESSION_MICROS), 0)
    }

    /// Everything from the bell on.
    pub fn session(&self) -> impl Iterator<Item = NewRecord> + '_ {
        self.records(&self.session, OPEN, self.opening.len())
    }

    /// What [`MarketDay::opening`] asks for, and who; nobody where an operator asks.
    pub fn needed(&self) -> impl Iterator<Item = (Option<UserId>, Event)> + '_ {
        self.events(&self.opening)
    }

    /// What [`MarketDay::session`] asks for, but what is no event.
    pub fn asked(&self) -> impl Iterator<Item = (Option<UserId>, Event)> + '_ {
        self.events(&self.session)
    }

    fn events<'a>(&'a self, asks: &'a [Ask]) -> impl Iterator<Item = (Option<UserId>, Event)> + 'a {
        let names = Names { users: &self.users, orders: &self.drafts };
        asks.iter().filter_map(move |ask| Some((names.user(ask).cloned(), names.event(ask)?)))
    }

    /// The close: day orders expire.
    pub fn closing(&self) -> impl Iterator<Item = NewRecord> + '_ {
        let asked = self.opening.len().saturating_add(self.session.len());
        self.records(&[Ask::Close], OPEN.saturating_add(SESSION_MICROS), asked)
    }

    /// Records spread evenly over the length of a session.
    fn records<'a>(&'a self, asks: &'a [Ask], from: i64, asked: usize) -> impl Iterator<Item = NewRecord> + 'a {
        let count = i64::try_from(asks.len()).unwrap_or(i64::MAX);
        (0_i64..).zip(asks).zip(asked..).map(move |((index, ask), number)| {
            let late = SESSION_MICROS.saturating_mul(index).checked_div(count).unwrap_or(0);
            self.record(ask, number, Timestamp::from_micros(from.saturating_add(late)))
        })
    }

    fn record(&self, ask: &Ask, number: usize, time: Timestamp) -> NewRecord {
        let names = Names { users: &self.users, orders: &self.drafts };
        let key = names.user(ask).map_or(CONTROL, UserId::as_str);
        let partition = if key == CONTROL { 0 } else { partition::of_key(key.as_bytes(), self.partitions) };
        let id = match *ask {
            Ask::Place { order }
            | Ask::PlaceAsVersion1 { order }
            | Ask::Repeat { order }
            | Ask::ReuseEventId { order } => format!("order {order}"),
            _ => format!("request {number}"),
        };
        let id = Uuid::new_v5(&self.namespace, id.as_bytes());
        let value = match (ask, names.event(ask)) {
            (Ask::PlaceAsVersion1 { .. }, Some(Event::OrderCreated(created))) => {
                let (order, user, symbol) = (&created.order_id, &created.user_id, created.symbol);
                let price = created.price.map(|price| price.to_string()).unwrap_or_default();
                format!(
                    "{{\"eventId\":\"{id}\",\"eventType\":\"OrderCreated\",\"timestamp\":\"{time}\",\
                     \"payload\":{{\"orderId\":\"{order}\",\"userId\":\"{user}\",\"symbol\":\"{symbol}\",\
                     \"quantity\":{},\"price\":{price}}},\"metadata\":{{\"version\":\"1.0\",\"source\":\"order-service\"}}}}",
                    created.quantity
                )
                .into_bytes()
            }
            (_, Some(event)) => envelope::write_outside(id, time, &event, SOURCE),
            (_, None) => b"{\"eventId\": half a record".to_vec(),
        };
        NewRecord {
            to: Topic::Orders.at(partition),
            key: Some(Bytes::copy_from_slice(key.as_bytes())),
            value: Some(value.into()),
            headers: Vec::new(),
        }
    }
}

/// The day while it is written.
struct Writing {
    floor: Floor,
    orders: usize,
    drafts: Vec<Draft>,
    session: Vec<Ask>,
    needs: Needs,
    /// Orders that may rest: not yet amended, and amended.
    fresh: Vec<usize>,
    amended: Vec<usize>,
}

impl Writing {
    fn new(floor: Floor, orders: usize) -> Writing {
        let (drafts, session, fresh, amended) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Writing { floor, orders, drafts, session, needs: Needs::default(), fresh, amended }
    }

    fn write(&mut self) {
        let noon = self.orders / 2;
        while self.drafts.len() < self.orders {
            let Some(draft) = self.floor.order() else { return };
            self.place(draft, true);
            let order = self.drafts.len().saturating_sub(1);
            if draft.time_in_force.rests() && !draft.post_only {
                self.fresh.push(order);
            }
            if self.floor.dice.per_mille(260) {
                self.cancel();
            }
            if self.floor.dice.per_mille(130) {
                self.amend();
            }
            if self.floor.dice.per_mille(4) {
                self.withdraw();
            }
            if self.floor.dice.per_mille(4) {
                self.session.push(Ask::Repeat { order });
            }
            if order == noon {
                self.everything_that_goes_wrong();
            } else if self.floor.dice.per_mille(6) {
                let side = if self.floor.dice.per_mille(500) { Side::Buy } else { Side::Sell };
                self.flawed(Flaw::Unfunded(side));
            }
        }
    }

    /// Places an order; one that is not funded is meant to be rejected.
    fn place(&mut self, draft: Draft, funded: bool) {
        if self.drafts.len() >= self.orders {
            return;
        }
        if funded {
            self.needs.add_order(&draft);
        }
        let order = self.drafts.len();
        let as_version_1 = draft.side == Side::Buy
            && draft.order_type == OrderType::Limit
            && draft.time_in_force == orderledger_domain::terms::TimeInForce::Gtc
            && !draft.post_only
            && self.floor.dice.per_mille(50);
        self.drafts.push(draft);
        self.session.push(if as_version_1 { Ask::PlaceAsVersion1 { order } } else { Ask::Place { order } });
    }

    fn flawed(&mut self, flaw: Flaw) {
        if let Some(draft) = self.floor.flawed(flaw) {
            self.place(draft, false);
        }
    }

    fn cancel(&mut self) {
        let first = if self.floor.dice.per_mille(800) { &mut self.fresh } else { &mut self.amended };
        if let Some(order) = take_any(first, &mut self.floor.dice) {
            self.session.push(Ask::Cancel { order });
        }
    }

    fn amend(&mut self) {
        let Some(order) = take_any(&mut self.fresh, &mut self.floor.dice) else { return };
        let Some(draft) = self.drafts.get(order) else { return };
        let ask = self.floor.amend(order, draft);
        self.needs.add_amend(draft, &ask);
        self.session.push(ask);
        self.amended.push(order);
    }

    fn withdraw(&mut self) {
        if let Some((user, asset, amount)) = self.floor.withdrawal() {
            self.needs.add(user, asset, amount);
            self.session.push(Ask::Withdraw { user, asset, amount });
        }
    }

    /// Each thing that a ledger must refuse, once; and the buyers that go all in.
    fn everything_that_goes_wrong(&mut self) {
        for flaw in [Flaw::Unfunded(Side::Buy), Flaw::Unfunded(Side::Sell), Flaw::TooLarge, Flaw::Contradiction] {
            self.flawed(flaw);
        }
        for draft in self.floor.all_in().collect::<Vec<_>>() {
            self.place(draft, true);
        }
        let order = self.drafts.len() / 2;
        let Some(user) = self.floor.anyone() else { return };
        self.session.extend([
            Ask::Repeat { order },
            Ask::ReuseEventId { order },
            Ask::ReuseOrderId { order },
            Ask::CancelUnknown { user },
            Ask::Withdraw { user, asset: orderledger_domain::ids::Asset::USD, amount: Amount::MAX_MOVED },
            Ask::Garbage { user },
        ]);
    }
}

/// Takes one of the newest: an old one is most likely closed.
fn take_any(from: &mut Vec<usize>, dice: &mut Dice) -> Option<usize> {
    let back = dice.below(u64::try_from(from.len().min(NEWEST)).ok()?);
    let index = from.len().checked_sub(1)?.checked_sub(usize::try_from(back).ok()?)?;
    Some(from.swap_remove(index))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn records(seed: u64) -> Vec<NewRecord> {
        let day = MarketDay::new(Plan { orders: 2000, users: 30, seed }, 12).unwrap();
        assert_eq!((day.orders(), day.users().len()), (2000, 30));
        assert_eq!(day.orders_within(day.session_records()), 2000);
        day.opening().chain(day.session()).chain(day.closing()).collect()
    }

    #[test]
    fn a_day_follows_from_its_seed() {
        assert_eq!(records(1), records(1));
        assert_ne!(records(1), records(2));
    }

    #[test]
    fn a_day_has_every_kind_of_request() {
        let text: Vec<String> =
            records(1).into_iter().map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()).collect();
        for part in [
            "\"version\":\"1.0\"",
            "\"orderType\":\"market\",\"timeInForce\":\"fok\"",
            "\"timeInForce\":\"gtc\"",
            "\"timeInForce\":\"day\"",
            "\"timeInForce\":\"ioc\"",
            "\"postOnly\":true",
            "\"maxCost\"",
            "OrderCancelRequested",
            "OrderAmendRequested",
            "WithdrawalRequested",
            "FeeScheduleRequested",
            "SessionCloseRequested",
            "half a record",
        ] {
            assert!(text.iter().any(|record| record.contains(part)), "{part}");
        }
        let all_in = |record: &&String| record.contains("\"quantity\":10000}");
        assert_eq!(text.iter().filter(all_in).count(), 3);
        let distinct: BTreeSet<&String> = text.iter().collect();
        assert!(distinct.len() > 2000);
    }

    #[test]
    fn all_accounts_of_a_symbol_live_in_one_partition() {
        let mut homes: std::collections::BTreeMap<String, BTreeSet<u32>> = std::collections::BTreeMap::new();
        for record in records(3) {
            if let Ok(Event::OrderCreated(order)) = envelope::read(record.value.as_deref()).and_then(|read| read.event)
            {
                homes.entry(order.symbol.to_string()).or_default().insert(record.to.partition);
            }
        }
        assert_eq!(homes.len(), SYMBOLS.len());
        assert!(homes.values().all(|homes| homes.len() == 1));
        assert_ne!(homes["AAPL"], homes["NVDA"]);
    }
}
