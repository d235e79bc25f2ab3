//! The rows of a ledger's views, read through the views' own queries, page by page.

use orderledger_domain::ids::{Symbol, UserId};
use orderledger_domain::money::Price;
use orderledger_domain::order::Status;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::Error;
use orderledger_store::event_log::Record;
use orderledger_store::views::{Direction, ViewReader};

use super::rows::{
    BalanceRow, ChainRow, DayFigures, DayRow, FillRow, MarketRow, NotificationRow, OrderFigures, OrderRow, ParkedRow,
    PostingRow, Rows, SystemRow, ViewRows,
};
use super::tape::{CandleKey, CandleRow, TapeRow};
use crate::market::interval::Interval;
use crate::settlement::queries::{self, OrdersFilter, Page, StatusFilter};
use crate::{analytics, audit, market, notifications, parking, settlement};

/// The rows of the views of a ledger, each at one moment.
pub struct LedgerRows {
    /// Of settlement.
    pub settlement: ViewReader,
    /// Of market.
    pub market: ViewReader,
    /// Of audit.
    pub audit: ViewReader,
    /// Of notifications.
    pub notifications: ViewReader,
    /// Of analytics.
    pub analytics: ViewReader,
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
    fn parked(&self) -> Rows<'_, ParkedRow> {
        let of = |reader| parking::queries::parked_entities(reader, None, usize::MAX, Direction::Ascending);
        let row = |parked: parking::queries::Parked| {
            let (head, waiting) = (parked.row.head, parked.row.waiting);
            ParkedRow { name: parked.entity.name().to_owned(), head, waiting }
        };
        let rows = of(&self.settlement).and_then(|settlement| Ok((settlement, of(&self.market)?)));
        flat(rows.map(|(settlement, market)| settlement.into_iter().chain(market).map(row).collect()))
    }

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

    fn tape(&self) -> Rows<'_, (Symbol, TapeRow)> {
        Box::new(self.symbols().flat_map(move |row| -> Rows<'_, (Symbol, TapeRow)> {
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
                let (taker_side, time) = (trade.taker_side, trade.time);
                Ok((symbol, TapeRow { book_seq, position, price, quantity, taker_side, time }))
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

    fn notifications(&self) -> Rows<'_, NotificationRow> {
        Box::new(notifications::queries::all(&self.notifications).map(|row| {
            let (user, offset, event_type) = row?;
            Ok(NotificationRow { user, offset, event_type })
        }))
    }

    fn days(&self) -> Rows<'_, DayRow> {
        let of_market = analytics::queries::every_market_day(&self.analytics).map(|row| {
            let ((day, symbol), row) = row?;
            let figures = DayFigures {
                messages: row.asked.messages(),
                rejected: row.asked.rejected,
                ordered: row.asked.quantity,
                filled: row.executed,
                trades: row.trades,
                turnover: row.turnover.units(),
                fees: row.fees.units(),
                accounts: row.accounts,
            };
            Ok(DayRow { day, user: None, symbol, figures })
        });
        let of_accounts = analytics::queries::every_account_day(&self.analytics).filter_map(|row| {
            let ((day, user, symbol), row) = match row {
                Ok(row) => row,
                Err(error) => return Some(Err(error)),
            };
            let figures = DayFigures {
                messages: row.asked.messages(),
                rejected: row.asked.rejected,
                ordered: row.asked.quantity,
                filled: row.volume(),
                trades: row.fills,
                turnover: row.turnover().units(),
                fees: row.fees.units(),
                accounts: 0,
            };
            // What only had its cash moved is in no figure.
            row.is_active().then_some(Ok(DayRow { day, user: Some(user), symbol, figures }))
        });
        Box::new(of_market.chain(of_accounts))
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
