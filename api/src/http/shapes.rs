//! Parameters of queries and fields of answers that several calls share, or that are many.

pub(crate) const POSITION: &[&str] = &["minPosition", "waitMs", "maxStalenessMs"];
/// Of a past moment too.
pub(crate) const MOMENT: &[&str] = &["asOfPosition", "asOfTime", "clock", "minPosition", "waitMs", "maxStalenessMs"];
/// Of the end of a trading day too.
pub(crate) const BALANCES: &[&str] =
    &["asOfDay", "asOfPosition", "asOfTime", "clock", "minPosition", "waitMs", "maxStalenessMs"];
pub(crate) const STATEMENT: &[&str] =
    &["userId", "from", "to", "openingPosition", "closingPosition", "balances", "addsUp", "data", "nextCursor", "asOf"];
pub(crate) const MARKETS: &[&str] =
    &["limit", "order", "cursor", "asOfPosition", "asOfTime", "clock", "minPosition", "waitMs", "maxStalenessMs"];
pub(crate) const FILLS: &[&str] = &[
    "orderId",
    "limit",
    "order",
    "cursor",
    "asOfPosition",
    "asOfTime",
    "clock",
    "minPosition",
    "waitMs",
    "maxStalenessMs",
];
pub(crate) const POSTINGS: &[&str] = &[
    "asset",
    "reason",
    "limit",
    "order",
    "cursor",
    "asOfPosition",
    "asOfTime",
    "clock",
    "minPosition",
    "waitMs",
    "maxStalenessMs",
];
pub(crate) const EXPLAINED: &[&str] = &[
    "asset",
    "balance",
    "sum",
    "addsUp",
    "groups",
    "reservations",
    "reservationsCount",
    "reservationsSum",
    "adjustments",
    "asOf",
];
pub(crate) const PAGE: &[&str] = &["limit", "order", "cursor", "minPosition", "waitMs", "maxStalenessMs"];
pub(crate) const ORDERS: &[&str] = &[
    "status",
    "symbol",
    "clientOrderId",
    "limit",
    "order",
    "cursor",
    "minPosition",
    "waitMs",
    "maxStalenessMs",
    "asOfPosition",
    "asOfTime",
    "clock",
];
pub(crate) const HISTORY: &[&str] =
    &["from", "to", "type", "limit", "order", "cursor", "after", "minPosition", "waitMs", "maxStalenessMs"];
pub(crate) const ACCOUNT_HISTORY: &[&str] =
    &["symbol", "from", "to", "type", "limit", "order", "cursor", "after", "minPosition", "waitMs", "maxStalenessMs"];
pub(crate) const TAPE: &[&str] = &[
    "from",
    "to",
    "limit",
    "order",
    "cursor",
    "minPosition",
    "waitMs",
    "maxStalenessMs",
    "asOfPosition",
    "asOfTime",
    "clock",
];
pub(crate) const CANDLES: &[&str] = &[
    "interval",
    "fill",
    "from",
    "to",
    "limit",
    "order",
    "cursor",
    "minPosition",
    "waitMs",
    "maxStalenessMs",
    "asOfPosition",
    "asOfTime",
    "clock",
];
pub(crate) const EVENTS: &[&str] = &[
    "topic",
    "partition",
    "from",
    "symbol",
    "type",
    "since",
    "until",
    "limit",
    "cursor",
    "after",
    "minPosition",
    "waitMs",
    "maxStalenessMs",
];
pub(crate) const ANALYTICS_DAY: &[&str] = &[
    "day",
    "turnover",
    "volume",
    "tradeCount",
    "activeAccounts",
    "orders",
    "rejected",
    "amendments",
    "cancellations",
    "orderedQuantity",
    "filledQuantity",
    "fees",
    "orderToTradeRatio",
    "fillRatio",
];
pub(crate) const ANALYTICS_SYMBOL: &[&str] = &[
    "symbol",
    "day",
    "turnover",
    "volume",
    "tradeCount",
    "activeAccounts",
    "orders",
    "rejected",
    "amendments",
    "cancellations",
    "orderedQuantity",
    "filledQuantity",
    "fees",
    "orderToTradeRatio",
    "fillRatio",
    "vwap",
    "open",
    "high",
    "low",
    "close",
    "change",
    "changePercent",
    "spread",
    "spreadSamples",
];
pub(crate) const ANALYTICS_ACCOUNT: &[&str] = &[
    "day",
    "symbol",
    "turnover",
    "volume",
    "fills",
    "makerFills",
    "bought",
    "boughtFor",
    "sold",
    "soldFor",
    "vwap",
    "orders",
    "rejected",
    "amendments",
    "cancellations",
    "orderedQuantity",
    "movements",
    "fees",
    "orderToTradeRatio",
    "fillRatio",
];
pub(crate) const LIST: &[&str] = &["data", "nextCursor", "asOf"];
pub(crate) const ORDER: &[&str] = &[
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
pub(crate) const NEW_ORDER: &[&str] =
    &["symbol", "side", "orderType", "quantity", "price", "timeInForce", "clientOrderId", "postOnly", "maxCost"];
pub(crate) const MARKET: &[&str] = &[
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
pub(crate) const INCLUSION: &[&str] = &["leafIndex", "treeSize", "leafHash", "path", "rootHash", "checkpoint", "asOf"];
pub(crate) const RECORD: &[&str] = &["topic", "partition", "offset", "position", "recordedAt", "key", "event", "asOf"];

pub(crate) const INBOX: &[&str] =
    &["type", "unread", "limit", "order", "cursor", "minPosition", "waitMs", "maxStalenessMs"];
pub(crate) const NOTIFICATION: &[&str] = &["position", "recordedAt", "eventType", "read", "event", "valueBase64"];
pub(crate) const WEBHOOK: &[&str] = &[
    "webhookId",
    "url",
    "userId",
    "eventTypes",
    "secretVersion",
    "previousSecretUntil",
    "state",
    "waiting",
    "sent",
    "error",
    "position",
    "asOf",
];
pub(crate) const DEAD_LETTERS: &[&str] = &["limit", "cursor", "minPosition", "waitMs", "maxStalenessMs"];
pub(crate) const DEAD_LETTER: &[&str] = &["position", "userId", "attempts", "error"];

pub(crate) const PARKED: &[&str] =
    &["projection", "limit", "order", "cursor", "minPosition", "waitMs", "maxStalenessMs"];
pub(crate) const DECIDED: &[&str] = &["entity", "projection", "position", "state", "firstPosition", "waiting", "error"];

pub(crate) const REBUILD: &[&str] = &[
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
