//! Any past moment, what explains a number, and how fresh an answer must be.

mod explained;
mod flow;
mod fresh;
mod replay;
mod waiting;
