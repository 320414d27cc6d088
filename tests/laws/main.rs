//! Properties that hold for every definition, every document and every workspace.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod ambiguous_writes;
mod concurrent_changes;
mod convergence;
mod digests;
mod fault_injection;
mod file_edits;
mod generate;
mod member_lists;
mod notation;
mod planner;
mod preservation;
mod publishing;
mod respelling;
mod round_trip;
mod schema;
mod test_workspace;
