//! Atomic replacement of files: readers see the old or the new content, never a part of one.

use super::failure::Failure;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

/// A file that was writable when it was prepared.
#[derive(Debug)]
pub(super) struct AtomicFile {
    display_path: PathBuf,
    destination: Destination,
}

#[derive(Debug)]
enum Destination {
    /// A file, with its permissions if it exists.
    File(PathBuf, Option<Permissions>),
    /// A pipe or a device, which cannot be replaced by a file.
    Stream(PathBuf),
}

impl AtomicFile {
    /// Checks that `path` can be written, without changing it.
    pub(super) fn prepare(path: &Path) -> Result<Self, Failure> {
        let file = Self {
            destination: destination(path).map_err(|error| Failure::cannot_write(path, &error))?,
            display_path: path.to_owned(),
        };
        if let Destination::File(target, _) = &file.destination {
            let temporary = temporary_path(target);
            File::create(&temporary)
                .and_then(|_| fs::remove_file(&temporary))
                .map_err(|error| Failure::cannot_write(path, &error))?;
        }
        Ok(file)
    }

    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        let written = match &self.destination {
            Destination::Stream(path) => fs::write(path, text),
            Destination::File(path, permissions) => {
                let temporary = temporary_path(path);
                replace(path, &temporary, permissions.as_ref(), text).inspect_err(|_| {
                    // The temporary file may not exist.
                    drop(fs::remove_file(&temporary));
                })
            }
        };
        written.map_err(|error| Failure::cannot_write(&self.display_path, &error))
    }
}

fn destination(path: &Path) -> io::Result<Destination> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // Replaces the target of a symbolic link, not the link.
        Ok(found) if found.is_file() => Ok(Destination::File(
            fs::canonicalize(path)?,
            Some(found.permissions()),
        )),
        Ok(_) => Ok(Destination::Stream(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Destination::File(path.to_owned(), None)),
        Err(error) => Err(error),
    }
}

/// In the same directory, because a rename does not cross file systems; the process id makes it unique.
fn temporary_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", process::id()));
    path.with_file_name(name)
}

fn replace(path: &Path, temporary: &Path, permissions: Option<&Permissions>, text: &str) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(text.as_bytes())?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions.clone())?;
    }
    // Without this, the rename may reach the disk before the bytes do.
    file.sync_all()?;
    fs::rename(temporary, path)
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
        let path = directory.path().join("report.json");
        for text in ["one", "two"] {
            let before = fs::read_to_string(&path).ok();
            let file = AtomicFile::prepare(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).ok(), before);
            file.write(text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(names(directory.path()), ["report.json"]);
        }
    }

    #[test]
    fn an_unwritable_path_is_rejected_before_writing() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing/report.json");
        for path in [directory.path(), &missing] {
            let failure = AtomicFile::prepare(path).unwrap_err();
            let message = failure.message;
            assert!(message.contains(&path.display().to_string()), "{message}");
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
