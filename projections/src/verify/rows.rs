//! The rows of the views, as verifying reads them: through the views' own queries, all at the log's end.

use orderledger_domain::account::LedgerAccount;
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, Price};
use orderledger_domain::order::Status;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::terms::Liquidity;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::event_log::Record;
use orderledger_store::views::{Direction, ViewReader};

use super::tape::{CandleKey, CandleRow, TapeRow};
use crate::market::interval::Interval;
use crate::settlement::queries::{self, OrdersFilter, Page, StatusFilter};
use crate::{audit, market, settlement};

/// Rows of one kind.
pub type Rows<'a, T> = Box<dyn Iterator<Item = Result<T, Error>> + 'a>;

/// A user's balance of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceRow {
    /// Whose.
    pub user: UserId,
    /// Which asset.
    pub asset: Asset,
    /// What may be spent.
    pub available: Amount,
    /// What orders hold.
    pub reserved: Amount,
}

/// A system account of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemRow {
    /// The partition of `orders`.
    pub partition: u32,
    /// Clearing, fees or the world outside.
    pub account: LedgerAccount,
    /// Which asset.
    pub asset: Asset,
    /// The balance.
    pub amount: Amount,
}

/// An order that intake has judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Whose.
    pub user: UserId,
    /// Its id.
    pub order_id: OrderId,
    /// What is kept of it.
    pub figures: OrderFigures,
}

/// What is compared of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderFigures {
    /// Where OrderCreated stands.
    pub created: Position,
    /// Its status.
    pub status: Status,
    /// Its total.
    pub quantity: u64,
    /// Filled.
    pub cum_quantity: u64,
    /// Open.
    pub leaves_quantity: u64,
    /// Its price in 1/10000.
    pub price: Option<i64>,
    /// What it holds.
    pub held: Amount,
    /// Fees so far.
    pub charged: Amount,
    /// Σ price × quantity of its fills.
    pub notional: Amount,
}

/// One leg of a trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillRow {
    /// Whose.
    pub user: UserId,
    /// Where OrderFilled stands.
    pub position: Position,
    /// Which order.
    pub order_id: OrderId,
    /// Which trade.
    pub trade_id: String,
    /// Price in 1/10000.
    pub price: i64,
    /// Shares.
    pub quantity: u64,
    /// This leg's fee.
    pub fee: Amount,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// Open after it.
    pub leaves_quantity: u64,
}

/// A posting of a user's own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostingRow {
    /// Whose.
    pub user: UserId,
    /// Available or reserved.
    pub account: LedgerAccount,
    /// Which asset.
    pub asset: Asset,
    /// What it changes.
    pub change: Amount,
    /// Available and reserved after it.
    pub after: (Amount, Amount),
}

/// A symbol's figures over all time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketRow {
    /// Trades.
    pub trade_count: u64,
    /// Shares.
    pub volume: u128,
    /// The last price in 1/10000.
    pub last: i64,
    /// When the last trade happened.
    pub last_time: Timestamp,
    /// The first price in 1/10000.
    pub first: i64,
}

/// A chain's partition, count, last offset and head.
pub type ChainRow = (TopicPartition, u64, u64, [u8; 32]);

/// Everything that the three views hold.
pub trait ViewRows {
    /// settlement: every balance.
    fn balances(&self) -> Rows<'_, BalanceRow>;
    /// settlement: every system account.
    fn system_accounts(&self) -> Rows<'_, SystemRow>;
    /// settlement: every order that intake has judged.
    fn orders(&self) -> Rows<'_, OrderRow>;
    /// settlement: every fill; a user's in the order of their positions.
    fn fills(&self) -> Rows<'_, FillRow>;
    /// settlement: every posting of users' accounts; a user's in their order.
    fn postings(&self) -> Rows<'_, PostingRow>;
    /// market: every trade; a symbol's in the order of their bookSeq, from 1.
    fn tape(&self) -> Rows<'_, (Symbol, u64, TapeRow)>;
    /// market: every candle.
    fn candles(&self) -> Rows<'_, (CandleKey, CandleRow)>;
    /// market: every symbol's figures.
    fn markets(&self) -> Rows<'_, (Symbol, MarketRow)>;
    /// audit: every chain.
    fn chains(&self) -> Rows<'_, ChainRow>;
    /// audit: every record of a partition, in order.
    fn records(&self, of: TopicPartition) -> Rows<'_, Record>;
}

/// The rows of the three views of a ledger, each at one moment.
pub struct LedgerRows {
    /// Of settlement.
    pub settlement: ViewReader,
    /// Of market.
    pub market: ViewReader,
    /// Of audit.
    pub audit: ViewReader,
}

