//! Where calls are taken down for everybody who shares the service's limits.

use crate::model::RequestRecord;
use futures_util::future::BoxFuture;

/// What is made of the calls that others took down: what this one adds. Where it is asked again, its earlier answer is
/// void, and it is told of what was added since.
pub type RecordExchange<'a> = Box<dyn FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send + 'a>;

/// A log that several runs share.
pub trait RequestLog: Send + Sync {
    /// Hands what others took down since the last time to `respond`, and adds what it answers, before anybody else can
    /// add anything: two runs never take the same place in a window.
    ///
    /// A log that cannot be kept says so to a person by itself; `respond` may not have been asked then.
    fn exchange<'a>(&'a self, respond: RecordExchange<'a>) -> BoxFuture<'a, ()>;
}
