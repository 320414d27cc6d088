//! A prefix in a bucket, which `state` and `publish` use.

use super::connect::{SignedObjectStore, connect};
use super::error::describe_error;
use crate::model::ObjectStoreUrl;
use object_store::Error;
use object_store::path::Path;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Bucket {
    pub store: Arc<dyn SignedObjectStore>,
    pub url: ObjectStoreUrl,
}

impl Bucket {
    /// Reads the setup from environment variables. Sends no request. Errors contain no secrets.
    pub fn connect(
        url: &ObjectStoreUrl,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, String> {
        let store = connect(url, variables)?;
        let url = url.clone();
        Ok(Self { store, url })
    }

    #[must_use]
    pub fn path(&self, name: &str) -> Path {
        let prefix = self.url.prefix.split('/').filter(|part| !part.is_empty());
        Path::from_iter(prefix.chain(name.split('/')))
    }

    /// The cause of an error and how to fix it, without secrets.
    #[must_use]
    pub fn describe(&self, error: &Error) -> String {
        describe_error(self.url.provider, error)
    }
}
