//! The home directory of the user in paths that begin with `~/`.

use super::failure::{Failure, FailureKind};
use crate::model::below_home;
use std::env;
use std::path::Path;

/// A path of segctl.yaml with the home directory written out. `field` is its key.
pub(super) fn expand_home(path: &str, field: &str) -> Result<String, Failure> {
    let Some(below) = below_home(path) else {
        return Ok(path.to_owned());
    };
    match home_directory() {
        Some(home) => Ok(Path::new(&home).join(below).to_string_lossy().into_owned()),
        None => {
            let message =
                format!("`{field}`: `{path}` needs the environment variable HOME, which is not set");
            Err(Failure::new(FailureKind::InvalidFiles, message).with_help("set HOME, or write the path out"))
        }
    }
}

pub(super) fn home_directory() -> Option<String> {
    env::var("HOME").ok().filter(|home| !home.is_empty())
}
