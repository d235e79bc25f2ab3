//! The program from outside: started, asked over its socket, killed, started again.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod audit;
mod backup;
mod closing;
mod control;
mod cores;
mod digests;
mod disk_full;
mod idempotency;
mod kill;
mod made_anew;
mod markets;
mod no_room;
mod old_data;
mod paging;
mod positions;
mod problems;
mod realtime;
mod rebuild;
mod rebuild_command;
mod starting;
mod tail;
mod trade;
mod versions;
mod waiting;
mod watch;
