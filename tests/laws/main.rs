//! Laws: properties that hold for every definition, every document and every workspace.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod convergence;
mod digests;
mod faults;
mod generate;
mod keeping;
mod members;
mod planner;
mod publishing;
mod round_trip;
mod schema;
mod torture;
mod waiting;
mod workspace;
mod write;
