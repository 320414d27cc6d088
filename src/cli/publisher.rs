//! Where the lists of a workspace are put for the service to read.

use super::failure::{Failure, FailureKind};
use super::project::Project;
use crate::config::settings::WorkspaceSettings;
use crate::model::PublishLocation;
use crate::publish::{FolderPublisher, Publisher};
use std::sync::Arc;

#[cfg(feature = "object-store")]
use {crate::publish::BucketPublisher, std::env, std::ffi::OsString};

/// The place that `publish` names, where it names one.
///
/// # Errors
///
/// A bucket in a segctl that was built without them, or one whose set-up in the environment is wrong.
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
        Some(PublishLocation::ObjectStore(place)) => {
            let text = |value: OsString| value.into_string().ok();
            let variables = env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
            let bucket = BucketPublisher::connect(place, variables);
            Some(Arc::new(bucket.map_err(|error| {
                Failure::from_error(FailureKind::Error, &error)
            })?))
        }
        #[cfg(not(feature = "object-store"))]
        Some(PublishLocation::ObjectStore(place)) => {
            let message =
                format!("lists cannot be put into `{place}`: this segctl was built without object stores");
            return Err(Failure::new(FailureKind::Error, message).with_help(
                "install one with `cargo install segctl --locked --features object-store`, or publish from a directory",
            ));
        }
    })
}
