//! The client of the Segments API.
//!
//! It answers for four things: that the service's limits are kept, that a write is never sent twice unless
//! the first one certainly did nothing, that whatever comes back is told apart by what a caller has to do
//! next, and that no key ever reaches a message. It decides nothing about segments: settling a write whose
//! answer was lost is the business of `apply`, which reads the segment back.
//!
//! - `transport` is the one place that knows HTTP; the rest sees a [`Request`] and a [`Response`].
//! - `clock` is where time comes from, so that tests can move it; `service_clock` knows how far that of the service is off.
//! - `wire` decodes answers: strict on ids and names, lenient on everything else.
//! - `error` says what a failed call means, from status and fields, never from wording.
//! - `call_log` is where runs on one ledger tell each other of their calls.
//! - `stop` tells whatever waits that somebody wants the run to end.
//! - `pacing` and `retry` are pure: they answer "not before this moment", and only `client` waits.
//!
//! One [`Client`] serves a whole run by reference, and concurrent calls share its budget.

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
pub use responses::{RemoteSegment, RemoteSummary};
pub use retry::{RetryDecision, RetryPolicy, Retryability};
pub use transport::{
    ApiVersion, Credentials, Endpoint, EndpointError, HttpTransport, Method, Request, Response, SetupError,
    Transport, TransportError,
};
