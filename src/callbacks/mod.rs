//! Receives upload results from MoEngage: a small HTTP server that stores callbacks beside the state.
//!
//! MoEngage does not sign callbacks. The path authenticates them: it ends with a secret that only MoEngage receives, and
//! with the id of the upload. All other paths return 404,
//! except `/` and `/healthz`, which tell a load balancer whether callbacks can be stored.
//!
//! The server stores a callback before it answers, so MoEngage can retry one without an answer. Runs read the stored results.

mod health_check;
mod message;
mod server;

pub use message::MessageError;
pub use server::{CallbackEvent, CallbackHandler, CallbackServer, CallbackServerError};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};

fn text_response(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *response.status_mut() = status;
    response
}
