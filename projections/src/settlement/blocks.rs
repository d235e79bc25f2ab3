//! Blocks: a user's postings and fills, some dozens to a row. Where a block ends follows from the records alone.

use bytes::Bytes;
use orderledger_domain::account::{Account, Balance, LedgerAccount, Posting, PostingReason};
use orderledger_domain::event::OrderFilled;
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::terms::{Liquidity, Side};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::packed::Packed;
use orderledger_store::views::ViewReader;
use serde::{Deserialize, Serialize};

use super::rows::offset_key;

/// A block that holds so many lines is full: the next event begins another. One event's lines are never divided.
pub const LINES_PER_BLOCK: u32 = 64;

/// A block of postings or of fills; its key holds the offset of its first entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRow {
    /// How many lines the entries have.
    pub lines: u32,
    /// The balances of all of the user's assets before the first entry (postings only).
    pub opening: Account,
    /// The entries, oldest first.
    pub entries: Packed,
}

/// The user's postings of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostingEntry {
    /// Where the event stands in the user's partition.
    pub offset: u64,
    /// When it happened.
    pub time: Timestamp,
    /// The order, if the event is an order's.
    pub order_id: Option<OrderId>,
    /// The trade, if it is a fill.
    pub trade_id: Option<String>,
    /// The changes of the user's own accounts, in order.
    pub lines: Vec<PostingLine>,
}

/// One change of one of the user's accounts. What stands after it follows from the block's opening balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostingLine {
    /// Available or reserved.
    pub account: LedgerAccount,
    /// The asset.
    pub asset: Asset,
    /// A credit above zero, a debit below.
    pub change: Amount,
    /// Why.
    pub reason: PostingReason,
}

impl From<&Posting> for PostingLine {
    fn from(posting: &Posting) -> PostingLine {
        let Posting { account, asset, change, reason } = *posting;
        PostingLine { account, asset, change, reason }
    }
}

impl From<PostingLine> for Posting {
    fn from(line: PostingLine) -> Posting {
        let PostingLine { account, asset, change, reason } = line;
        Posting { account, asset, change, reason }
    }
}

/// One leg of one trade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillEntry {
    /// Where OrderFilled stands in the user's partition.
    pub offset: u64,
    /// When it happened.
    pub time: Timestamp,
    /// The trade.
    pub trade_id: String,
    /// The user's order.
    pub order_id: OrderId,
    /// What was traded.
    pub symbol: Symbol,
    /// The order's side.
    pub side: Side,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// The trade's price.
    pub price: Price,
    /// How many shares.
    pub quantity: Quantity,
    /// This leg's fee.
    pub fee: Amount,
    /// What was still open after it.
    pub leaves_quantity: Quantity,
}

impl FillEntry {
    pub(super) fn new(offset: u64, time: Timestamp, fill: &OrderFilled) -> FillEntry {
        FillEntry {
            offset,
            time,
            trade_id: fill.trade_id.clone(),
            order_id: fill.order_id.clone(),
            symbol: fill.symbol,
            side: fill.side,
            liquidity: fill.liquidity,
            price: fill.price,
            quantity: fill.quantity,
            fee: fill.fee,
            leaves_quantity: fill.leaves_quantity,
        }
    }
}

/// The newest block of one kind of one user, while it is in memory.
#[derive(Debug, Default)]
pub(super) struct NewestBlock {
    first: u64,
    row: BlockRow,
    /// It differs from the row in the view.
    changed: bool,
}

impl NewestBlock {
    /// Reads it back, or begins with none.
    pub(super) fn load(
        reader: &ViewReader,
        prefix: u8,
        user: &UserId,
        first: Option<u64>,
    ) -> Result<NewestBlock, Error> {
        let Some(first) = first else {
            // A full block of nothing: the first entry begins a block.
            let row = BlockRow { lines: LINES_PER_BLOCK, ..BlockRow::default() };
            return Ok(NewestBlock { row, ..NewestBlock::default() });
        };
        let key = offset_key(prefix, user, first);
        let missing = || Error::corrupt(orderledger_store::At::Frame, format!("the newest block of {user} is missing"));
        let row = reader.get_row(&key)?.ok_or_else(missing)?;
        Ok(NewestBlock { first, row, changed: false })
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        const OVERHEAD: usize = 256;
        self.row.entries.byte_len().saturating_add(OVERHEAD)
    }

    /// Whether the next entry begins a new block.
    pub(super) const fn is_full(&self) -> bool {
        self.row.lines >= LINES_PER_BLOCK
    }

    /// Begins a new block at `first`; the old one is returned if the view doesn't have it like this.
    pub(super) fn begin(&mut self, first: u64, opening: Account) -> Option<(u64, BlockRow)> {
        let row = BlockRow { opening, ..BlockRow::default() };
        let old = std::mem::replace(self, NewestBlock { first, row, changed: false });
        old.changed.then_some((old.first, old.row))
    }

    pub(super) fn append(&mut self, encoded: &[u8], lines: u32) {
        self.row.lines = self.row.lines.saturating_add(lines);
        self.row.entries.append(encoded);
        self.changed = true;
    }

    /// The row and its key, if the view doesn't have it like this; from now on it has.
    pub(super) fn take_changed(&mut self, prefix: u8, user: &UserId) -> Option<(Bytes, &BlockRow)> {
        std::mem::take(&mut self.changed).then(|| (offset_key(prefix, user, self.first), &self.row))
    }
}

/// The balance of one asset after one line, while a block is rolled forward.
pub(super) fn roll(account: &mut Account, line: PostingLine) -> Result<Balance, Error> {
    let corrupt = |error| Error::corrupt(orderledger_store::At::Frame, format!("a block of postings: {error}"));
    account.post(&line.into()).map_err(corrupt)
}
