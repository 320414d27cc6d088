//! The classes of API requests that share rate limits.

use super::keyword::keywords;
use jiff::Timestamp;

keywords! {
    pub enum EndpointClass("endpoint class") {
        List = "list",
        Create = "create",
        Get = "get",
        Update = "update",
        Lifecycle = "lifecycle",
        /// All requests about file segments.
        File = "file",
        Cohort = "cohort",
    }
}

/// A line of the request log, which all runs on one workspace share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestRecord {
    /// MoEngage may count the request at any time until it answers.
    Sent { class: EndpointClass, at: Timestamp },
    /// MoEngage answered the request, so it counted the request by then.
    Answered {
        class: EndpointClass,
        sent: Timestamp,
        at: Timestamp,
    },
    /// An answer proved that MoEngage counts list and create requests separately. The last record of the two applies.
    ListAndCreateSeparate,
    /// An answer showed that MoEngage counts list and create requests together.
    ListAndCreateShared,
}
