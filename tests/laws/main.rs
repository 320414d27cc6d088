//! Laws: properties that hold for every definition, every document and every workspace.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod convergence;
mod digests;
mod ambiguous_writes;
mod generate;
mod preservation;
mod member_lists;
mod planner;
mod publishing;
mod round_trip;
mod schema;
mod fault_injection;
mod concurrent_changes;
mod test_workspace;
mod file_edits;
