//! The answer to load balancers and orchestrators, which ask without the token whether callbacks can be stored.

use super::text_response;
use crate::model::{UploadCounts, UploadId, UploadResult};
use crate::state::StateStore;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Requests without the token cause at most one write in this time.
const INTERVAL: Duration = Duration::from_secs(5);

/// The id of an upload that does not exist. Each run deletes its result, like all that no upload waits for.
const PROBE_ID: [u8; 16] = [0; 16];

/// A proxy may add a prefix to `/healthz`.
pub(super) fn is_health_check<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    matches!(*request.method(), Method::GET | Method::HEAD) && (path == "/" || path.ends_with("/healthz"))
}

#[derive(Default)]
pub(super) struct HealthCheck {
    last: Mutex<Option<Probe>>,
}

struct Probe {
    at: Instant,
    number: u64,
    can_store: bool,
}

impl HealthCheck {
    /// 200 if the store accepted a result in the last seconds, 503 otherwise.
    pub(super) async fn response(&self, store: &StateStore) -> Response<Full<Bytes>> {
        let mut last = self.last.lock().await;
        let can_store = match &*last {
            Some(probe) if probe.at.elapsed() < INTERVAL => probe.can_store,
            earlier => {
                let number = earlier.as_ref().map_or(0, |probe| probe.number + 1);
                let can_store = store_result(store, number).await;
                *last = Some(Probe {
                    at: Instant::now(),
                    number,
                    can_store,
                });
                can_store
            }
        };
        if can_store {
            text_response(StatusCode::OK, "ok")
        } else {
            text_response(StatusCode::SERVICE_UNAVAILABLE, "cannot store callbacks now")
        }
    }
}

/// Stores a result as a callback does. Each one differs, because an equal result is not written again.
async fn store_result(store: &StateStore, number: u64) -> bool {
    let upload = UploadId::from_bytes(PROBE_ID);
    let result = UploadResult::Processed(UploadCounts {
        values_found: Some(number),
        ..UploadCounts::default()
    });
    store.save_callback(&upload, &result).await.is_ok()
}
