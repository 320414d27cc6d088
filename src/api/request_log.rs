//! The log of API requests that all runs on one workspace share.

use crate::model::RequestRecord;
use futures_util::future::BoxFuture;

/// Receives the records of other runs and returns the records to add. If the log calls it again, the records returned
/// before were not added, and it receives only the records added since.
pub type RecordExchange<'a> = Box<dyn FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send + 'a>;

pub trait RequestLog: Send + Sync {
    /// Passes the new records of other runs to `respond` and adds the records that it returns. Both happen atomically, so
    /// two runs never use the same slot of a window.
    ///
    /// A log that fails reports its error itself, and may not call `respond`.
    fn exchange<'a>(&'a self, respond: RecordExchange<'a>) -> BoxFuture<'a, ()>;
}
