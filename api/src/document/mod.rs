//! What the program says of itself: the OpenAPI document and the pages, both made from the routes and the codes.
//!
//! - `kinds`, `names`, `fields`, `figures` (those of analytics): what a parameter or field may be, and what it means
//! - `schemas`, `shape_of`: the named shapes of bodies and answers, and which of them a call has
//! - `operations`: one call with its parameters, body, answers and problems
//! - `pages`: what people read

pub(crate) mod operations;
pub(crate) mod pages;
pub(crate) mod schemas;

mod fields;
mod figures;
mod kinds;
mod names;
mod shape_of;
mod told;
