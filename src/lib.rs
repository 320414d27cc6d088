//! Segments as code for MoEngage: files say which audience segments a workspace should have, `plan` shows
//! what would change, `apply` makes it so.
//!
//! The folders are the data flow: `config` turns files into declared segments, `observe` reads what is live,
//! `plan` compares the two and decides everything, `apply` runs the plan's steps through `api`, with lists of users put where
//! the service reads them by `publish` and what it says of them heard by `callbacks`, `render` prints what came of it.
//! `session` says in which order. `model` and `definition` are the vocabulary under all of them.

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
#[cfg(feature = "object-store")]
pub mod storage;
