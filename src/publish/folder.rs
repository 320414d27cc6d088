//! A folder that a web server serves, or that whoever reads the lists can read itself.

use super::{Publisher, file_name};
use crate::member_list::SortedValues;
use crate::model::ListDigest;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// What the names of files begin with that are not whole yet.
const TEMP_FILE_PREFIX: &str = ".segctl-";

/// A folder of lists.
#[derive(Clone, Debug)]
pub struct FolderPublisher {
    folder: PathBuf,
    /// What the addresses of files begin with; `None` where whoever reads them is on this machine.
    url: Option<String>,
}

impl FolderPublisher {
    /// The folder at a path.
    #[must_use]
    pub fn at(folder: PathBuf, url: Option<String>) -> Self {
        Self { folder, url }
    }

    fn write_file(&self, name: &ListDigest, list: &mut dyn SortedValues) -> io::Result<String> {
        fs::create_dir_all(&self.folder)?;
        let name = file_name(name);
        let path = self.folder.join(&name);
        let new = tempfile::Builder::new()
            .prefix(TEMP_FILE_PREFIX)
            .tempfile_in(&self.folder)?;
        let mut output = BufWriter::new(new);
        while let Some(value) = list.next()? {
            output.write_all(value)?;
            output.write_all(b"\n")?;
        }
        let new = output.into_inner().map_err(io::IntoInnerError::into_error)?;
        // Whoever serves it is somebody else, and it is not there half.
        make_world_readable(new.as_file())?;
        new.as_file().sync_all()?;
        new.persist(&path)?;
        let address = match &self.url {
            Some(url) => format!("{}/{name}", url.trim_end_matches('/')),
            None => format!("file://{}", escape_url_path(&fs::canonicalize(&path)?)),
        };
        Ok(address)
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

/// A path with what would mean something else in an address written out.
fn escape_url_path(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25");
    path.replace('#', "%23").replace('?', "%3F").replace(' ', "%20")
}

#[cfg(unix)]
fn make_world_readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_world_readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}
