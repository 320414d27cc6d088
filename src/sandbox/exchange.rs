//! HTTP to calls, and replies to HTTP, cut short where a fault wants it so.

use super::call::{Call, Delivery, Reply};
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
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection is cut")
    }
}

impl error::Error for Cut {}

/// The body of an answer.
pub(super) type Body = http_body_util::combinators::BoxBody<Bytes, Cut>;

/// Reads a request to its end.
pub(super) async fn read(request: Request<Incoming>) -> Result<Call, Cut> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|_| Cut)?
        .to_bytes()
        .to_vec();
    let headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let query = parts.uri.query().unwrap_or_default();
    let url = reqwest::Url::parse(&format!("http://localhost/?{query}")).map_err(|_| Cut)?;
    Ok(Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers: headers.collect(),
        body,
    })
}

/// The response to send; [`Cut`] closes the connection without one.
pub(super) fn respond(reply: &Reply) -> Result<Response<Body>, Cut> {
    let text = match reply.delivery {
        Delivery::Reset => return Err(Cut),
        Delivery::Garbage => "<html><body>Bad gateway</body></html>".to_owned(),
        Delivery::Whole | Delivery::Slow(_) | Delivery::Postponed(_) | Delivery::Truncated => {
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
        StreamBody::new(Broken::Beginning(Bytes::copy_from_slice(half))).boxed()
    } else {
        Full::new(Bytes::from(text))
            .map_err(|never: Infallible| match never {})
            .boxed()
    };
    response.body(body).map_err(|_| Cut)
}

/// The beginning of a body, and then the end of the connection.
enum Broken {
    Beginning(Bytes),
    /// Half-way: hyper sends what it has when a body lets it wait, and throws it away at an error.
    Sending,
    Cut,
}

impl futures_core::Stream for Broken {
    type Item = Result<Frame<Bytes>, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match mem::replace(&mut *self, Self::Cut) {
            Self::Beginning(bytes) => {
                *self = Self::Sending;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Sending => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Cut => Poll::Ready(Some(Err(Cut))),
        }
    }
}
