//! Properties that hold for every definition, every document and every workspace.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod ambiguous_writes;
mod concurrent_changes;
mod convergence;
mod digests;
mod fault_injection;
mod file_edits;
mod file_index;
#[path = "../fixed_seeds/mod.rs"]
mod fixed_seeds;
mod generate;
mod member_lists;
mod notation;
mod planner;
mod preservation;
mod publishing;
mod respelling;
mod round_trip;
mod sandbox_agreement;
mod schema;
mod seeds;
mod test_workspace;
