//! The service's endpoints, as far as its limits tell them apart.

use super::keyword::keywords;
use jiff::Timestamp;

keywords! {
    /// The classes of calls that have limits of their own.
    pub enum EndpointClass("endpoint class") {
        /// Lists.
        List = "list",
        /// Creates of filter segments.
        Create = "create",
        /// Gets by id.
        Get = "get",
        /// Updates of filter segments.
        Update = "update",
        /// Archives and unarchives.
        Lifecycle = "lifecycle",
        /// All operations on file segments together.
        File = "file",
        /// Cohort syncs.
        Cohort = "cohort",
    }
}

/// What is taken down of calls, for everybody who shares the service's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestRecord {
    /// A call is sent. Nobody knows when the service counts it, until it is answered.
    Sent {
        /// Which limits it counts toward.
        class: EndpointClass,
        /// When it was sent.
        at: Timestamp,
    },
    /// The call that was sent at a moment was answered: the service counted it by then.
    Answered {
        /// Which limits it counts toward.
        class: EndpointClass,
        /// When it was sent.
        sent: Timestamp,
        /// When its answer had come.
        at: Timestamp,
    },
    /// An answer proved that the service counts lists and creates apart.
    ListAndCreateSeparate,
}
