//! Receives upload results from MoEngage: a small HTTP server that stores callbacks beside the state.
//!
//! MoEngage does not sign callbacks. The path authenticates them: it ends with a secret that only MoEngage receives, and
//! with the id of the upload. All other paths return 404.
//!
//! The server stores a callback before it answers, so MoEngage can retry one without an answer. Runs read the stored results.

mod message;
mod server;

pub use message::MessageError;
pub use server::{CallbackEvent, CallbackHandler, CallbackServer, CallbackServerError};
