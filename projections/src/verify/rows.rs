//! The rows of the views as verifying wants them, all at the log's end.

use orderledger_domain::account::LedgerAccount;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::order::Status;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::terms::Liquidity;
use orderledger_domain::timestamp::{Day, Timestamp};
use orderledger_store::Error;
use orderledger_store::event_log::Record;

use super::tape::{CandleKey, CandleRow, TapeRow};

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

/// An entity of which records wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedRow {
    /// The key of its records.
    pub name: String,
    /// The first that waits.
    pub head: Position,
    /// How many wait, that one included.
    pub waiting: u64,
}

/// Something that a user is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationRow {
    /// Who.
    pub user: UserId,
    /// Where the event stands in the user's partition of `orders`.
    pub offset: u64,
    /// Of which type it is.
    pub event_type: EventType,
}

/// What analytics say of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayRow {
    /// Which day.
    pub day: Day,
    /// Of which account; none: of all.
    pub user: Option<UserId>,
    /// In which symbol; none: in all.
    pub symbol: Option<Symbol>,
    /// The figures.
    pub figures: DayFigures,
}

/// The figures of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayFigures {
    /// Orders, amendments and cancellations that went to the book.
    pub messages: u64,
    /// Orders that were rejected.
    pub rejected: u64,
    /// Shares ordered.
    pub ordered: u128,
    /// Shares filled.
    pub filled: u128,
    /// Trades; of an account: fills.
    pub trades: u64,
    /// Σ price × quantity of those.
    pub turnover: i128,
    /// Fees.
    pub fees: i128,
    /// Accounts that did something; none in the row of an account.
    pub accounts: u64,
}

/// A chain's partition, count, last offset and head.
pub type ChainRow = (TopicPartition, u64, u64, [u8; 32]);

/// Everything that the views hold.
pub trait ViewRows {
    /// settlement and market: every parked entity.
    fn parked(&self) -> Rows<'_, ParkedRow>;
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
    /// market: every trade; a symbol's in the order of their bookSeq.
    fn tape(&self) -> Rows<'_, (Symbol, TapeRow)>;
    /// market: every candle.
    fn candles(&self) -> Rows<'_, (CandleKey, CandleRow)>;
    /// market: every symbol's figures.
    fn markets(&self) -> Rows<'_, (Symbol, MarketRow)>;
    /// notifications: every inbox, whatever its user wants to be told; a user's in the order of their offsets.
    fn notifications(&self) -> Rows<'_, NotificationRow>;
    /// analytics: every day of all, of each symbol, of each account and of each of its symbols.
    fn days(&self) -> Rows<'_, DayRow>;
    /// audit: every chain.
    fn chains(&self) -> Rows<'_, ChainRow>;
    /// audit: every record of a partition, in order.
    fn records(&self, of: TopicPartition) -> Rows<'_, Record>;
}
