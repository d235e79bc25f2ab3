//! The workers: the stages that decide, and the projections that answer.
//!
//! In: records of the log, partition by partition, in order. Out: derived records (stages) or rows of a view (projections).
//! Invariant: a worker is a deterministic fold; the same log gives the same outputs and rows, however it was batched.
//! Never: HTTP, one projection importing another, an effect inside a fold.

pub mod worker;

pub mod parking;

pub mod intake;
pub mod matching;
pub mod stage;

pub mod analytics;
pub mod audit;
pub mod market;
pub mod notifications;
pub mod settlement;

pub mod rebuild;
pub mod verify;
pub mod versions;
