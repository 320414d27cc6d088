//! A file that is the old one or the new one, whatever happens, and never a part of either.

use super::failure::{Failure, Kind};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

/// A file that can be written, as far as that can be known before.
#[derive(Debug)]
pub(super) struct WholeFile {
    /// As the user named it.
    shown: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A file that is replaced, or made; with what may be done with it now.
    File(PathBuf, Option<Permissions>),
    /// A pipe or a device: something else in its place would be something else.
    Stream(PathBuf),
}

impl WholeFile {
    /// Tries whether `path` can be written, and leaves it as it is.
    ///
    /// # Errors
    ///
    /// It is a directory, or the file system takes no file beside it.
    pub(super) fn at(path: &Path) -> Result<Self, Failure> {
        let file = Self {
            place: place(path).map_err(|error| refused(path, &error))?,
            shown: path.to_owned(),
        };
        if let Place::File(target, _) = &file.place {
            let beside = beside(target);
            File::create(&beside)
                .and_then(|_| fs::remove_file(&beside))
                .map_err(|error| refused(path, &error))?;
        }
        Ok(file)
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        let written = match &self.place {
            Place::Stream(path) => fs::write(path, text),
            Place::File(path, permissions) => {
                let beside = beside(path);
                replace(path, (&beside, permissions.as_ref()), text).inspect_err(|_| {
                    // It may never have been made; either way nobody else knows of it.
                    drop(fs::remove_file(&beside));
                })
            }
        };
        written.map_err(|error| refused(&self.shown, &error))
    }
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Kind::Error, format!("cannot write `{}`: {error}", path.display()))
}

fn place(path: &Path) -> io::Result<Place> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // A link stays one: what it points at is replaced.
        Ok(found) if found.is_file() => Ok(Place::File(fs::canonicalize(path)?, Some(found.permissions()))),
        Ok(_) => Ok(Place::Stream(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Place::File(path.to_owned(), None)),
        Err(error) => Err(error),
    }
}

/// In the same directory, so that it can take the file's place; no other run's.
fn beside(path: &Path) -> PathBuf {
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
    fn what_was_there_stays_until_the_new_one_is_whole_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("receipt.json");
        for text in ["one", "two"] {
            let before = fs::read_to_string(&path).ok();
            let file = WholeFile::at(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).ok(), before);
            file.write(text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(names(directory.path()), ["receipt.json"]);
        }
    }

    #[test]
    fn what_cannot_be_written_is_known_before() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = directory.path().join("nowhere/receipt.json");
        for path in [directory.path(), &nowhere] {
            let failure = WholeFile::at(path).unwrap_err();
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
    fn links_and_modes_and_devices_stay_what_they_are() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        WholeFile::at(&link).unwrap().write("new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        WholeFile::at(Path::new("/dev/null")).unwrap().write("x").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
