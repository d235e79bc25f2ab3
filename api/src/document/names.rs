//! What the parameters of paths and queries mean. One name may mean something else in one call.

/// The kind and the meaning of a parameter of that call.
pub(super) fn parameter(call: &str, name: &str) -> Option<(&'static str, &'static str)> {
    let own = PARAMETERS.iter().find(|(of, known, ..)| *of == call && *known == name);
    let of_all = || PARAMETERS.iter().find(|(of, known, ..)| of.is_empty() && *known == name);
    own.or_else(of_all).map(|(_, _, kind, meaning)| (*kind, *meaning))
}

/// Call (empty: every call), name, kind, meaning.
const PARAMETERS: &[(&str, &str, &str, &str)] = &[
    ("", "userId", "UserId", "The account."),
    ("", "orderId", "OrderId", "The order."),
    ("", "symbol", "Symbol", "The market."),
    ("", "topic", "Topic", "The topic of the log."),
    ("", "partition", "Count", "The partition of the topic."),
    ("", "offset", "Count", "The offset in the partition."),
    ("", "entity", "Entity", "A user or a symbol whose records wait."),
    ("", "name", "Name", "The projection; `all` where a rebuild is asked for."),
    ("", "code", "Name", "The code of a problem."),
    ("", "file", "Name", "A file of the page."),
    ("", "minPosition", "Positions", "Answer only once the view has applied these positions."),
    ("", "waitMs", "WaitMs", "How long to wait for that, in milliseconds."),
    ("", "limit", "Limit", "How many rows at most."),
    ("", "order", "SortOrder", "Which end of the list comes first; the newest unless asked otherwise."),
    ("", "cursor", "Cursor", "`nextCursor` of the page before."),
    ("", "status", "StatusFilter", "Only orders of this status; `open` and `closed` stand for several."),
    ("", "clientOrderId", "ClientOrderId", "Only the order of this name."),
    ("", "asset", "Asset", "Only lines of this asset."),
    ("", "from", "Time", "From this time on."),
    ("", "to", "Time", "Before this time."),
    ("auditEvents", "from", "Count", "From this offset on."),
    ("", "since", "Time", "Recorded from this time on."),
    ("", "until", "Time", "Recorded before this time."),
    ("", "type", "Types", "Only these event types, with commas between them."),
    ("", "asOfPosition", "Positions", "As it was right after this position."),
    ("", "asOfTime", "Time", "As it was at this time; excludes `asOfPosition`."),
    ("", "asOfDay", "Day", "As it was when the session closed that ended this trading day; excludes the other two."),
    (
        "statement",
        "from",
        "Edge",
        "From what was recorded at this time on, or from this trading day on; absent: from the beginning.",
    ),
    (
        "statement",
        "to",
        "Edge",
        "Before what was recorded at this time, or up to the close of this trading day; absent: up to now.",
    ),
    ("", "depth", "Depth", "How many levels of each side."),
    ("", "interval", "Interval", "How long a candle is."),
    ("", "projection", "ProjectionName", "Only what waits in this projection."),
    ("", "maxStalenessMs", "Count", "Refuse an answer that is further behind the log than that, in milliseconds."),
    ("", "clock", "Clock", "What `asOfTime` counts: when the log took a record, or when its event happened."),
    ("", "reason", "Text", "Only lines of this reason."),
    ("", "after", "Position", "Go on behind this record, in the list's order; instead of `cursor`."),
    ("", "fill", "Fill", "`previous`: an interval without a trade has a row, too."),
    ("", "treeSize", "Count", "The size of the tree that the proof leads to; the newest unless given."),
    ("auditConsistency", "from", "Count", "The size of the older tree."),
    ("auditConsistency", "to", "Count", "The size of the newer tree; the newest unless given."),
    (
        "",
        "channels",
        "Channels",
        "What to tell, with commas between: trades:AAPL, book:AAPL, candles:AAPL:1m, orders:ann, balances:ann, notifications:ann, lag.",
    ),
    ("", "webhookId", "Id", "The webhook."),
    ("", "unread", "Flag", "Only what is not read."),
    ("", "dryRun", "Flag", "Say what would be done, and do nothing."),
];