/// Rows of one page.
const PAGE_ROWS: usize = 1000;

impl LedgerRows {
    fn users(&self) -> impl Iterator<Item = Result<(UserId, settlement::rows::AccountRow), Error>> + use<> {
        queries::accounts(&self.settlement)
    }

    fn symbols(&self) -> impl Iterator<Item = Result<(Symbol, market::rows::MarketRow), Error>> + '_ {
        let page = |after| market::queries::Page { direction: Direction::Ascending, after, limit: PAGE_ROWS };
        pages(move |after| {
            let listed = market::queries::symbols(&self.market, page(after))?;
            Ok((listed.rows, listed.next))
        })
    }

    /// A listing of every user, user by user.
    fn by_user<'a, T: 'a, C: Copy + 'a>(
        &'a self,
        page: impl Fn(&UserId, Option<C>) -> Result<(Vec<T>, Option<C>), Error> + Copy + 'a,
    ) -> Rows<'a, (UserId, T)> {
        Box::new(self.users().flat_map(move |row| -> Rows<'a, (UserId, T)> {
            let user = match row {
                Ok((user, _)) => user,
                Err(error) => return Box::new(std::iter::once(Err(error))),
            };
            let of = user.clone();
            Box::new(pages(move |after| page(&of, after)).map(move |row| row.map(|row| (user.clone(), row))))
        }))
    }
}

/// All rows of a listing, page by page.
fn pages<T, C: Copy>(
    read: impl Fn(Option<C>) -> Result<(Vec<T>, Option<C>), Error>,
) -> impl Iterator<Item = Result<T, Error>> {
    let (mut rows, mut after, mut is_done) = (Vec::new().into_iter(), None, false);
    std::iter::from_fn(move || {
        loop {
            if let Some(row) = rows.next() {
                return Some(Ok(row));
            }
            if is_done {
                return None;
            }
            match read(after) {
                Ok((page, next)) => (rows, after, is_done) = (page.into_iter(), next, next.is_none()),
                Err(error) => {
                    is_done = true;
                    return Some(Err(error));
                }
            }
        }
    })
}

const fn from_the_first<C>(after: Option<C>) -> Page<C> {
    Page { after, limit: PAGE_ROWS, direction: Direction::Ascending }
}

impl ViewRows for LedgerRows {
    fn balances(&self) -> Rows<'_, BalanceRow> {
        Box::new(self.users().flat_map(|row| {
            let (rows, error) = match row {
                Ok((user, row)) => {
                    let balances = row.account.iter().map(|(asset, balance)| {
                        let (available, reserved) = (balance.available, balance.reserved);
                        Ok(BalanceRow { user: user.clone(), asset, available, reserved })
                    });
                    (balances.collect(), None)
                }
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            rows.into_iter().chain(error)
        }))
    }

