//! The closed lists of reasons; they grow only by an architecture decision, for they stand in records for ever.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every reason of the list.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The reason as it stands in records.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

reasons!(
    /// Why an order, cancel, amend or withdrawal was not granted: the user's fault (FIX tags 103 and 102).
    Rejection {
        /// Available cash doesn't cover price, quantity and the highest fee.
        InsufficientFunds = "insufficient_funds",
        /// Available shares don't cover the quantity.
        InsufficientShares = "insufficient_shares",
        /// The terms contradict each other, such as a market order that is good till canceled.
        InvalidTerms = "invalid_terms",
        /// Price × quantity is above the largest notional.
        NotionalTooLarge = "notional_too_large",
        /// A post-only order or amend would trade at once.
        PostOnlyWouldCross = "post_only_would_cross",
        /// No order of this id was ever accepted for this user.
        UnknownOrder = "unknown_order",
        /// The order is no longer open.
        OrderClosed = "order_closed",
        /// Another amend of the order is undecided and this one does not merely reduce further.
        AmendPending = "amend_pending",
        /// Market, ioc and fok orders can't be amended.
        NotAmendable = "not_amendable",
        /// The new total is at or below what is already filled.
        BelowFilled = "below_filled",
    }
);

reasons!(
    /// Why an accepted order ended by its own rule.
    ExpireReason {
        /// What an immediate-or-cancel or market order couldn't trade at once.
        IocRemainder = "ioc_remainder",
        /// The book couldn't fill all of a fill-or-kill order at once.
        FokUnfillable = "fok_unfillable",
        /// The budget of a market buy doesn't pay for one more share.
        BudgetSpent = "budget_spent",
        /// The session of a day order closed.
        SessionClosed = "session_closed",
        /// The next match would be with the user's own order; the incoming remainder expires.
        SelfTrade = "self_trade",
    }
);

reasons!(
    /// Why a record from outside can't be used at all.
    RefuseReason {
        /// The value is not UTF-8.
        NotUtf8 = "not_utf8",
        /// The value is not JSON.
        NotJson = "not_json",
        /// JSON, but not the envelope or payload of its type.
        BadEnvelope = "bad_envelope",
        /// No event type of the ledger.
        UnknownType = "unknown_type",
        /// A version of the envelope that this program doesn't know.
        UnknownVersion = "unknown_version",
        /// Larger than a record may be.
        TooLarge = "too_large",
        /// A null value.
        NullValue = "null_value",
        /// The record's key is not the payload's user (or `_control`).
        WrongKey = "wrong_key",
        /// The record stands in another partition than its key hashes to.
        WrongPartition = "wrong_partition",
        /// The envelope's timestamp is more than 5 minutes ahead of the append time.
        TimestampInFuture = "timestamp_in_future",
        /// A number outside the ledger's bounds.
        OutOfRange = "out_of_range",
        /// The same JSON field twice in one object.
        DuplicateField = "duplicate_field",
        /// The order's id was used before, with another payload.
        DuplicateOrder = "duplicate_order",
        /// The event's id was used before, with another type or payload.
        IdReused = "id_reused",
        /// A derived event that is not the next of its stream.
        NotInStream = "not_in_stream",
        /// A change of the stream key that is not sealed with the one in force.
        NotSealed = "not_sealed",
    }
);
