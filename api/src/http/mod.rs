//! What every call has in common: routes, bodies, parameters, problems, answers.
//!
//! - `routes`, `shapes`: every call on one page, and the fields that are many
//! - `server`: connections, and their end
//! - `front`: what answers until the ledger is open
//! - `edge`: what wraps every call
//! - `problem`: what is said when something is wrong
//! - `body`, `fields`, `values`, `params`, `headers`: what comes in
//! - `answer`, `as_of`, `cursor`: what goes out

pub mod front;
pub mod routes;
pub mod server;

pub(crate) mod answer;
pub(crate) mod as_of;
pub(crate) mod body;
pub(crate) mod cursor;
pub(crate) mod edge;
pub(crate) mod fields;
pub(crate) mod headers;
pub(crate) mod params;
pub(crate) mod problem;
pub(crate) mod values;

mod shapes;