    fn system_accounts(&self) -> Rows<'_, SystemRow> {
        let rows = queries::system_accounts(&self.settlement).map(|partitions| {
            let rows = partitions.into_iter().flat_map(|(partition, system)| {
                let row = |(account, asset, amount)| SystemRow { partition, account, asset, amount };
                system.iter().map(row).collect::<Vec<_>>()
            });
            rows.collect::<Vec<_>>()
        });
        flat(rows)
    }

    fn orders(&self) -> Rows<'_, OrderRow> {
        let page = |user: &UserId, after| {
            let filter = OrdersFilter { status: StatusFilter::Any, ..OrdersFilter::default() };
            let listing = queries::orders(&self.settlement, user, &filter, &from_the_first(after))?;
            Ok((listing.rows, listing.next))
        };
        let judged = self.by_user(page).filter(|row| {
            row.as_ref()
                .map_or(true, |(_, row): &(_, settlement::rows::OrderRow)| row.order.status != Status::PendingNew)
        });
        Box::new(judged.map(|row| {
            let (user, row) = row?;
            let order = row.order;
            let figures = OrderFigures {
                created: Topic::Orders.at(row.partition).offset(order.created_offset),
                status: order.status,
                quantity: order.quantity.shares(),
                cum_quantity: order.cum_quantity.shares(),
                leaves_quantity: order.leaves_quantity.shares(),
                price: order.price.map(Price::units),
                held: order.held,
                charged: order.charged,
                notional: order.maker_notional.plus(order.taker_notional),
            };
            Ok(OrderRow { user, order_id: order.order_id, figures })
        }))
    }

    fn fills(&self) -> Rows<'_, FillRow> {
        let page = |user: &UserId, after| {
            let listing = queries::fills(&self.settlement, user, None, &from_the_first(after))?;
            Ok((listing.rows, listing.next))
        };
        Box::new(self.by_user(page).map(|row| {
            let (user, queries::FillRow { fill, position }) = row?;
            Ok(FillRow {
                user,
                position,
                order_id: fill.order_id,
                trade_id: fill.trade_id,
                price: fill.price.units(),
                quantity: fill.quantity.shares(),
                fee: fill.fee,
                liquidity: fill.liquidity,
                leaves_quantity: fill.leaves_quantity.shares(),
            })
        }))
    }

    fn postings(&self) -> Rows<'_, PostingRow> {
        let page = |user: &UserId, after| {
            let listing = queries::postings(&self.settlement, user, None, &from_the_first(after))?;
            Ok((listing.rows, listing.next))
        };
        Box::new(self.by_user(page).map(|row| {
            let (user, row) = row?;
            let queries::PostingRow { account, asset, change, balance, .. } = row;
            Ok(PostingRow { user, account, asset, change, after: (balance.available, balance.reserved) })
        }))
    }

    fn tape(&self) -> Rows<'_, (Symbol, u64, TapeRow)> {
        Box::new(self.symbols().flat_map(move |row| -> Rows<'_, (Symbol, u64, TapeRow)> {
            let symbol = match row {
                Ok((symbol, _)) => symbol,
                Err(error) => return Box::new(std::iter::once(Err(error))),
            };
            let trades = pages(move |after| {
                let page = market::queries::Page { direction: Direction::Ascending, after, limit: PAGE_ROWS };
                let listed = market::queries::trades(&self.market, symbol, market::queries::Within::default(), page)?;
                Ok((listed.rows, listed.next))
            });
            Box::new(trades.map(move |row| {
                let (book_seq, market::queries::TapeTrade { trade, position }) = row?;
                let (price, quantity) = (trade.price.units(), trade.quantity.shares());
                let row = TapeRow { position, price, quantity, taker_side: trade.taker_side, time: trade.time };
                Ok((symbol, book_seq, row))
            }))
        }))
    }

    fn candles(&self) -> Rows<'_, (CandleKey, CandleRow)> {
        let each =
            self.symbols().flat_map(|row| Interval::ALL.map(|interval| row.clone().map(|(of, _)| (of, interval))));
        Box::new(each.flat_map(move |row| -> Rows<'_, (CandleKey, CandleRow)> {
            let (symbol, interval) = match row {
                Ok(each) => each,
                Err(error) => return Box::new(std::iter::once(Err(error))),
            };
            let candles = pages(move |after| {
                let page = market::queries::Page { direction: Direction::Ascending, after, limit: PAGE_ROWS };
                let within = market::queries::Within::default();
                let listed = market::queries::candles(&self.market, symbol, interval, within, page)?;
                Ok((listed.rows, listed.next))
            });
            Box::new(candles.map(move |row| {
                let (opened, candle) = row?;
                let row = CandleRow {
                    open: candle.open.units(),
                    high: candle.high.units(),
                    low: candle.low.units(),
                    close: candle.close.units(),
                    volume: candle.volume,
                    trade_count: candle.trade_count,
                    notional: candle.notional.units(),
                };
                Ok(((symbol, interval.micros(), opened), row))
            }))
        }))
    }

    fn markets(&self) -> Rows<'_, (Symbol, MarketRow)> {
        Box::new(self.symbols().map(|row| {
            let (symbol, row) = row?;
            let (last, first) = (row.last.units(), row.first.units());
            let (trade_count, volume, last_time) = (row.trade_count, row.volume, row.last_time);
            Ok((symbol, MarketRow { trade_count, volume, last, last_time, first }))
        }))
    }

    fn chains(&self) -> Rows<'_, ChainRow> {
        let heads = audit::queries::chain_heads(&self.audit);
        let row = |head: audit::queries::ChainHead| (head.of, head.count, head.last_offset, head.sha256);
        flat(heads.map(|heads| heads.into_iter().map(row).collect()))
    }

    fn records(&self, of: TopicPartition) -> Rows<'_, Record> {
        let records = match audit::queries::records(&self.audit, of, 0) {
            Ok(records) => records,
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        Box::new(records.map(|row| {
            let audit::StoredRecord { position, recorded_at, key, value, headers, .. } = row?;
            Ok(Record { offset: position.offset, recorded_at_ms: recorded_at.millis(), key, value, headers })
        }))
    }
}

/// Rows that are read at once.
fn flat<'a, T: 'a>(rows: Result<Vec<T>, Error>) -> Rows<'a, T> {
    match rows {
        Ok(rows) => Box::new(rows.into_iter().map(Ok)),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}
