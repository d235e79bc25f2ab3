//! Reads of settlement's rows, for answers and for proofs. Each takes one consistent look and never sees another moment.

mod accounts;
mod adjustments;
mod control;
mod explain;
mod journal;
mod orders;
mod page;
mod past;
mod sessions;
mod statement;
mod walk;
mod withdrawals;

pub use accounts::{Balances, accounts, balances, balances_as_of, exists, sums_by_partition, system_accounts};
pub use adjustments::{adjustments, booked_adjustments};
pub use control::{
    fee_schedule, fee_schedule_in, fee_schedules, rules_version, rules_version_in, rules_versions, stream_key,
    stream_keys,
};
pub use explain::{Explained, Group, Reservation, explain};
pub use journal::{FillRow, PostingRow, PostingsFilter, fills, fills_then, postings, postings_where};
pub use orders::{
    OrdersFilter, RequestOutcome, StatusFilter, open_orders, order, order_events, orders, orders_by_id, request_outcome,
};
pub use page::{Listing, Page};
pub use past::{Past, Tell, Told, balances_then, order_then, orders_then};
pub use sessions::{Session, day_begin, day_end, sessions};
pub use statement::{AssetPeriod, Period, Statement, period_postings, statement};
pub use withdrawals::{withdrawal, withdrawals};

pub(super) use orders::judged_order;
