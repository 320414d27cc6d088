//! A place where the service says what became of lists: a small HTTP server that keeps what it is told beside the ledger.
//!
//! The service signs nothing. An address is what tells a callback from anything else: it ends with a secret that only the
//! service was told, and with the id of the call that it is about. Whatever else is asked for is not found.
//!
//! Nothing is decided here. A callback is kept before it is answered, so that a service that gets an answer need not try
//! again, and one that gets none may; runs read what was kept.

mod message;
mod server;

pub use message::MessageError;
pub use server::{CallbackEvent, CallbackHandler, CallbackServer, CallbackServerError};
