//! Every code that a problem's `type` ends in: its statuses, where it can come, what it means and what to do about it.
//!
//! The pages below `/docs/errors`, docs/ERRORS.md and the OpenAPI document are made from this table; a test reads the
//! sources for codes that are missing here.

mod places;

pub(crate) use places::At;

/// One code.
pub(crate) struct Code {
    /// The end of `type`; stable.
    pub(crate) code: &'static str,
    /// The statuses it comes with.
    pub(crate) statuses: &'static [u16],
    /// The calls it can come from.
    pub(crate) at: At,
    /// What it says.
    pub(crate) meaning: &'static str,
    /// What the caller does about it.
    pub(crate) remedy: &'static str,
}

const fn code(
    code: &'static str,
    statuses: &'static [u16],
    at: At,
    meaning: &'static str,
    remedy: &'static str,
) -> Code {
    Code { code, statuses, at, meaning, remedy }
}

const SAME_KEY: &str =
    "Wait for Retry-After and send the same request again, with the same Idempotency-Key: it is safe.";
const AGAIN: &str = "Wait for Retry-After and ask again.";

/// The code's entry.
pub(crate) fn of(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|known| known.code == code)
}

/// All codes, by their first status.
pub(crate) const CODES: &[Code] = &[
    code(
        "bad-request",
        &[400],
        At::Every,
        "The request can't be read as HTTP.",
        "Mend how the client writes requests.",
    ),
    code(
        "unreadable-body",
        &[400],
        At::Bodies,
        "The body is not UTF-8, not JSON, nests too deep, or ends before its end.",
        "Send one JSON object; `detail` says where reading stopped.",
    ),
    code(
        "idempotency-key-required",
        &[400],
        At::Writes,
        "The header Idempotency-Key is missing, there twice, or malformed.",
        "Send it once, with 1 to 255 visible ASCII characters; a new one for each new wish, the same one for a retry.",
    ),
    code(
        "credential-required",
        &[401],
        At::Asks,
        "The server asks who calls, and the call has no credential.",
        "Send Authorization: Bearer with an API key (olk_…) or a token.",
    ),
    code(
        "credential-invalid",
        &[401],
        At::Asks,
        "The credential is unknown, malformed, expired or revoked.",
        "Get a new key or token; nothing more is told of why.",
    ),
    code("forbidden", &[403], At::Asks, "No role of the credential has this call.", "Use a credential with that role."),
    code("not-found", &[404], At::Path, "There is no call at this address.", "Look the address up in /openapi.json."),
    code(
        "unknown-account",
        &[404],
        At::Account,
        "No event names this account.",
        "Check the userId; an account exists from its first event, such as a deposit.",
    ),
    code(
        "unknown-webhook",
        &[404],
        At::Below("/v1/webhooks/"),
        "There is no webhook of this id, or it was deleted.",
        "GET /v1/webhooks lists all of them.",
    ),
    code(
        "too-many-webhooks",
        &[409],
        At::Below("/v1/webhooks"),
        "There are as many webhooks as may be.",
        "Delete one that nobody needs.",
    ),
    code(
        "rules-too-old",
        &[409],
        At::Below("/v1/accounts/{userId}/adjustments"),
        "The rules in force don't know such requests yet.",
        "Ask an operator for `PUT /v1/rules` with the newest version, once every server knows it; then send it again.",
    ),
    code(
        "unknown-order",
        &[404],
        At::Path,
        "There is no order of this id where it was looked for.",
        "Check the orderId. Right after placing an order, give its position as `minPosition`.",
    ),
    code(
        "unknown-market",
        &[404],
        At::Below("/v1/markets/"),
        "No order of this symbol was ever accepted.",
        "Check the symbol; a market exists from its first accepted order.",
    ),
    code(
        "unknown-record",
        &[404],
        At::Below("/v1/audit/"),
        "The audit trail has no record at this position.",
        "Check topic, partition and offset; /v1/audit/events lists what is there.",
    ),
    code(
        "unknown-projection",
        &[404],
        At::Below("/v1/projections/"),
        "There is no projection of this name.",
        "Take a name from /v1/projections; `detail` lists them.",
    ),
    code(
        "not-parked",
        &[404],
        At::Below("/v1/parked/"),
        "Nothing of this entity waits.",
        "Nothing is left to do; /v1/parked lists what waits.",
    ),
    code(
        "no-rebuild",
        &[404, 409],
        At::Below("/v1/projections/"),
        "The projection was not rebuilt since the server began (404), or no rebuild runs that could be called off (409).",
        "Start one with POST …/rebuild, or leave it.",
    ),
    code(
        "method-not-allowed",
        &[405],
        At::Edge,
        "The address is right and the method is not.",
        "Use a method that the header Allow names.",
    ),
    code(
        "request-timeout",
        &[408],
        At::Bodies,
        "The request did not come in time.",
        "Send it again, whole, with the same Idempotency-Key; nothing was written.",
    ),
    code(
        "order-id-ambiguous",
        &[409],
        At::Below("/v1/orders/"),
        "Several accounts have an order of this id.",
        "Ask for /v1/accounts/{userId}/orders/{orderId}.",
    ),
    code(
        "position-not-reached",
        &[409],
        At::Positions,
        "The view has not reached `minPosition` within `waitMs`.",
        "Ask again after Retry-After, or wait longer with `waitMs` (at most 10000).",
    ),
    code(
        "head-moved",
        &[409],
        At::Below("/v1/parked/"),
        "The first record that waits is another by now, or is just being applied.",
        "Look at the entity again, decide about its first record, with a new Idempotency-Key.",
    ),
    code(
        "rebuild-running",
        &[409],
        At::Below("/v1/projections/"),
        "A generation of this view is being made already.",
        "Wait for it (GET …/rebuild), or call it off (DELETE …/rebuild).",
    ),
    code(
        "nothing-to-roll-back-to",
        &[409],
        At::Below("/v1/projections/"),
        "There is no whole generation before the live one.",
        "Rebuild instead.",
    ),
    code(
        "log-truncated",
        &[409],
        At::Below("/v1/projections/"),
        "The log no longer begins at its first record, so the view can't be made from it.",
        "Restore the log's beginning, or keep the live view.",
    ),
    code(
        "stream-key-changed",
        &[409],
        At::Below("/v1/stream-key"),
        "Another change of the stream key came first.",
        "Look at /v1/stream-key and ask again.",
    ),
    code(
        "body-too-large",
        &[413],
        At::Bodies,
        "The body is larger than the call takes.",
        "Send at most 65536 bytes; split what is larger.",
    ),
    code("uri-too-long", &[414], At::Every, "The address has more than 8192 bytes.", "Shorten the query."),
    code(
        "unsupported-media-type",
        &[415],
        At::Bodies,
        "The body is not plain JSON.",
        "Send Content-Type: application/json and no Content-Encoding.",
    ),
    code(
        "invalid-request",
        &[422],
        At::Every,
        "The request can be read, and a field or parameter breaks a rule.",
        "Mend what `errors` names: `pointer` is a place in the body, `parameter` one of path or query.",
    ),
    code(
        "position-not-tracked",
        &[422],
        At::Positions,
        "None of the positions is in a topic that this view reads.",
        "Give a position in one of the topics that `detail` names.",
    ),
    code(
        "idempotency-key-reused",
        &[422],
        At::Writes,
        "This Idempotency-Key was used before with another body, method or path.",
        "Use a new key for a new wish.",
    ),
    code(
        "record-refused",
        &[422],
        At::Writes,
        "Intake refused the record; nothing was booked.",
        "`detail` has the reason from the closed list in docs/EVENTS.md; mend that and use a new key.",
    ),
    code(
        "refused",
        &[400],
        At::Edge,
        "The request is refused with a status that has no code of its own.",
        "The status says what is wrong.",
    ),
    code(
        "internal",
        &[500],
        At::Every,
        "The server failed at this call.",
        "Tell the operator; the server's log says why. A write may be retried with the same Idempotency-Key.",
    ),
    code(
        "not-acceptable",
        &[406],
        At::Lists,
        "The list comes in none of the forms that Accept names.",
        "Name application/json, application/x-ndjson or text/csv, or leave Accept out.",
    ),
    code(
        "resume-too-old",
        &[410],
        At::Below("/v1/stream"),
        "More has happened since Last-Event-ID than a stream tells again.",
        "Read the history up to now, then open the stream without Last-Event-ID.",
    ),
    code(
        "rate-limited",
        &[429],
        At::Asks,
        "The credential, or the address, has used up its limit.",
        "Wait for Retry-After; the headers RateLimit say how much is left.",
    ),
    code(
        "slow-consumer",
        &[408],
        At::Edge,
        "The last message of a stream whose reader fell behind.",
        "Read faster, or fewer channels; resume with Last-Event-ID.",
    ),
    code(
        "too-many-exports",
        &[503],
        At::Whole,
        "As many lists are streamed whole as may be at once.",
        "Wait for Retry-After, or read page by page.",
    ),
    code("too-many-streams", &[503], At::Below("/v1/stream"), "As many streams are open as may be.", AGAIN),
    code("stopping", &[503], At::Below("/v1/stream"), "The server is going down.", AGAIN),
    code(
        "too-stale",
        &[503],
        At::Positions,
        "The answer would be further behind the log than maxStalenessMs.",
        "Ask again, wait longer (waitMs), or accept an older answer; lagMs and lagRecords say how old it would be.",
    ),
    code(
        "outcome-unknown",
        &[503],
        At::Writes,
        "The log has not acknowledged the record, or intake has not judged it, in time: it may still be booked.",
        SAME_KEY,
    ),
    code("overloaded", &[503], At::Writes, "Too many writes wait for the log; nothing was written.", SAME_KEY),
    code("log-unavailable", &[503], At::Writes, "The log takes no records; nothing was written.", SAME_KEY),
    code(
        "clock-ahead",
        &[503],
        At::Writes,
        "This server's clock is ahead of the log's; nothing was booked.",
        "Tell the operator to set the clock, then retry.",
    ),
    code(
        "view-behind",
        &[503],
        At::Writes,
        "Whether the order exists is not known yet; nothing was written.",
        SAME_KEY,
    ),
    code(
        "not-ready",
        &[503],
        At::Every,
        "A worker that the call needs has stopped or has not caught up.",
        "Ask again after Retry-After; /readyz and /v1/projections name the worker.",
    ),
    code("starting", &[503], At::Every, "The ledger is being opened; nothing was written.", AGAIN),
    code("log-unreachable", &[503], At::Every, "The event log can't be reached; nothing was written.", AGAIN),
    code("store-unavailable", &[503], At::Every, "The store does not answer.", AGAIN),
    code(
        "view-rebuilding",
        &[503],
        At::Every,
        "The view is being made anew and has no rows to answer this from; the others answer.",
        AGAIN,
    ),
];

#[cfg(test)]
mod sources;
