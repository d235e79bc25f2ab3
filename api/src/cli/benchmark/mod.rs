//! `benchmark`: ours beside a bare loop, in one run: machines differ and are noisy, so ratios count.

mod client;
mod ground;
mod history;
mod ids;
mod inbox;
mod load;
mod matching;
mod orders;
mod pacer;
mod past;
mod priorities;
mod reads;
mod rebuild;
mod server;
mod soak;

use clap::Subcommand;

use super::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Benchmark {
    /// Orders over HTTP against a server that it starts, beside the bare hop through the log and the bare fsync.
    #[command(long_about = orders::ABOUT)]
    Orders(orders::Args),
    /// The bare book on one core, beside loops over the same commands.
    #[command(long_about = matching::ABOUT)]
    Matching(matching::Args),
    /// The projections from offset zero, beside a loop that only reads the same log.
    #[command(long_about = rebuild::ABOUT)]
    Rebuild(rebuild::Args),
    /// Hot reads over HTTP, beside a static answer of the same server, idle and under orders.
    #[command(long_about = reads::ABOUT)]
    Reads(reads::Args),
    /// Intake's memory of ids as it grows, beside a plain file.
    #[command(long_about = ids::ABOUT)]
    Ids(ids::Args),
    /// One account's inbox of a million notifications, beside one of a hundred.
    #[command(long_about = inbox::ABOUT)]
    Inbox(inbox::Args),
    /// Lists that go out whole: a partition and single users, beside a loop that only reads the same log.
    #[command(long_about = history::ABOUT)]
    History(history::Args),
    /// Answers for past moments, before and after all views are rebuilt, beside the bare call.
    #[command(long_about = past::ABOUT)]
    Past(past::Args),
    /// Orders while everything that may lag is behind and all views are rebuilt, beside orders alone, in pairs.
    #[command(long_about = priorities::ABOUT)]
    Priorities(priorities::Args),
    /// The demo's flow for hours: does memory, disk, files or lag grow that should not?
    #[command(long_about = soak::ABOUT)]
    Soak(soak::Args),
}

pub(super) fn run(benchmark: Benchmark) -> Result<(), Failure> {
    match benchmark {
        Benchmark::Orders(args) => orders::run(&args),
        Benchmark::Matching(args) => matching::run(&args),
        Benchmark::Rebuild(args) => rebuild::run(&args),
        Benchmark::Reads(args) => reads::run(&args),
        Benchmark::Ids(args) => ids::run(&args),
        Benchmark::Inbox(args) => inbox::run(&args),
        Benchmark::History(args) => history::run(&args),
        Benchmark::Past(args) => past::run(&args),
        Benchmark::Priorities(args) => priorities::run(&args),
        Benchmark::Soak(args) => soak::run(&args),
    }
}

/// The middle one.
fn median<T: Ord + Copy + Default>(values: &mut [T]) -> T {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
