//! `export`: what the ledger holds, as files of other programs.
//!
//! - `parquet`: which days, and what of them
//! - `day`: the file of one day, whole or not there
//! - `table`: the columns, and how a row becomes values of them

mod day;
mod parquet;
mod table;

use super::Failure;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Export {
    /// Writes trades, orders and postings as Parquet files, one a day, out of a running server.
    Parquet(parquet::Args),
}

pub(super) fn run(export: &Export) -> Result<(), Failure> {
    match export {
        Export::Parquet(args) => parquet::run(args),
    }
}
