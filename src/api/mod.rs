//! The client of the Segments API.
//!
//! It guarantees four things: it stays within the rate limits; it never repeats a write unless the first one certainly had
//! no effect; it classifies errors by what the caller has to do next; and no key appears in a message. It decides nothing
//! about segments: `apply` verifies the effect of an unanswered write.
//!
//! - `transport` is the only module that uses HTTP. The others use [`Request`] and [`Response`].
//! - `clock` is the source of time, so that tests can control it. `server_clock` estimates the offset of MoEngage's clock.
//! - `responses` decodes answers: strict on ids and names, lenient on other fields.
//! - `error` classifies a failed request by status and fields, never by wording.
//! - `request_log` shares the sent requests among the runs that use one state.
//! - `cancellation` ends waits when the run is cancelled.
//! - `retry` is pure: it decides when to retry, and only `client` waits.
//!
//! One [`Client`] serves a whole run by reference, and concurrent requests share its retry budget.

mod cancellation;
mod client;
mod clock;
mod error;
mod operation;
mod request_log;
mod responses;
mod retry;
mod server_clock;
mod transport;

pub use cancellation::{CancelHandle, CancelToken};
pub use client::{Client, FetchedSegment, MemberBatcher, Permit, UploadParameters, WaitNotice, WaitReason};
pub use clock::{Clock, SystemClock};
pub use error::{ApiError, RequestError};
pub use operation::Operation;
pub use request_log::{RecordExchange, RequestLog};
pub use responses::{Listing, RemoteSegment, RemoteSummary};
pub use retry::{RetryDecision, RetryPolicy, Retryability};
pub use transport::{
    ApiVersion, Credentials, Endpoint, HttpTransport, Method, ProxyError, Request, Response, SetupError,
    SetupProblem, Transport, TransportError,
};
