//! What became of a day: counted from the log, summed from the views.

use std::collections::BTreeMap;

use orderledger_domain::account::LedgerAccount;
use orderledger_domain::envelope;
use orderledger_domain::event::{Event, EventType, Origin};
use orderledger_domain::ids::{Asset, Symbol, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::position::Topic;
use orderledger_projections::market::queries as market;
use orderledger_projections::settlement::queries as settlement;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use orderledger_store::views::ViewReader;
use sha2::{Digest, Sha256};

use crate::ledger::Ledger;

/// How many records one look into the log reads.
const CHUNK: usize = 4096;

/// How many records of each kind a log holds.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// All records of all topics.
    pub records: u64,
    /// Of `orders`, by type and, where it has one, reason.
    pub by_kind: BTreeMap<(EventType, &'static str), u64>,
    /// Records of `orders` that can't be read.
    pub unreadable: u64,
    /// Matches, one line of the tape each.
    pub trades: u64,
}

impl Counts {
    /// Counts a log.
    pub fn of(log: &dyn EventLog) -> Result<Counts, Error> {
        let mut counts = Counts::default();
        for topic in Topic::ALL {
            for partition in (0..log.partitions()).map(|partition| topic.at(partition)) {
                let (mut from, end) = (log.first_offset(partition)?, log.end_offset(partition)?);
                counts.records = counts.records.saturating_add(end.saturating_sub(from));
                if topic == Topic::Trades {
                    counts.trades = counts.trades.saturating_add(end.saturating_sub(from));
                }
                while topic == Topic::Orders && from < end {
                    let records = log.read(partition, from, CHUNK)?;
                    from = records.last().map_or(end, |record| record.offset.saturating_add(1));
                    records.iter().for_each(|record| counts.take(record.value.as_deref()));
                }
            }
        }
        Ok(counts)
    }

    /// How many of a type, whatever the reason.
    pub fn of_type(&self, event_type: EventType) -> u64 {
        self.by_kind.iter().filter(|((of, _), _)| *of == event_type).map(|(_, count)| count).sum()
    }

    /// The derived kinds, for a table.
    pub fn derived(&self) -> impl Iterator<Item = (EventType, &'static str, u64)> + '_ {
        let derived = self.by_kind.iter().filter(|((of, _), _)| of.origin() == Origin::Derived);
        derived.map(|((of, reason), count)| (*of, *reason, *count))
    }

    fn take(&mut self, value: Option<&[u8]>) {
        let event = envelope::read(value).and_then(|envelope| envelope.event);
        match event {
            Ok(event) => {
                let count = self.by_kind.entry((event.event_type(), reason(&event))).or_default();
                *count = count.saturating_add(1);
            }
            Err(_) => self.unreadable = self.unreadable.saturating_add(1),
        }
    }
}

const fn reason(event: &Event) -> &'static str {
    match event {
        Event::OrderRejected(event) => event.reason.as_str(),
        Event::OrderExpired(event) => event.reason.as_str(),
        Event::CancelRejected(event) => event.reason.as_str(),
        Event::AmendRejected(event) => event.reason.as_str(),
        Event::WithdrawalRejected(event) => event.reason.as_str(),
        Event::AdjustmentRejected(event) => event.rejection.as_str(),
        Event::RecordRefused(event) => event.reason.as_str(),
        _ => "",
    }
}

/// One asset over all accounts: the sum is zero, and so is clearing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// All users together.
    pub users: Amount,
    /// What the platform earned.
    pub fees: Amount,
    /// Between the two legs of trades.
    pub clearing: Amount,
    /// The world outside.
    pub outside: Amount,
}

impl Proof {
    /// All of it together.
    pub fn sum(&self) -> Amount {
        self.users.plus(self.fees).plus(self.clearing).plus(self.outside)
    }

    /// Whether nothing was made or lost.
    pub fn holds(&self) -> bool {
        self.sum().is_zero() && self.clearing.is_zero()
    }
}

/// The proof of every asset.
pub fn proofs(view: &ViewReader) -> Result<BTreeMap<Asset, Proof>, Error> {
    let mut proofs: BTreeMap<Asset, Proof> = BTreeMap::new();
    for row in settlement::accounts(view) {
        for (asset, balance) in row?.1.account.iter() {
            let proof = proofs.entry(asset).or_default();
            proof.users = proof.users.plus(balance.total());
        }
    }
    for system in settlement::system_accounts(view)?.values() {
        for (account, asset, amount) in system.iter() {
            let proof = proofs.entry(asset).or_default();
            let part = match account {
                LedgerAccount::Fees => &mut proof.fees,
                LedgerAccount::Clearing => &mut proof.clearing,
                LedgerAccount::Outside | LedgerAccount::Adjustments => &mut proof.outside,
                LedgerAccount::Available | LedgerAccount::Reserved => &mut proof.users,
            };
            *part = part.plus(amount);
        }
    }
    Ok(proofs)
}

/// SHA-256 over every user's balances, in hex: the same balances give the same digest.
pub fn balances_digest(view: &ViewReader) -> Result<String, Error> {
    let mut accounts = settlement::accounts(view).collect::<Result<Vec<(UserId, _)>, Error>>()?;
    accounts.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut digest = Sha256::new();
    for (user, row) in accounts {
        for (asset, balance) in row.account.iter() {
            digest.update(format!("{user} {asset} {} {}\n", balance.available, balance.reserved));
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// One symbol's day.
#[derive(Clone, Debug)]
pub struct SymbolDay {
    /// The symbol.
    pub symbol: Symbol,
    /// Its figures; none without a trade.
    pub day: Option<market::Day>,
    /// The best bid and ask at the end.
    pub bid_ask: [Option<String>; 2],
    /// Levels that rest on both sides.
    pub levels: usize,
}

/// Every symbol's day, from the market view and the published books.
pub fn symbol_days(ledger: &Ledger) -> Result<Vec<SymbolDay>, Error> {
    let view = ledger.market.moment()?.reader;
    let day = |symbol| {
        let book = ledger.board.get(symbol);
        let best = |levels: Option<&orderledger_projections::worker::board::LevelView>| {
            levels.map(|level| level.price.to_string())
        };
        Ok(SymbolDay {
            symbol,
            day: market::day(&view, symbol)?,
            bid_ask: book.as_ref().map_or([None, None], |book| [best(book.bids.first()), best(book.asks.first())]),
            levels: book.as_ref().map_or(0, |book| book.bids.len().saturating_add(book.asks.len())),
        })
    };
    ledger.board.symbols().into_iter().map(day).collect()
}
