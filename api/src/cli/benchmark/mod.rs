//! `benchmark`: ours beside the bare loop, in one run. docs/BENCHMARKS.md says what each compares.

mod bare;
mod client;
mod load;
mod matching;
mod orders;
mod rebuild;

use clap::Subcommand;

use super::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Benchmark {
    /// Orders over HTTP against a server of its own: latency from the intended send, answered and visible.
    ///
    /// Open loop: order i is due at i / rate, and every latency counts from then. Some orders wait for their decision and
    /// are then asked for in balances and market at that position: that is "visible". Beside it: one record appended and
    /// read back on the bare log (a hop), and one bare fsync. An order passes three hops until it is visible:
    /// placed, accepted, matched. With --rate 0 each connection sends its next order as soon as the last is answered.
    Orders(orders::Args),
    /// Commands a second of the bare book on one core: insert, cancel and sweep apart, beside a loop that only reads them.
    Matching(matching::Args),
    /// Records a second of the three projections from offset zero, in one pass, beside a loop that only reads the log, and
    /// one that reads and parses it.
    Rebuild(rebuild::Args),
}

pub(super) fn run(benchmark: Benchmark) -> Result<(), Failure> {
    match benchmark {
        Benchmark::Orders(args) => orders::run(&args),
        Benchmark::Matching(args) => matching::run(&args),
        Benchmark::Rebuild(args) => rebuild::run(&args),
    }
}
