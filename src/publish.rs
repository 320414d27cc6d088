//! Lists of users, put where the service reads them.
//!
//! The service takes no list with a call: it takes an address and reads there later, for as long as it likes. So a list is
//! a file of its own, under a name that says what is in it, until it is taken away again.

use crate::members::Values;
use crate::model::{ListDigest, PublishPlace, SegmentName};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Puts lists into a folder that a web server serves.
#[derive(Clone, Debug)]
pub struct Publisher {
    folder: PathBuf,
    /// What the addresses of files begin with; `None` where whoever reads them is on this machine.
    url: Option<String>,
}

impl Publisher {
    /// Publishes at `place`, whose paths are from `base`.
    #[must_use]
    pub fn at(place: &PublishPlace, base: &Path) -> Self {
        Self {
            folder: base.join(&place.directory),
            url: place.url.clone(),
        }
    }

    /// Puts a list there, one value a line; the address that the service is told.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or the list cannot be read.
    pub fn publish(&self, name: &ListDigest, list: &mut dyn Values) -> io::Result<String> {
        fs::create_dir_all(&self.folder)?;
        let name = file_name(name);
        let path = self.folder.join(&name);
        let new = tempfile::Builder::new()
            .prefix(".segctl-")
            .tempfile_in(&self.folder)?;
        let mut output = BufWriter::new(new);
        while let Some(value) = list.next()? {
            output.write_all(value)?;
            output.write_all(b"\n")?;
        }
        let new = output.into_inner().map_err(io::IntoInnerError::into_error)?;
        // Whoever serves it is somebody else, and it is not there half.
        readable(new.as_file())?;
        new.as_file().sync_all()?;
        new.persist(&path)?;
        let address = match &self.url {
            Some(url) => format!("{}/{name}", url.trim_end_matches('/')),
            None => format!("file://{}", escaped(&fs::canonicalize(&path)?)),
        };
        Ok(address)
    }

    /// Takes a list away; nothing where there is none.
    ///
    /// # Errors
    ///
    /// The file cannot be removed.
    pub fn withdraw(&self, name: &ListDigest) -> io::Result<()> {
        match fs::remove_file(self.folder.join(file_name(name))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Names the file of a segment's list: two segments with one list have a file each, so that one can go.
#[must_use]
pub fn name_of(segment: &SegmentName, list: &ListDigest) -> ListDigest {
    ListDigest::of(Sha256::digest(format!("{list} {segment}")).into())
}

fn file_name(name: &ListDigest) -> String {
    format!("{name}.csv")
}

/// A path with what would mean something else in an address written out.
fn escaped(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25");
    path.replace('#', "%23").replace('?', "%3F").replace(' ', "%20")
}

#[cfg(unix)]
fn readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}
