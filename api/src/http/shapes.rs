//! Parameters of queries and fields of answers that several calls share, or that are many.

pub(super) const POSITION: &[&str] = &["minPosition", "waitMs"];
pub(super) const PAGE: &[&str] = &["limit", "order", "cursor", "minPosition", "waitMs"];
pub(super) const ORDERS: &[&str] =
    &["status", "symbol", "clientOrderId", "limit", "order", "cursor", "minPosition", "waitMs"];
pub(super) const HISTORY: &[&str] = &["from", "to", "type", "limit", "order", "cursor", "minPosition", "waitMs"];
pub(super) const TAPE: &[&str] = &["from", "to", "limit", "order", "cursor", "minPosition", "waitMs"];
pub(super) const CANDLES: &[&str] = &["interval", "from", "to", "limit", "order", "cursor", "minPosition", "waitMs"];
pub(super) const EVENTS: &[&str] =
    &["topic", "partition", "from", "symbol", "type", "since", "until", "limit", "cursor", "minPosition", "waitMs"];
pub(super) const LIST: &[&str] = &["data", "nextCursor", "asOf"];
pub(super) const ORDER: &[&str] = &[
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
    "position",
    "asOf",
];
pub(super) const NEW_ORDER: &[&str] =
    &["symbol", "side", "orderType", "quantity", "price", "timeInForce", "clientOrderId", "postOnly", "maxCost"];
pub(super) const MARKET: &[&str] = &[
    "symbol",
    "last",
    "bid",
    "bidSize",
    "ask",
    "askSize",
    "open",
    "high",
    "low",
    "volume",
    "vwap",
    "tradeCount",
    "change",
    "asOf",
];
pub(super) const RECORD: &[&str] = &["topic", "partition", "offset", "position", "recordedAt", "key", "event", "asOf"];

pub(super) const PARKED: &[&str] = &["projection", "limit", "order", "cursor"];
pub(super) const DECIDED: &[&str] = &["entity", "projection", "position", "state", "firstPosition", "waiting", "error"];

pub(super) const REBUILD: &[&str] = &[
    "generation",
    "action",
    "phase",
    "records",
    "left",
    "rows",
    "recordsPerSecond",
    "etaMs",
    "begunAt",
    "endedAt",
    "restedMs",
    "liveDigest",
    "digest",
    "differences",
    "error",
];
