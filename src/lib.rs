//! Segments as code for MoEngage: YAML files define the audience segments of a workspace, `plan` shows the changes,
//! and `apply` makes them.
//!
//! The folders follow the data flow:
//!
//! 1. `config` reads the YAML files into declared segments. `member_list` reads their member lists.
//! 2. `state` loads what segctl last applied, and recovers the journal of an interrupted run.
//! 3. `observe` reads the remote segments.
//! 4. `plan` compares the three and decides every change. `definition` encodes, compares and digests filters.
//! 5. `apply` executes the plan through `api`, within the limits of `rate_limit`. `publish` uploads user lists for
//!    MoEngage to read, and `callbacks` receives the results.
//! 6. `render` prints plans, progress and results as text or JSON.
//!
//! `reconcile` runs these stages in order, and `cli` is the user interface. `model` and `diagnostic` are the vocabulary of
//! all stages. `storage` stores the objects of a state in a directory or an object store. `sandbox` is an embedded server that behaves like MoEngage.

pub mod api;
pub mod apply;
pub mod callbacks;
pub mod cli;
pub mod config;
pub mod definition;
pub mod diagnostic;
pub mod member_list;
pub mod model;
pub mod observe;
pub mod plan;
pub mod publish;
pub mod rate_limit;
pub mod reconcile;
pub mod render;
pub mod sandbox;
pub mod state;
pub mod storage;

#[cfg(test)]
#[path = "../tests/fixed_seeds/mod.rs"]
mod fixed_seeds;
