//! The columns of rows that are streamed.

use std::io;

use super::{FillRow, OrderRow, PostingRow, StatementLine, TradeRow};
use crate::http::sheet::{Row, cells, write_line};

macro_rules! row {
    ($row:ty, $($column:literal),+) => {
        impl Row for $row {
            const COLUMNS: &'static [&'static str] = &[$($column),+];

            fn write_line(&self, to: &mut Vec<u8>) -> io::Result<()> {
                write_line(self, to)
            }

            fn cells(&self) -> io::Result<Vec<String>> {
                cells(self, Self::COLUMNS)
            }
        }
    };
}

row!(
    OrderRow,
    "orderId",
    "userId",
    "symbol",
    "side",
    "orderType",
    "timeInForce",
    "postOnly",
    "status",
    "quantity",
    "cumQuantity",
    "leavesQuantity",
    "price",
    "maxCost",
    "avgPrice",
    "fees",
    "reason",
    "clientOrderId",
    "createdAt",
    "updatedAt",
    "position"
);
row!(
    FillRow,
    "tradeId",
    "orderId",
    "symbol",
    "side",
    "liquidity",
    "price",
    "quantity",
    "fee",
    "leavesQuantity",
    "time",
    "position"
);
row!(
    PostingRow,
    "account",
    "asset",
    "debit",
    "credit",
    "reason",
    "tradeId",
    "orderId",
    "total",
    "available",
    "reserved",
    "time",
    "position"
);
row!(
    StatementLine,
    "line",
    "account",
    "asset",
    "debit",
    "credit",
    "reason",
    "tradeId",
    "orderId",
    "total",
    "available",
    "reserved",
    "time",
    "position"
);
row!(TradeRow, "tradeId", "symbol", "price", "quantity", "takerSide", "bookSeq", "time", "position");
