//! Other people's clients write to `orders`: the producers of docs/EVENTS.md, as they stand there.

mod page;
mod partitions;
mod schemas;
mod transactions;
mod written;
