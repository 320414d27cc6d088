//! The service's endpoints, as far as its limits tell them apart.

use super::keyword::keywords;

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
