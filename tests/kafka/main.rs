//! A cluster that is wrong, away, old or another one, and others who write to it: what the program makes of it, from outside.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod anew;
mod away;
mod backlog;
mod change;
mod clocks;
mod cut;
mod doctor;
mod flow;
mod foreign;
mod lag;
mod moving;
mod old_broker;
mod other_log;
mod outage;
mod recovery;
mod same;
mod secured;
mod three_brokers;
mod topics;
mod twins;
mod ways;
mod webhooks;
