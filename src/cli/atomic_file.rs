//! A file that is the old one or the new one, whatever happens, and never a part of either.

use super::failure::{Failure, FailureKind};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

/// A file that can be written, as far as that can be known before.
#[derive(Debug)]
pub(super) struct AtomicFile {
    /// As the user named it.
    display_path: PathBuf,
    destination: Destination,
}

#[derive(Debug)]
enum Destination {
    /// A file that is replaced, or made; with what may be done with it now.
    File(PathBuf, Option<Permissions>),
    /// A pipe or a device: something else in its place would be something else.
    Stream(PathBuf),
}

impl AtomicFile {
    /// Tries whether `path` can be written, and leaves it as it is.
    ///
    /// # Errors
    ///
    /// It is a directory, or the file system takes no file beside it.
    pub(super) fn prepare(path: &Path) -> Result<Self, Failure> {
        let file = Self {
            destination: destination(path).map_err(|error| write_failure(path, &error))?,
            display_path: path.to_owned(),
        };
        if let Destination::File(target, _) = &file.destination {
            let beside = temporary_path(target);
            File::create(&beside)
                .and_then(|_| fs::remove_file(&beside))
                .map_err(|error| write_failure(path, &error))?;
        }
        Ok(file)
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        let written = match &self.destination {
            Destination::Stream(path) => fs::write(path, text),
            Destination::File(path, permissions) => {
                let beside = temporary_path(path);
                replace(path, (&beside, permissions.as_ref()), text).inspect_err(|_| {
                    // It may never have been made; either way nobody else knows of it.
                    drop(fs::remove_file(&beside));
                })
            }
        };
        written.map_err(|error| write_failure(&self.display_path, &error))
    }
}

fn write_failure(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        FailureKind::Error,
        format!("cannot write `{}`: {error}", path.display()),
    )
}

fn destination(path: &Path) -> io::Result<Destination> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // A link stays one: what it points at is replaced.
        Ok(found) if found.is_file() => Ok(Destination::File(
            fs::canonicalize(path)?,
            Some(found.permissions()),
        )),
        Ok(_) => Ok(Destination::Stream(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Destination::File(path.to_owned(), None)),
        Err(error) => Err(error),
    }
}

/// In the same directory, so that it can take the file's place; no other run's.
fn temporary_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", process::id()));
    path.with_file_name(name)
}

fn replace(path: &Path, (beside, permissions): (&Path, Option<&Permissions>), text: &str) -> io::Result<()> {
    let mut file = File::create(beside)?;
    file.write_all(text.as_bytes())?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions.clone())?;
    }
    // Without this the rename may reach the disk before the bytes do.
    file.sync_all()?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_complete_and_no_temporary_file_remains() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("receipt.json");
        for text in ["one", "two"] {
            let before = fs::read_to_string(&path).ok();
            let file = AtomicFile::prepare(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).ok(), before);
            file.write(text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(names(directory.path()), ["receipt.json"]);
        }
    }

    #[test]
    fn an_unwritable_path_is_rejected_before_writing() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = directory.path().join("nowhere/receipt.json");
        for path in [directory.path(), &nowhere] {
            let failure = AtomicFile::prepare(path).unwrap_err();
            assert!(
                failure.message.contains(&path.display().to_string()),
                "{}",
                failure.message
            );
        }
        assert!(names(directory.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_permissions_and_devices_are_preserved() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        AtomicFile::prepare(&link).unwrap().write("new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        AtomicFile::prepare(Path::new("/dev/null"))
            .unwrap()
            .write("x")
            .unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
