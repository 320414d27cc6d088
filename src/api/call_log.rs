//! Where calls are taken down for everybody who shares the service's limits.

use crate::model::CallRecord;
use futures_util::future::BoxFuture;

/// What is made of the calls that others took down: what this one adds. Where it is asked again, its earlier answer is
/// void, and it is told of what was added since.
pub type Respond<'a> = Box<dyn FnMut(Vec<CallRecord>) -> Vec<CallRecord> + Send + 'a>;

/// A log that several runs share.
pub trait CallLog: Send + Sync {
    /// Hands what others took down since the last time to `respond`, and adds what it answers, before anybody else can
    /// add anything: two runs never take the same place in a window.
    ///
    /// A log that cannot be kept says so to a person by itself; `respond` may not have been asked then.
    fn exchange<'a>(&'a self, respond: Respond<'a>) -> BoxFuture<'a, ()>;
}
