//! Converts between hyper's types and the service's, and truncates responses for faults.

use super::http_message::{Delivery, HttpRequest, HttpResponse};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Request, Response};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{error, fmt, mem};

/// The longest body that is read, in bytes: far more than the longest definition.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct ConnectionCut;

impl fmt::Display for ConnectionCut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the sandbox closed the connection")
    }
}

impl error::Error for ConnectionCut {}

pub(super) type ResponseBody = http_body_util::combinators::BoxBody<Bytes, ConnectionCut>;

pub(super) enum ReceivedRequest {
    Complete(HttpRequest),
    /// Its body is longer than the sandbox reads.
    TooLong {
        path: String,
    },
}

pub(super) async fn read_request(request: Request<Incoming>) -> Result<ReceivedRequest, ConnectionCut> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) if error.is::<LengthLimitError>() => {
            let path = parts.uri.path().to_owned();
            return Ok(ReceivedRequest::TooLong { path });
        }
        Err(_) => return Err(ConnectionCut),
    };
    let headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let query = parts.uri.query().unwrap_or_default();
    let url = reqwest::Url::parse(&format!("http://localhost/?{query}")).map_err(|_| ConnectionCut)?;
    Ok(ReceivedRequest::Complete(HttpRequest {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers: headers.collect(),
        body,
    }))
}

pub(super) fn to_http_response(response: &HttpResponse) -> Result<Response<ResponseBody>, ConnectionCut> {
    let text = match response.delivery {
        Delivery::Reset => return Err(ConnectionCut),
        Delivery::NotJson => "<html><body>Bad gateway</body></html>".to_owned(),
        Delivery::Complete | Delivery::Delayed(_) | Delivery::Deferred(_) | Delivery::Truncated => {
            response.body.to_string()
        }
    };
    let mut builder = Response::builder()
        .status(response.status)
        .header("content-type", "application/json");
    for (name, value) in &response.headers {
        builder = builder.header(name, value);
    }
    let body = if response.delivery == Delivery::Truncated {
        builder = builder.header("content-length", text.len());
        let half = text.as_bytes().get(..text.len() / 2).unwrap_or_default();
        StreamBody::new(TruncatedBody::FirstHalf(Bytes::copy_from_slice(half))).boxed()
    } else {
        Full::new(Bytes::from(text))
            .map_err(|never: Infallible| match never {})
            .boxed()
    };
    builder.body(body).map_err(|_| ConnectionCut)
}

/// Sends the first half of a body, then closes the connection.
enum TruncatedBody {
    FirstHalf(Bytes),
    /// Pending once, so that hyper sends its buffer. At an error hyper discards it.
    Flushing,
    Aborted,
}

impl futures_core::Stream for TruncatedBody {
    type Item = Result<Frame<Bytes>, ConnectionCut>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match mem::replace(&mut *self, Self::Aborted) {
            Self::FirstHalf(bytes) => {
                *self = Self::Flushing;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Flushing => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Aborted => Poll::Ready(Some(Err(ConnectionCut))),
        }
    }
}
