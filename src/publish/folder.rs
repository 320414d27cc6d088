//! Publishes lists in a folder that a web server serves, or that the reader can open.

use super::permissions::{create_public_folder, make_world_readable};
use super::{Publisher, file_name};
use crate::member_list::SortedValues;
use crate::model::ListDigest;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

const TEMP_FILE_PREFIX: &str = ".segctl-";

#[derive(Clone, Debug)]
pub struct FolderPublisher {
    folder: PathBuf,
    /// The base URL; `None` if the reader is on this machine.
    url: Option<String>,
}

impl FolderPublisher {
    #[must_use]
    pub fn at(folder: PathBuf, url: Option<String>) -> Self {
        Self { folder, url }
    }

    fn write_file(&self, name: &ListDigest, list: &mut dyn SortedValues) -> io::Result<String> {
        create_public_folder(&self.folder)?;
        let name = file_name(name);
        let path = self.folder.join(&name);
        let file = tempfile::Builder::new()
            .prefix(TEMP_FILE_PREFIX)
            .tempfile_in(&self.folder)?;
        let mut output = BufWriter::new(file);
        while let Some(value) = list.next()? {
            output.write_all(value)?;
            output.write_all(b"\n")?;
        }
        let file = output.into_inner().map_err(io::IntoInnerError::into_error)?;
        // The web server usually runs as another user.
        make_world_readable(file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(match &self.url {
            Some(url) => format!("{}/{name}", url.trim_end_matches('/')),
            None => format!("file://{}", escape_url_path(&fs::canonicalize(&path)?)),
        })
    }

    fn remove(&self, name: &ListDigest) -> io::Result<()> {
        match fs::remove_file(self.folder.join(file_name(name))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Publisher for FolderPublisher {
    fn publish<'a>(
        &'a self,
        name: &'a ListDigest,
        list: &'a mut (dyn SortedValues + Send),
    ) -> BoxFuture<'a, io::Result<String>> {
        ready(self.write_file(name, list)).boxed()
    }

    fn unpublish<'a>(&'a self, name: &'a ListDigest) -> BoxFuture<'a, io::Result<()>> {
        ready(self.remove(name)).boxed()
    }
}

fn escape_url_path(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25");
    path.replace('#', "%23").replace('?', "%3F").replace(' ', "%20")
}
