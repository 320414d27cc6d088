//! Where the lists of a workspace are put for the service to read.

use super::failure::{Failure, Kind};
use super::project::Project;
use crate::config::workspace::Workspace;
use crate::model::PublishPlace;
use crate::publish::{Folder, Publisher};
use std::sync::Arc;

#[cfg(feature = "object-store")]
use {crate::publish::Bucket, std::env, std::ffi::OsString};

/// The place that `publish` names, where it names one.
///
/// # Errors
///
/// A bucket in a segctl that was built without them, or one whose set-up in the environment is wrong.
pub(super) fn publisher(
    project: &Project,
    workspace: &Workspace,
) -> Result<Option<Arc<dyn Publisher>>, Failure> {
    Ok(match &workspace.policy.publish {
        None => None,
        Some(PublishPlace::Folder { directory, url }) => {
            let folder = project.directory.join(directory);
            Some(Arc::new(Folder::at(folder, url.clone())))
        }
        #[cfg(feature = "object-store")]
        Some(PublishPlace::Objects(place)) => {
            let text = |value: OsString| value.into_string().ok();
            let variables = env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
            let bucket = Bucket::connect(place, variables);
            Some(Arc::new(
                bucket.map_err(|error| Failure::caused(Kind::Error, &error))?,
            ))
        }
        #[cfg(not(feature = "object-store"))]
        Some(PublishPlace::Objects(place)) => {
            let message =
                format!("lists cannot be put into `{place}`: this segctl was built without object stores");
            return Err(Failure::new(Kind::Error, message).with_help(
                "install one with `cargo install segctl --locked --features object-store`, or publish from a directory",
            ));
        }
    })
}
