//! Making a projection's view anew from offset zero, and going back to the one before.
//!
//! - [`offline`]: with no server: rebuilding, and verifying
//! - [`job`]: one rebuild or rollback of a running server, and how far it is
//! - [`live`]: beginning and ending them
//! - [`watch`]: beginning them where a view is damaged
//! - [`growth`]: beginning them where its files have outgrown its rows
//! - [`memory`]: how much of that is held in memory
//! - [`polite`]: work that lets everything live go first
//! - [`room`]: what is left of the disk
//! - [`building`]: from offset zero into a fresh directory, beside the live view
//! - [`ends`]: up to where several are built together
//! - [`acceptance`]: writing down that a difference was accepted
//! - [`following`]: catching up with the live view
//! - [`replacing`]: comparing with it, and taking its place

pub(crate) mod growth;
pub(crate) mod job;
pub(crate) mod live;
pub(crate) mod offline;
pub(crate) mod watch;

mod acceptance;
mod building;
mod ends;
mod following;
pub(crate) mod memory;
mod polite;
mod replacing;
pub(crate) mod room;

pub use acceptance::Acceptance;
