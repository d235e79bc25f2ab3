//! What every call has in common: routes, bodies, parameters, problems, answers.
//!
//! - `calls`, `told`, `analytics`, `routes`, `shapes`: every call, what a call is, and the fields that are many
//! - `server`: connections, and their end
//! - `front`: what answers until the ledger is open
//! - `edge`, `trace`, `guard`: what wraps every call, which trace it belongs to, and who may make it
//! - `connections`, `paced`, `tls`: which connections there are, how fast they must be, and how they are encrypted
//! - `problem`, `codes`: what is said when something is wrong
//! - `body`, `fields`, `values`, `params`, `headers`: what comes in
//! - `answer`, `as_of`, `cursor`: what goes out
//! - `form`, `sheet`, `export`: lists that go out whole

pub mod front;
pub mod routes;
pub mod server;
pub mod tls;

pub(crate) mod answer;
pub(crate) mod as_of;
pub(crate) mod body;
pub(crate) mod calls;
pub(crate) mod codes;
pub(crate) mod correlation;
pub(crate) mod cursor;
pub(crate) mod edge;
pub(crate) mod export;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod params;
pub(crate) mod problem;
pub(crate) mod sheet;
pub(crate) mod trace;
pub(crate) mod values;

mod analytics;
mod connections;
mod paced;
pub(crate) mod shapes;
mod told;
