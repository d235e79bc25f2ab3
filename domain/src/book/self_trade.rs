//! Self-trade prevention: which of two orders of one owner gives way.

/// What happens where the next order to trade with is its owner's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SelfTrade {
    /// What is left of the incoming order expires ("cancel newest"). A fok order counts only what stands before its owner's
    /// first own order.
    ExpireIncoming,
    /// The resting order expires and the incoming one goes on ("cancel oldest"), where it could have traded with it: a
    /// market buy whose budget pays for not one share there ends itself. A fok order doesn't count its owner's orders, and
    /// expires them only if it is filled.
    ExpireResting,
}
