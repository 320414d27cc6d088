//! The location where segctl publishes member lists for MoEngage.

use super::failure::{Failure, FailureKind};
use super::home::expand_home;
use super::output::Output;
use super::project::SelectedWorkspace;
use crate::model::PublishLocation;
use crate::publish::{FolderPublisher, Publisher, closed_folders};
use std::sync::Arc;

#[cfg(feature = "object-store")]
use {crate::publish::BucketPublisher, std::env, std::ffi::OsString};

/// The publisher of `publish` in segctl.yaml, if it is set.
pub(super) fn publisher(workspace: SelectedWorkspace<'_>) -> Result<Option<Arc<dyn Publisher>>, Failure> {
    Ok(match &workspace.settings.policy.publish {
        None => None,
        Some(PublishLocation::Folder { directory, url }) => {
            let folder = workspace
                .project
                .directory
                .join(expand_home(directory, "publish.directory")?);
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

/// Warns about folders that keep a web server from reading the published lists.
pub(super) fn note_closed_folders(workspace: SelectedWorkspace<'_>, output: Output) -> Result<(), Failure> {
    let Some(PublishLocation::Folder { directory, url }) = &workspace.settings.policy.publish else {
        return Ok(());
    };
    let project = workspace.project;
    let folder = project
        .directory
        .join(expand_home(directory, "publish.directory")?);
    // Without a URL, the reader is on this machine and can open what the user can.
    let is_inside = url.is_none() && folder.starts_with(&project.directory);
    let top = is_inside.then_some(project.directory.as_path());
    for closed in closed_folders(&folder, top) {
        output.print_note(format!(
            "other users cannot enter `{}`: a web server that runs as another user cannot read the published lists; \
             to allow it: `chmod o+x`",
            project.display_path(&closed)
        ));
    }
    Ok(())
}
