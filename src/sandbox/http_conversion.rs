//! HTTP to calls, and replies to HTTP, cut short where a fault wants it so.

use super::http_message::{Delivery, HttpRequest, HttpResponse};
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Request, Response};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{error, fmt, mem};

/// Bytes of a body that are read: far more than the longest definition takes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// A connection that ends without a whole answer.
#[derive(Debug)]
pub(super) struct ConnectionCut;

impl fmt::Display for ConnectionCut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection is cut")
    }
}

impl error::Error for ConnectionCut {}

/// The body of an answer.
pub(super) type ResponseBody = http_body_util::combinators::BoxBody<Bytes, ConnectionCut>;

/// Reads a request to its end.
pub(super) async fn read_request(request: Request<Incoming>) -> Result<HttpRequest, ConnectionCut> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|_| ConnectionCut)?
        .to_bytes()
        .to_vec();
    let headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let query = parts.uri.query().unwrap_or_default();
    let url = reqwest::Url::parse(&format!("http://localhost/?{query}")).map_err(|_| ConnectionCut)?;
    Ok(HttpRequest {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers: headers.collect(),
        body,
    })
}

/// The response to send; [`Cut`] closes the connection without one.
pub(super) fn to_http_response(reply: &HttpResponse) -> Result<Response<ResponseBody>, ConnectionCut> {
    let text = match reply.delivery {
        Delivery::Reset => return Err(ConnectionCut),
        Delivery::NotJson => "<html><body>Bad gateway</body></html>".to_owned(),
        Delivery::Complete | Delivery::Delayed(_) | Delivery::Deferred(_) | Delivery::Truncated => {
            reply.body.to_string()
        }
    };
    let mut response = Response::builder()
        .status(reply.status)
        .header("content-type", "application/json");
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let body = if reply.delivery == Delivery::Truncated {
        response = response.header("content-length", text.len());
        let half = text.as_bytes().get(..text.len() / 2).unwrap_or_default();
        StreamBody::new(TruncatedBody::FirstHalf(Bytes::copy_from_slice(half))).boxed()
    } else {
        Full::new(Bytes::from(text))
            .map_err(|never: Infallible| match never {})
            .boxed()
    };
    response.body(body).map_err(|_| ConnectionCut)
}

/// The beginning of a body, and then the end of the connection.
enum TruncatedBody {
    FirstHalf(Bytes),
    /// Half-way: hyper sends what it has when a body lets it wait, and throws it away at an error.
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
