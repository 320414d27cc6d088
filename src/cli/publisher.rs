//! The location where segctl publishes member lists for MoEngage.

use super::failure::{Failure, FailureKind};
use super::project::Project;
use crate::config::settings::WorkspaceSettings;
use crate::model::PublishLocation;
use crate::publish::{FolderPublisher, Publisher};
use std::sync::Arc;

#[cfg(feature = "object-store")]
use {crate::publish::BucketPublisher, std::env, std::ffi::OsString};

/// The publisher of `publish` in segctl.yaml, if it is set.
pub(super) fn publisher(
    project: &Project,
    workspace: &WorkspaceSettings,
) -> Result<Option<Arc<dyn Publisher>>, Failure> {
    Ok(match &workspace.policy.publish {
        None => None,
        Some(PublishLocation::Folder { directory, url }) => {
            let folder = project.directory.join(directory);
            Some(Arc::new(FolderPublisher::at(folder, url.clone())))
        }
        #[cfg(feature = "object-store")]
        Some(PublishLocation::ObjectStore(url)) => {
            let text = |value: OsString| value.into_string().ok();
            let variables = env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
            let bucket = BucketPublisher::connect(url, variables)
                .map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
            Some(Arc::new(bucket))
        }
        #[cfg(not(feature = "object-store"))]
        Some(PublishLocation::ObjectStore(url)) => {
            let message = format!("cannot publish to `{url}`: this segctl was built without object stores");
            return Err(Failure::new(FailureKind::Error, message)
                .with_help("build segctl with `--features object-store`, or publish to a directory"));
        }
    })
}
